"""The vector index against its peers, and every bar that it is held to: one Python call a query, k = 10, one thread.

    pip install -r benches/python/requirements-index-peers.txt
    python benches/python/bench_index.py [--sizes 10000,100000] [--values 256,384] [--rounds 5] [--texts FILE]
                                         [--changes 20000] [--large 1000000]

`--sizes` compares searches, interleaved within each round, for each count of `--values`; `--changes` adds, replaces
everything three times, removes half at once and adds copies; `--large` saves, opens and filters an index of ours. 0
leaves a part out. The last table gives each bar and how far it was reached.

Vectors: short questions of CLINC150, BANKING77 and HWU64 (folder `cache` of `COMPOUND_FAST_DATA`, default
`../shared/data`), embedded with our own table; with `--texts` the lines of a file instead, which is how the tables were
made (summaries of packages, one a line). That table has 256 values; for other counts the vectors are lifted by a random
orthonormal map, which costs what such vectors cost and leaves 256 dimensions in them. Queries: half of them texts that
are not in the index, half texts of the index that lost a word; none is repeated within a round. Recall is against brute
force in float32; a tie within 1e-4 counts as found. Times are medians of the medians of the rounds; rates are in seconds
of processor time. hnswlib with M = 16 and 32, ef_construction = 200, at its fastest setting of recall@1 >= .99.

The last tables stand in docs/algorithms/index.md. Peers are built anew each time: hnswlib takes minutes at 100,000.
"""

# ruff: noqa: E501 - the table of the last run is wide.

from __future__ import annotations

import argparse
import csv
import functools
import json
import os
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compound_fast.embedders.static import StaticEmbedder
from compound_fast.index import VectorIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    Search = Callable[[np.ndarray], np.ndarray]

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("COMPOUND_FAST_DATA") or ROOT / "../shared/data") / "cache"
K = 10
QUERIES = 600
ENOUGH = 0.99
BARS: list[tuple[str, str, str]] = []


def texts() -> list[str]:
    """Every distinct question, in a seeded order."""
    found = set()
    for split in json.loads((DATA / "clinc150/data.json").read_text(encoding="utf-8")).values():
        found.update(row[0] for row in split)
    for name in ("train", "test"):
        with (DATA / f"banking77/{name}.csv").open(encoding="utf-8", newline="") as rows:
            found.update(row["text"] for row in csv.DictReader(rows))
        found.update((DATA / f"hwu64/{name}.seq.in").read_text(encoding="utf-8").splitlines())
    ordered = sorted(found)
    random.Random(1).shuffle(ordered)
    return ordered


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows that have a direction, at unit length."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]


def embedded(lines: list[str], values: int = 0) -> np.ndarray:
    """Unit vectors of texts, lifted to more values where they are asked for."""
    rows = unit(StaticEmbedder().embed_batch(lines))
    if values > rows.shape[1]:
        square = np.random.default_rng(4).standard_normal((values, rows.shape[1]))
        rows = rows @ np.linalg.qr(square)[0].T.astype(np.float32)
    return np.ascontiguousarray(rows, dtype=np.float32)


def bar(what: str, least: str, reached: str) -> None:
    """Keep a row of the last table."""
    BARS.append((what, least, reached))


def perturbed(lines: list[str], count: int) -> list[str]:
    """Texts that lost a word."""
    draw = random.Random(2)
    found = []
    for text in draw.sample(lines, len(lines)):
        words = text.split()
        if len(words) > 3 and len(found) < count:
            del words[draw.randrange(len(words))]
            found.append(" ".join(words))
    return found


def contenders(rows: np.ndarray) -> dict[str, Search]:
    """Build every index once, and return a search of one query for each setting."""
    import faiss
    import hnswlib

    faiss.omp_set_num_threads(1)
    count, dim = rows.shape
    ids = np.arange(count)
    made: dict[str, Search] = {}
    for kind in ("flat", "graph"):
        index = VectorIndex(dim, kind=kind)
        start = time.process_time()
        index.add(ids, rows)
        rate = count / (time.process_time() - start)
        print(f"{kind}: {rate:,.0f} adds/s, {index.stats()['bytes'] / count:.0f} bytes an entry")
        made[f"ours, {kind}"] = functools.partial(by_ours, index)
    flat = faiss.IndexFlatIP(dim)
    flat.add(rows)

    def by_numpy(query: np.ndarray) -> np.ndarray:
        scores = rows @ query
        best = np.argpartition(-scores, K)[:K]
        return best[np.argsort(-scores[best])]

    made["faiss IndexFlatIP"] = lambda query: flat.search(query[None], K)[1][0]
    made["numpy"] = by_numpy
    for links in (16, 32):
        graph = hnswlib.Index(space="ip", dim=dim)
        graph.init_index(max_elements=count, M=links, ef_construction=200)
        start = time.process_time()
        graph.add_items(rows, ids, num_threads=1)
        print(f"hnswlib M{links}: {count / (time.process_time() - start):,.0f} adds/s", flush=True)
        for ef in (64, 128, 192, 256):
            made[f"hnswlib M{links} ef{ef}"] = functools.partial(by_graph, graph, ef=ef)
    return made


def by_ours(index: VectorIndex, query: np.ndarray) -> np.ndarray:
    """Search ours."""
    return index.search(query, K)[0]


def by_graph(graph: object, query: np.ndarray, ef: int) -> np.ndarray:
    """Search hnswlib."""
    graph.set_ef(ef)
    return graph.knn_query(query, K, num_threads=1)[0][0]


def recalls(search: Search, queries: np.ndarray, rows: np.ndarray, first: int = 0) -> tuple[float, float]:
    """Recall@1 and @10; the ids of the rows count from `first`."""
    one = ten = 0
    for query in queries:
        exact = rows @ query
        best = np.sort(exact)[::-1][:K]
        similar = exact[search(query).astype(np.int64) - first]
        one += bool(len(similar) and similar[0] >= best[0] - 1e-4)
        ten += int((similar >= best[-1] - 1e-4).sum())
    return one / len(queries), ten / len(queries) / K


def searches(count: int, values: int, rounds: int, everything: list[str]) -> None:
    """Measure one size and print its table."""
    kept, heldout = everything[:count], everything[count : count + QUERIES // 2]
    rows = embedded(kept, values)
    queries = embedded(heldout + perturbed(kept, QUERIES - len(heldout)), values)
    order = list(range(len(queries)))
    random.Random(2).shuffle(order)
    made = contenders(rows)
    medians: dict[str, list[float]] = {name: [] for name in made}
    slow: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, search in made.items():
            times = []
            for at in order:
                query = queries[at]
                start = time.perf_counter()
                search(query)
                times.append(time.perf_counter() - start)
            medians[name].append(statistics.median(times) * 1e6)
            slow[name].append(statistics.quantiles(times, n=100)[98] * 1e6)
    recall = {name: recalls(search, queries, rows) for name, search in made.items()}
    p50 = {name: statistics.median(medians[name]) for name in made}
    print(f"\n| {len(rows):,} x {rows.shape[1]} | p50 us | p99 us | recall@1 | recall@{K} |\n|---|---|---|---|---|")
    for name in made:
        one, ten = recall[name]
        print(f"| {name} | {p50[name]:.1f} | {statistics.median(slow[name]):.1f} | {one:.4f} | {ten:.4f} |")
    size = f"{len(rows):,} x {rows.shape[1]}"
    for peer in ("faiss IndexFlatIP", "numpy"):
        if count <= 20_000:
            bar(f"{size}, flat against {peer}", "4x", f"{p50[peer] / p50['ours, flat']:.1f}x")
    good = [name for name in made if name.startswith("hnswlib") and recall[name][0] >= ENOUGH]
    if good and recall["ours, graph"][0] >= ENOUGH:
        peer = min(good, key=p50.__getitem__)
        bar(f"{size}, graph against {peer}", "3x (AVX2)", f"{p50[peer] / p50['ours, graph']:.1f}x")
    else:
        bar(f"{size}, graph against hnswlib", "3x (AVX2)", f"recall@1 {recall['ours, graph'][0]:.4f}, no ratio")


def rate(times: int, step: Callable[[int], object]) -> float:
    """Steps in a second of processor time."""
    start = time.process_time()
    for at in range(times):
        step(at)
    return times / (time.process_time() - start)


def resident() -> int:
    """The largest resident size so far, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def changes(count: int, everything: list[str]) -> None:
    """Add one at a time, replace everything three times, remove half at once; then copies."""
    import hnswlib

    rows = embedded(everything[: 4 * count])
    count = len(rows) // 4
    queries = embedded(everything[4 * count : 4 * count + QUERIES])
    index, graph = VectorIndex(rows.shape[1], kind="graph"), hnswlib.Index(space="ip", dim=rows.shape[1])
    graph.init_index(max_elements=count, M=16, ef_construction=200, allow_replace_deleted=True)
    ours = rate(count, lambda at: index.add([at], rows[None, at]))
    theirs = rate(count, lambda at: graph.add_items(rows[at], at, num_threads=1))
    bar(f"single adds, {count:,}: {ours:,.0f}/s, hnswlib M16 {theirs:,.0f}/s", "2.5x", f"{ours / theirs:.1f}x")

    def replace(at: int) -> None:
        index.remove([at])
        index.add([count + at], rows[None, count + at])

    def replace_theirs(at: int) -> None:
        graph.mark_deleted(at)
        graph.add_items(rows[count + at], count + at, num_threads=1, replace_deleted=True)

    search = functools.partial(by_ours, index)
    ours, after, memory = rate(count, replace), [recalls(search, queries, rows[count : 2 * count], count)], resident()
    theirs = rate(count // 8, replace_theirs)
    bar(f"replacements: {ours:,.0f}/s, hnswlib M16 {theirs:,.0f}/s", "5x", f"{ours / theirs:.1f}x")
    held = index.stats()["bytes"]
    for turn in (1, 2):
        rate(count, lambda at, turn=turn: replace(turn * count + at))
        after.append(recalls(search, queries, rows[(turn + 1) * count : (turn + 2) * count], (turn + 1) * count))
    rebuilt = VectorIndex(rows.shape[1], kind="graph")
    rebuilt.add(np.arange(3 * count, 4 * count), rows[3 * count :])
    fresh = recalls(functools.partial(by_ours, rebuilt), queries, rows[3 * count :], 3 * count)
    print(f"recall after each turn {after}, rebuilt {fresh}, peak memory {resident() / memory:.3f}")
    lost = sum(int(index.search(rows[at], 1)[0][0]) != at for at in range(3 * count, 4 * count)) / count
    bar("recall@1 after three turns, against a rebuild", ">= -.003", f"{after[-1][0] - fresh[0]:+.4f}")
    bar("recall@1 after the third turn, against the first", ">= -.005", f"{after[-1][0] - after[0][0]:+.4f}")
    bar("its bytes after three turns, against one", "+2 %", f"{index.stats()['bytes'] / held - 1:+.2%}")
    bar("entries that do not find themselves first", ".2 %", f"{lost:.2%}")
    index.remove(np.arange(3 * count, 4 * count, 2))
    left = {at: place for place, at in enumerate(range(3 * count + 1, 4 * count, 2))}
    half = recalls(
        lambda query: np.array([left[int(at)] for at in index.search(query, K)[0]]), queries, rows[3 * count + 1 :: 2]
    )
    bar("recall@1 after half is removed at once", "-", f"{half[0]:.4f}")
    copies(rows, queries)


def copies(rows: np.ndarray, queries: np.ndarray) -> None:
    """20 vectors a thousand times each, a millionth apart, among 30,000 others."""
    normal, draw = rows[:30_000], np.random.default_rng(5)
    near = np.repeat(rows[30_000:30_020], 1000, axis=0)
    near = near + draw.standard_normal(near.shape).astype(np.float32) * 1e-6
    mixed = np.concatenate([normal, near.astype(np.float32)])
    order = draw.permutation(len(mixed))
    index = VectorIndex(rows.shape[1])
    index.add(order, mixed[order])
    one, _ = recalls(functools.partial(by_ours, index), queries, mixed)
    bar(f"20 x 1,000 near copies among {len(mixed):,}: recall@1 of the others", ".97", f"{one:.4f}")


def large(count: int, everything: list[str]) -> None:
    """Save, open, search and filter a large index."""
    rows, queries = embedded(everything[:count]), embedded(everything[count : count + QUERIES])
    index = VectorIndex(rows.shape[1])
    start = time.process_time()
    index.add(np.arange(len(rows)), rows)
    print(f"{len(rows):,}: {len(rows) / (time.process_time() - start):,.0f} adds/s")
    bar(f"bytes an entry at {len(rows):,}", "640", f"{index.stats()['bytes'] / len(rows):.0f}")
    one, ten = recalls(functools.partial(by_ours, index), queries[:200], rows)
    with tempfile.TemporaryDirectory() as folder:
        index.save(path := Path(folder) / "index")
        times, cpu = [], []
        for _ in range(5):
            start, used = time.perf_counter(), time.process_time()
            index = VectorIndex.open(path)
            times.append((time.perf_counter() - start) * 1e3)
            cpu.append((time.process_time() - used) * 1e3)
        bar(f"open, warm, checksums included ({min(cpu):.0f} ms of processor time)", "80 ms", f"{min(times):.0f} ms")
        times = []
        for query in queries:
            start = time.perf_counter()
            index.search(query, K)
            times.append(time.perf_counter() - start)
        bar(f"search: recall@1 {one:.4f}, recall@10 {ten:.4f}", "-", f"{statistics.median(times) * 1e6:.0f} us")
        draw = np.random.default_rng(6)
        allowed = np.sort(draw.choice(len(rows), len(rows) // 100, replace=False)).astype(np.uint64)
        times = []
        for query in queries:
            start = time.perf_counter()
            index.search(query, K, allowed=allowed)
            times.append(time.perf_counter() - start)
        bar("a filter of 1 %, exact", "80 us", f"{statistics.median(times) * 1e6:.0f} us")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000")
    parser.add_argument("--values", default="256")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--changes", type=int, default=0)
    parser.add_argument("--large", type=int, default=0)
    arguments = parser.parse_args()
    lines = texts()
    if arguments.texts:
        lines = sorted(set(arguments.texts.read_text(encoding="utf-8").splitlines()))
        random.Random(1).shuffle(lines)
    for size in (int(size) for size in arguments.sizes.split(",") if int(size)):
        for values in arguments.values.split(","):
            searches(size, int(values), arguments.rounds, lines)
    if arguments.changes:
        changes(arguments.changes, lines)
    if arguments.large:
        large(arguments.large, lines)
    print("\n| bar | at least or at most | reached |\n|---|---|---|")
    for what, least, reached in BARS:
        print(f"| {what} | {least} | {reached} |")
