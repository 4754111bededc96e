"""A cache that was warmed before a server forks its workers, as gunicorn does with a preloaded application."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import compound_fast as cf

WORKERS = 4
SERVER = f"""
import logging, os, sys, threading
import compound_fast as cf

logging.basicConfig(format="%(message)s", stream=sys.stdout)
path = sys.argv[1] or None
cache = cf.SemanticCache(path=path)
for number in range(50):
    cache.put(f"cancel purchase {{number + 100_000}}", f"{{number}}", tenant="a", sources=[f"kb/{{number}}.md@1"])

def serve(worker, faults):
    for turn in range(60):
        for number in range(worker, 50, {WORKERS}):
            hit = cache.get(f"please cancel the purchase {{number + 100_000}}", tenant="a")
            if hit is None or hit.response != str(number):
                faults.append(f"{{number}}: {{hit}}")
            if cache.get(f"cancel purchase {{number + 100_000}}", tenant="b") is not None:
                faults.append("another tenant's answer")
        cache.put(f"of worker {{os.getpid()}} {{turn}}", "x" * 500, writer=str(os.getpid()))
        served = cache.get_or_call("asked by all", lambda: "called", namespace=str(os.getpid()))
        if served.response != "called":
            faults.append(served.response)

def work():
    faults = []
    threads = [threading.Thread(target=serve, args=(number, faults)) for number in range({WORKERS})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        print(faults[:3], file=sys.stderr)
    return len(faults)

busy = threading.Thread(target=serve, args=(0, []))  # a parent that serves while it forks
busy.start()
children = []
for _ in range({WORKERS}):
    child = os.fork()
    if child == 0:
        code = min(work(), 1)
        sys.stdout.flush()
        cache.close()
        os._exit(code)
    children.append(child)
failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
busy.join()
cache.put("after all", "parent's")
cache.close()
sys.exit(failed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("is_kept", [False, True], ids=["memory", "folder"])
def test_workers_forked_from_a_warm_parent_all_serve_and_leave_its_folder_alone(tmp_path, is_kept) -> None:
    """Each worker serves what the parent had, under threads; a folder costs it one warning, and stays the parent's."""
    folder = str(tmp_path / "cache") if is_kept else ""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SERVER, folder]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("in memory only") == (WORKERS if is_kept else 0)
    if is_kept:
        with cf.SemanticCache(path=folder) as cache:
            asked = [f"cancel purchase {number + 100_000}" for number in range(50)]
            assert [hit and hit.response for hit in cache.get_many(asked, tenant="a")] == [str(n) for n in range(50)]
            assert cache.get("after all") is not None
            assert len({entry.writer for entry in cache.entries()}) == 2, "somebody else's than the parent's own"
            assert cache.stats()["journal_bytes_skipped"] == 0
