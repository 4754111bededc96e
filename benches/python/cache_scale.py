"""The cache with many entries in one partition: put, look up by meaning, beside a writer, bytes, and opening a folder.

``python benches/python/cache_scale.py --entries 10000 100000 1000000``; a million takes some minutes and 3 GB. Each
size runs in a process of its own. Times are of one call from Python, embedding included: by the clock on the wall, and
by the processor time of the thread, which other load on the machine leaves alone. ``bytes`` are what the cache counts,
``resident`` is by how much the process grew meanwhile.
"""

from __future__ import annotations

import argparse
import gc
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

import compound_fast as cf

FIRST = ("gold", "water", "moon", "hand", "book", "stone", "fire", "wind")
LAST = ("light", "work", "fall", "mark", "stand", "case", "ware", "shop", "man", "side")
WORDS = tuple(first + last for first in FIRST for last in LAST)
LOOK_UPS = 5_000
ANSWER = "x" * 600


def question(number: int) -> str:
    """Make a question without slots, so that all fall into one partition."""
    chance = random.Random(number)
    return f"Where do I find {' '.join(chance.choice(WORDS) for _ in range(6))} and what does it mean for me?"


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def timed(name: str, call: Callable[[str], object], texts: Iterable[str]) -> int:
    """Call once for each text and print what it took; say how often something came back."""
    wall, own, found = [], [], 0
    for text in texts:
        start, start_own = time.perf_counter_ns(), time.thread_time_ns()
        found += call(text) is not None
        own.append(time.thread_time_ns() - start_own)
        wall.append(time.perf_counter_ns() - start)
    figures = [
        f"{kind} {np.median(taken) / 1e3:7.0f} median {np.quantile(taken, 0.99) / 1e3:8.0f} p99"
        for kind, taken in (("wall", wall), ("cpu", own))
    ]
    rate = len(own) / (sum(own) / 1e9)
    print(f"  {name:34} {'  '.join(figures)} us  {rate:8.0f}/s of cpu", flush=True)
    return found


def measure(entries: int, folder: str | None) -> None:
    """Fill a cache and look things up in it."""
    cf.SemanticCache().get("hi")  # reads tables and word lists
    gc.collect()
    before = resident()
    cache = cf.SemanticCache(16 << 30, None, path=folder)
    print(f"{entries} entries in one partition", flush=True)
    for first in range(0, entries - 2_000, 10_000):
        for number in range(first, min(first + 10_000, entries - 2_000)):
            cache.put(question(number), ANSWER)
    timed("put, the last 2,000", lambda text: cache.put(text, ANSWER), map(question, range(entries - 2_000, entries)))
    timed("look-up, nothing near", cache.get, (question(number + 10**7) for number in range(LOOK_UPS)))
    step = max(1, entries // LOOK_UPS)
    spelled = [question(number).upper() for number in range(0, entries, step)][:LOOK_UPS]
    found = timed("look-up, the same in capitals", cache.get, spelled)
    print(f"  found {found} of {len(spelled)}")
    gc.collect()
    held, grown = int(cache.stats()["bytes"]), resident() - before
    print(f"  bytes {held / entries:.0f} an entry; resident {grown / entries:.0f}: {grown / held - 1:+.1%}")
    if folder is None:
        beside_a_writer(cache, entries)
    else:
        cache._core.compact()
    cache.close()


def beside_a_writer(cache: cf.SemanticCache, entries: int) -> None:
    """Look things up while another thread stores at full rate."""
    is_done = threading.Event()
    stored = 0

    def write() -> None:
        nonlocal stored
        while not is_done.is_set():
            cache.put(question(entries + stored), ANSWER)
            stored += 1

    writer = threading.Thread(target=write)
    start = time.perf_counter()
    writer.start()
    timed("look-up beside a writer", cache.get, (question(number + 2 * 10**7) for number in range(LOOK_UPS)))
    is_done.set()
    writer.join()
    print(f"  stored beside it {stored / (time.perf_counter() - start):.0f}/s")


def open_folder(entries: int, folder: str) -> None:
    """Open a cache that is kept in a folder, and ask it something."""
    cf.SemanticCache().get("hi")
    start, start_own = time.perf_counter(), time.process_time()
    with cf.SemanticCache(16 << 30, None, path=folder) as cache:
        opened = time.perf_counter() - start
        hit = cache.get(question(entries // 2).upper())
        first = time.perf_counter() - start
        kind = hit and hit.kind
        own = time.process_time() - start_own
        print(f"  open {opened:.2f} s, to the first hit ({kind}) {first:.2f} s, cpu {own:.2f} s; {len(cache)} entries")


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--one", choices=["memory", "folder", "open"], help=argparse.SUPPRESS)
    parser.add_argument("--folder")
    given = parser.parse_args()
    for entries in given.entries:
        if given.one == "open":
            open_folder(entries, given.folder)
        elif given.one:
            measure(entries, given.folder)
        else:
            with tempfile.TemporaryDirectory() as folder:
                for one in ("memory", "folder", "open", "open"):
                    place = [] if one == "memory" else ["--folder", folder]
                    command = [sys.executable, __file__, "--entries", str(entries), "--one", one, *place]
                    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
