"""A search beside a change: what a reader of the vector index waits for while another thread changes it.

    python benches/python/bench_index_beside.py [--size 20000] [--kind graph] [--readers 1] [--rounds 10]
        [--vectors FILE]

One thread or several search an index of `--size` entries of 256 values, k = 10, one Python call a query, in slices of a
second that take turns: alone; beside a thread that changes another index of the same entries (what a second busy thread
costs, without a lock in common); beside a thread that changes the index that is searched. A change puts an entry in the
place of the oldest, by `remove` and `add`. The second slice is the baseline: what the third takes more is the lock.
Times are of the clock, and of the reader's processor time, which has in it what a search spins but not what a busy
machine takes from it. Vectors are drawn around 400 centres, or rows of a `.npy` file (at least twice the size).

The last tables stand in docs/algorithms/index.md.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import Literal, cast

import numpy as np

from compound_fast.index import VectorIndex

DIM = 256
SLICE_S = 1.0
SLICES = ("alone", "beside another's writer", "beside its writer")


def drawn(count: int) -> np.ndarray:
    """Vectors around centres, as texts of some topics are."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((400, DIM)).astype(np.float32)
    return centres[rng.integers(0, 400, count)] + 0.8 * rng.standard_normal((count, DIM), np.float32)


class Changed:
    """An index and the ids it holds; `change` replaces the oldest entry."""

    def __init__(self, vectors: np.ndarray, size: int, kind: Literal["flat", "graph"]) -> None:
        self.index = VectorIndex(DIM, kind=kind)
        self.vectors = vectors
        self.size = size
        self.newest = size
        self.index.add(np.arange(size), vectors[:size])

    def change(self) -> None:
        """Take the oldest entry out and put another in."""
        self.index.remove([self.newest - self.size])
        self.index.add([self.newest], self.vectors[self.newest % len(self.vectors)][None])
        self.newest += 1


def one_slice(index: VectorIndex, queries: np.ndarray, readers: int, changed: Changed | None) -> tuple[np.ndarray, int]:
    """The times of every search of a slice (clock, processor) in microseconds, and how many changes there were."""
    end = threading.Event()
    times: list[list[tuple[int, int]]] = [[] for _ in range(readers)]

    def read(mine: list[tuple[int, int]], first: int) -> None:
        at = first
        while not end.is_set():
            query = queries[at % len(queries)]
            at += 1
            clock, own = time.perf_counter_ns(), time.thread_time_ns()
            index.search(query, 10)
            mine.append((time.perf_counter_ns() - clock, time.thread_time_ns() - own))

    def write(changed: Changed) -> None:
        while not end.is_set():
            changed.change()

    threads = [threading.Thread(target=read, args=(mine, 1009 * at)) for at, mine in enumerate(times)]
    if changed:
        threads.append(threading.Thread(target=write, args=(changed,)))
    before = changed.newest if changed else 0
    for thread in threads:
        thread.start()
    time.sleep(SLICE_S)
    end.set()
    for thread in threads:
        thread.join()
    return np.array([pair for mine in times for pair in mine]) / 1000, changed.newest - before if changed else 0


def main() -> None:
    """Run the slices and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--kind", choices=["flat", "graph"], default="graph")
    parser.add_argument("--readers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--vectors", type=Path)
    options = parser.parse_args()
    count = 2 * options.size + 2000
    rows = np.load(options.vectors, mmap_mode="r")[:count].astype(np.float32) if options.vectors else drawn(count)
    queries, vectors = rows[:2000], rows[2000:]
    kind = cast('Literal["flat", "graph"]', options.kind)
    read, other = (Changed(vectors, options.size, kind) for _ in range(2))
    times: dict[str, list[np.ndarray]] = {name: [] for name in SLICES}
    changes = dict.fromkeys(SLICES, 0)
    for _ in range(options.rounds):
        for name, changed in zip(SLICES, (None, other, read), strict=True):
            found, count = one_slice(read.index, queries, options.readers, changed)
            times[name].append(found)
            changes[name] += count
    print(f"{options.size} {kind}, {options.readers} reader(s), {options.rounds} slices of {SLICE_S:.0f} s each; us")
    print("| | p50 | p99 | p99.9 | processor p50 | p99 | searches | changes/s |\n|---|---|---|---|---|---|---|---|")
    for name in SLICES:
        both = np.concatenate(times[name])
        clock, own = both[:, 0], both[:, 1]
        cells = [*np.percentile(clock, [50, 99, 99.9]), *np.percentile(own, [50, 99])]
        shown = " | ".join(f"{cell:.1f}" for cell in cells)
        print(f"| {name} | {shown} | {len(both)} | {changes[name] / (options.rounds * SLICE_S):.0f} |")


if __name__ == "__main__":
    main()
