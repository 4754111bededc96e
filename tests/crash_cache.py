"""Kills writers of one cache folder at random moments, and looks whether what they were told was kept.

``python tests/crash_cache.py --kills 1000``; `tests/integration/test_crash_cache.py` runs fewer. Each writer opens the
folder, compares what it finds with all that was ever acknowledged, then puts, invalidates and writes snapshots, and
tells the parent after each call that returned. The parent kills it (SIGKILL) some time after its start: while it opens,
compares, writes or compacts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import select
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import compound_fast as cf

KEYS = 400
MESSAGE = struct.Struct("<cIQ")
"""What was done (p = put, b = about to remove, r = removed, o = opened and compared, e = an error), key, step."""


def write(folder: str, known: dict[int, tuple[bytes, int]], first_step: int, out: int, seed: int) -> None:
    """Open, compare, then change things until killed."""
    chance = random.Random(seed)
    with cf.SemanticCache(path=folder, ttl_s=None, policy="verified" if seed % 2 else "exact") as cache:
        for key, (what, step) in known.items():
            hit = cache.get(f"question number {key}", tenant=str(key))
            # A call that was cut short may have been done or not, and was not told; so a later step is right too.
            found = -1 if hit is None else int(str(hit.response).split()[0])
            # About to be removed, and perhaps gone, are those with a b.
            is_old = found < step if what == b"p" else 0 <= found < step + (what == b"r")
            if is_old:
                raise AssertionError(f"key {key}: {what!r} of step {step} was acknowledged; found {found}")
        os.write(out, MESSAGE.pack(b"o", len(cache), 0))
        threading.Thread(target=compact, args=(cache, chance.random() * 0.05), daemon=True).start()
        for step in range(first_step, first_step + (1 << 32)):
            key = chance.randrange(KEYS)
            if chance.random() < 0.1:
                os.write(out, MESSAGE.pack(b"b", key, 0))
                cache.invalidate(source=f"document {key}@*")
                os.write(out, MESSAGE.pack(b"r", key, step))
            else:
                answer = f"{step} " + "x" * chance.randrange(3_000)
                cache.put(f"question number {key}", answer, tenant=str(key), sources=[f"document {key}@{step}"])
                os.write(out, MESSAGE.pack(b"p", key, step))


def compact(cache: cf.SemanticCache, pause_s: float) -> None:
    """Write snapshots all the time."""
    while True:
        time.sleep(pause_s)
        cache._core.compact()


def read_until(end: float, source: int, pid: int) -> bytes:
    """Gather what a writer says until its time has come, kill it, and gather the rest."""
    said = bytearray()
    killed = False
    while True:
        left = end - time.monotonic()
        if left <= 0 and not killed:
            killed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if killed or select.select([source], [], [], left)[0]:
            part = os.read(source, 1 << 16)
            if not part:
                return bytes(said)
            said += part


def run(kills: int, seed: int, folder: str) -> dict[str, int]:
    """Kill so many writers; raises where one found something lost, or could not open."""
    cf.SemanticCache().get("hi")  # reads tables and word lists once, for all children
    chance = random.Random(seed)
    known: dict[int, tuple[bytes, int]] = {}
    counts = {"kills": 0, "while opening": 0, "calls": 0}
    for round_number in range(kills + 1):
        source, out = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(source)
            code = 1
            try:
                write(folder, known, round_number << 32, out, seed + round_number)
            except BaseException as error:  # noqa: BLE001 - a child tells its parent, and must not return
                print(f"round {round_number}: {error!r}", file=sys.stderr, flush=True)
                with contextlib.suppress(OSError):
                    os.write(out, MESSAGE.pack(b"e", 0, 0))
            finally:
                os._exit(code)
        os.close(out)
        # The last one lives long enough to compare everything.
        life_s = 3.0 if round_number == kills else chance.choice([0.05, 0.2, 0.8]) * chance.random()
        said = read_until(time.monotonic() + life_s, source, pid)
        os.close(source)
        os.waitpid(pid, 0)
        steps = list(MESSAGE.iter_unpack(said))
        kinds = {what for what, _, _ in steps}
        if b"e" in kinds or (round_number == kills and b"o" not in kinds):
            raise AssertionError(f"round {round_number}: see above; the folder is {folder}")
        counts["kills"] += round_number < kills
        counts["while opening"] += b"o" not in kinds
        for what, key, step in steps:
            if what in (b"p", b"r"):
                known[key] = (what, step)
                counts["calls"] += 1
            elif what == b"b" and key in known and known[key][0] == b"p":
                known[key] = (b"b", known[key][1])
    return counts


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="crash-cache-")
    start = time.monotonic()
    counts = run(arguments.kills, arguments.seed, str(Path(folder) / "cache"))
    shutil.rmtree(folder)
    print({**counts, "acknowledged entries lost": 0, "opens failed": 0, "seconds": round(time.monotonic() - start)})


if __name__ == "__main__":
    main()
