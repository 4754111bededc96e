"""A cache in a process that forks: servers that fork warmed workers, as gunicorn does, and threads that are inside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import compound_fast as cf
from compound_fast import _core
from flights import LIMIT_S, under_way, until

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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_while_threads_are_inside_the_cache_can_use_it() -> None:
    """A fork waits until no thread holds the lock, so that the child never finds it taken."""
    cache = cf.SemanticCache()
    cache.put("Where is my order?", "there")
    is_over = threading.Event()

    def work(number: int) -> None:
        while not is_over.is_set():
            cache.put(f"question of thread {number} about many things", "x" * 1000)
            cache.get("another question about other things")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            child = os.fork()
            if child == 0:
                signal.alarm(5)  # ends a child that hangs
                os._exit(0 if cache.get("Where is my order?") else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_threads_go_on_while_a_fork_waits_for_one_that_is_inside_the_cache() -> None:
    """A snapshot may take seconds; a fork that waits for it holds no thread of Python up, nor another fork."""
    cache = cf.SemanticCache()
    texts = [f"{number} " + "many words " * 30_000 for number in range(60)]
    requests = [_core.Request(json.dumps({"messages": [{"role": "user", "content": text}]}).encode()) for text in texts]
    began, is_over = threading.Event(), threading.Event()
    ticks = 0
    seen: list[int] = []

    def inside() -> None:
        began.set()
        cache._core.get_many(requests)

    def tick() -> None:
        nonlocal ticks
        while not is_over.wait(0.001):
            ticks += 1

    def fork() -> None:
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            os._exit(0 if cache.get("another question") is None else 1)
        seen.append(ticks)
        assert os.waitpid(child, 0)[1] == 0

    ticker, worker, other = (threading.Thread(target=work) for work in (tick, inside, fork))
    ticker.start()
    worker.start()
    began.wait()
    before = ticks
    other.start()
    fork()
    is_over.set()
    for thread in (ticker, worker, other):
        thread.join()

    assert min(seen) - before > 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_wait_for_calls_of_its_parent():
    """The thread that leads a call is not there in a child, so the child calls for itself."""
    cache = cf.SemanticCache()
    may_end = threading.Event()
    leader = threading.Thread(target=cache.get_or_call, args=("hi", lambda: (may_end.wait(LIMIT_S), "parent")[1]))
    leader.start()
    try:
        until(lambda: under_way(cache._flights))
        child = os.fork()
        if child == 0:
            signal.alarm(LIMIT_S)
            os._exit(0 if cache.get_or_call("hi", lambda: "child").response == "child" else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        may_end.set()
        leader.join()
