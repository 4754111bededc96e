"""A cache in a folder: it survives its process, belongs to one at a time, and says what the disk refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import compound_fast as cf


def _in_another_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_entries_survive_the_process_with_all_that_is_known_of_them(tmp_path) -> None:
    """Another process finds the answers, exactly and by meaning, with form, price, sources and age."""
    folder = tmp_path / "made" / "here"
    with cf.SemanticCache(path=folder) as cache:
        completion = {"choices": [{"message": {"content": "Cancelled."}}]}
        cache.put("cancel purchase 150351613775", completion, tenant="a", model="m", cost_usd=0.01, sources=["kb@1"])
        cache.put("bytes", json.dumps(completion).encode())

    with cf.SemanticCache(path=str(folder)) as cache:
        hit = cache.get("please cancel the purchase 150351613775", tenant="a")
        assert hit is not None
        assert (hit.kind, hit.response, hit.model, hit.cost_saved_usd) == ("semantic", completion, "m", 0.01)
        same = cache.get("bytes")
        assert same is not None
        assert same.response == json.dumps(completion).encode()
        assert cache.get("cancel purchase 150351613775", tenant="b") is None
        assert cache.stats()["loaded"] == 2
        assert cache.invalidate(source="kb@*") == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    with cf.SemanticCache(path=folder) as cache:
        assert len(cache) == 1


@pytest.mark.parametrize("durability", ["interval", "sync"])
def test_what_put_acknowledged_survives_a_killed_process(tmp_path, durability) -> None:
    """A process that dies by SIGKILL right after put loses nothing."""
    code = """
import os, signal, sys
import compound_fast as cf
cache = cf.SemanticCache(path=sys.argv[1], durability=sys.argv[2])
for number in range(50):
    assert cache.put(f"question {number}", f"answer {number}") is not None
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert _in_another_process(code, tmp_path, durability).returncode == -signal.SIGKILL

    with cf.SemanticCache(path=tmp_path) as cache:
        hits = cache.get_many([f"question {number}" for number in range(50)])
    assert [hit and hit.response for hit in hits] == [f"answer {number}" for number in range(50)]


def test_a_second_process_is_told_that_the_folder_is_taken(tmp_path) -> None:
    """CacheLockedError, until the first one is closed or dead."""
    code = """
import sys
import compound_fast as cf
try:
    cf.SemanticCache(path=sys.argv[1])
except cf.CacheLockedError as error:
    print(error)
"""
    with cf.SemanticCache(path=tmp_path):
        said = _in_another_process(code, tmp_path)
    assert "this cache is open already, here or in another process" in said.stdout
    assert _in_another_process(code, tmp_path).stdout == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_goes_on_in_memory_with_one_warning(tmp_path) -> None:
    """The child serves what there was and keeps what it puts to itself; the folder stays the parent's."""
    code = """
import logging, os, sys
import compound_fast as cf
logging.basicConfig(format="%(message)s", stream=sys.stdout)
cache = cf.SemanticCache(path=sys.argv[1])
cache.put("before", "parent's")
child = os.fork()
if child == 0:
    cache.put("in the child", "x")
    assert cache.get("before").response == "parent's" and cache.get("in the child") is not None
    cache.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
cache.put("after", "parent's")
assert cache.get("in the child") is None
"""
    said = _in_another_process(code, tmp_path)

    assert (said.returncode, said.stdout.count("in memory only")) == (0, 1), said.stderr
    with cf.SemanticCache(path=tmp_path) as cache:
        hits = cache.get_many(["before", "after", "in the child"])
    assert [hit is not None for hit in hits] == [True, True, False]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_parent_that_dies_leaves_the_folder_free_though_its_child_lives(tmp_path) -> None:
    """A child holds nothing of the folder, so its parent's successor can open it."""
    code = """
import os, sys, time
import compound_fast as cf
cache = cf.SemanticCache(path=sys.argv[1])
if os.fork() == 0:
    print("child lives", flush=True)
    sys.stdin.read()
    os._exit(0)
os._exit(0)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "child lives\n"
        assert parent.wait(30) == 0
        cf.SemanticCache(path=tmp_path).close()


def test_a_damaged_snapshot_is_an_error_that_names_the_file(tmp_path) -> None:
    """Nothing of a damaged file is served."""
    with cf.SemanticCache(path=tmp_path) as cache:
        cache.put("hi", "there")
        cache._core.compact()
    (snapshot,) = tmp_path.glob("snapshot-*")
    damaged = bytearray(snapshot.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    snapshot.write_bytes(damaged)

    with pytest.raises(cf.SnapshotError, match=r"snapshot-.*corrupted"):
        cf.SemanticCache(path=tmp_path)


def test_a_path_that_is_no_folder_is_an_error(tmp_path) -> None:
    """A file in the place of the folder is named."""
    (tmp_path / "file").touch()

    with pytest.raises(cf.CacheError, match="file: no folder for a cache"):
        cf.SemanticCache(path=tmp_path / "file")


FULL_DISK = """
import logging, pathlib, resource, signal, sys
import compound_fast as cf
logging.basicConfig(format="logged: %(message)s", stream=sys.stdout)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cache = cf.SemanticCache(path=sys.argv[1], strict=sys.argv[2] == "strict")
cache.put("before", "x", sources=["kb@1"])
(journal,) = pathlib.Path(sys.argv[1]).glob("journal-*")
resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + 16, resource.RLIM_INFINITY))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_costs_a_log_line_and_no_answer(tmp_path) -> None:
    """What the disk refuses is kept in memory, logged without the prompt, counted, and written once there is room."""
    code = (
        FULL_DISK
        + """
for number in range(5):
    assert cache.put(f"secret question {number}", "y" * 500) is not None
assert cache.get("secret question 4") is not None
assert cache.stats()["io_faults"] > 0
try:
    cache.invalidate(source="kb@1")
except cf.CacheError as error:
    print("raised:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
cache._core.compact()
cache.close()
"""
    )
    said = _in_another_process(code, tmp_path, "lenient")

    assert said.returncode == 0, said.stderr
    assert "logged: the disk refused" in said.stdout
    assert "raised: the disk refused" in said.stdout
    assert "secret" not in said.stdout + said.stderr
    with cf.SemanticCache(path=tmp_path) as cache:
        assert sorted(len(entry.sources) for entry in cache.entries()) == [0] * 5


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_strict_cache_raises_what_the_disk_refuses(tmp_path) -> None:
    """With strict=True a put that is not written down is a CacheError; what came before it is safe."""
    code = (
        FULL_DISK
        + """
try:
    for number in range(5):
        cache.put(f"question {number}", "y" * 500)
except cf.CacheError as error:
    print("raised:", error)
"""
    )
    said = _in_another_process(code, tmp_path, "strict")

    assert "raised: the disk refused" in said.stdout, said.stderr
    with cf.SemanticCache(path=tmp_path) as cache:
        assert cache.get("before") is not None


def test_threads_that_put_under_sync_lose_nothing(tmp_path) -> None:
    """Writers that share the writes to the disk each find their entries after it."""
    with cf.SemanticCache(path=tmp_path, durability="sync", policy="exact") as cache:
        threads = [
            threading.Thread(target=lambda w=w: [cache.put(f"{w} {n}", f"{w} {n}") for n in range(20)])
            for w in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with cf.SemanticCache(path=tmp_path, policy="exact") as cache:
        asked = [f"{w} {n}" for w in range(4) for n in range(20)]
        assert [hit and hit.response for hit in cache.get_many(asked)] == asked


def test_a_tree_that_is_not_ours_is_left_alone(tmp_path) -> None:
    """Files that the cache did not make stay where they are."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")

    for _ in range(3):
        with cf.SemanticCache(path=tmp_path) as cache:
            cache.put("hi", "there")
            cache._core.compact()

    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert len([path for path in Path(tmp_path).iterdir() if path.name.startswith(("journal-", "snapshot-"))]) == 2
