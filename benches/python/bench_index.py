"""The vector index against its peers: one Python call a query, interleaved within each round, k = 10, one thread.

    pip install -r benches/python/requirements-index-peers.txt
    python benches/python/bench_index.py [--sizes 1000,10000,50000] [--rounds 5] [--texts FILE] [--changes]

Vectors: short questions of CLINC150, BANKING77 and HWU64 (folder `cache` of `COMPOUND_FAST_DATA`, default
`../shared/data`), embedded with our own table, 256 values; with `--texts` the lines of a file instead, which is how the
larger tables were made (summaries of packages, one a line). Queries: half of them texts that are not in the index, half
texts of the index that lost a word; none is repeated within a round. Recall is against brute force in float32; a tie
within 1e-4 counts as found. Times are medians of the medians of the rounds. hnswlib with M = 16 and 32, ef_construction
= 200. `--changes` counts adds and replacements in seconds of processor time instead, one call each.

The last tables stand in docs/algorithms/index.md. hnswlib at 100,000 took four minutes to build.
"""

# ruff: noqa: E501 - the table of the last run is wide.

from __future__ import annotations

import argparse
import csv
import functools
import json
import os
import random
import statistics
import time
from pathlib import Path

import numpy as np

from compound_fast.embedders.static import StaticEmbedder
from compound_fast.index import VectorIndex

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("COMPOUND_FAST_DATA") or ROOT / "../shared/data") / "cache"
K = 10
QUERIES = 600


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


def contenders(rows: np.ndarray) -> dict[str, object]:
    """Build every index once, and return a search of one query for each setting."""
    import faiss
    import hnswlib

    faiss.omp_set_num_threads(1)
    count, dim = rows.shape
    ids = np.arange(count)
    made: dict[str, object] = {}
    for kind in ("flat", "graph"):
        index = VectorIndex(dim, kind=kind)
        start = time.process_time()
        index.add(ids, rows)
        rate = count / (time.process_time() - start)
        print(f"{kind}: {rate:,.0f} adds/s, {index.stats()['bytes'] / count:.0f} bytes an entry")
        made[f"ours, {kind}"] = functools.partial(by_ours, index)
    flat = faiss.IndexFlatIP(dim)
    flat.add(rows)
    transposed = np.ascontiguousarray(rows)

    def by_numpy(query: np.ndarray) -> np.ndarray:
        scores = transposed @ query
        best = np.argpartition(-scores, K)[:K]
        return best[np.argsort(-scores[best])]

    made["faiss IndexFlatIP"] = lambda query: flat.search(query[None], K)[1][0]
    made["numpy"] = by_numpy
    for links in (16, 32):
        graph = hnswlib.Index(space="ip", dim=dim)
        graph.init_index(max_elements=count, M=links, ef_construction=200)
        start = time.process_time()
        graph.add_items(rows, ids, num_threads=1)
        print(f"hnswlib M{links}: {count / (time.process_time() - start):,.0f} adds/s")
        for ef in (64, 128, 192):
            made[f"hnswlib M{links} ef{ef}"] = functools.partial(by_graph, graph, ef=ef)
    return made


def by_ours(index: VectorIndex, query: np.ndarray) -> np.ndarray:
    """Search ours."""
    return index.search(query, K)[0]


def by_graph(graph: object, query: np.ndarray, ef: int) -> np.ndarray:
    """Search hnswlib."""
    graph.set_ef(ef)
    return graph.knn_query(query, K, num_threads=1)[0][0]


def changes(count: int, everything: list[str]) -> None:
    """Add one at a time, then replace the oldest one at a time, and print both rates."""
    import hnswlib

    rows = np.ascontiguousarray(unit(StaticEmbedder().embed_batch(everything[: 2 * count])))
    count = len(rows) // 2
    index = VectorIndex(rows.shape[1], kind="graph")
    graph = hnswlib.Index(space="ip", dim=rows.shape[1])
    graph.init_index(max_elements=count, M=16, ef_construction=200, allow_replace_deleted=True)
    replaced = count // 5

    def by_ours_replaced(at: int) -> None:
        index.remove([at])
        index.add([count + at], rows[None, count + at])

    def by_graph_replaced(at: int) -> None:
        graph.mark_deleted(at)
        graph.add_items(rows[count + at], count + at, num_threads=1, replace_deleted=True)

    steps = (
        ("ours, adds", count, lambda at: index.add([at], rows[None, at])),
        ("hnswlib M16, adds", count, lambda at: graph.add_items(rows[at], at, num_threads=1)),
        ("ours, replacements", replaced, by_ours_replaced),
        ("hnswlib M16, replacements", replaced, by_graph_replaced),
    )
    for name, times, step in steps:
        start = time.process_time()
        for at in range(times):
            step(at)
        print(f"{name}: {times / (time.process_time() - start):,.0f}/s at {count:,}")


def run(count: int, rounds: int, everything: list[str]) -> None:
    """Measure one size and print its table."""
    kept, heldout = everything[:count], everything[count : count + QUERIES // 2]
    draw = random.Random(2)
    perturbed = []
    for text in draw.sample(kept, QUERIES):
        words = text.split()
        if len(words) > 3 and len(perturbed) < QUERIES - len(heldout):
            del words[draw.randrange(len(words))]
            perturbed.append(" ".join(words))
    embedder = StaticEmbedder()
    rows = np.ascontiguousarray(unit(embedder.embed_batch(kept)))
    queries = np.ascontiguousarray(unit(embedder.embed_batch(heldout + perturbed)))
    draw.shuffle(order := list(range(len(queries))))
    exact = queries @ rows.T
    best = np.sort(exact, axis=1)[:, ::-1][:, :K]
    made = contenders(rows)
    medians: dict[str, list[float]] = {name: [] for name in made}
    slow: dict[str, list[float]] = {name: [] for name in made}
    recall: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, search in made.items():
            times, first, all_k = [], 0, 0
            for at in order:
                start = time.perf_counter()
                ids = search(queries[at])
                times.append(time.perf_counter() - start)
                similar = exact[at][ids.astype(np.int64)]
                first += bool(similar[0] >= best[at][0] - 1e-4)
                all_k += int((similar >= best[at][-1] - 1e-4).sum())
            medians[name].append(statistics.median(times) * 1e6)
            slow[name].append(statistics.quantiles(times, n=100)[98] * 1e6)
            recall[name] = (first / len(order), all_k / len(order) / K)
    ours = min(statistics.median(medians[name]) for name in ("ours, flat", "ours, graph"))
    print(
        f"\n| {len(rows):,} x {rows.shape[1]} | p50 us | p99 us | recall@1 | recall@{K} | against ours |\n|---|---|---|---|---|---|"
    )
    for name in made:
        middle = statistics.median(medians[name])
        first, all_k = recall[name]
        print(
            f"| {name} | {middle:.1f} | {statistics.median(slow[name]):.1f} | {first:.4f} | {all_k:.4f} | {middle / ours:.1f}x |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,50000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--changes", action="store_true")
    arguments = parser.parse_args()
    lines = texts()
    if arguments.texts:
        lines = sorted(set(arguments.texts.read_text(encoding="utf-8").splitlines()))
        random.Random(1).shuffle(lines)
    for size in arguments.sizes.split(","):
        if arguments.changes:
            changes(int(size), lines)
        else:
            run(int(size), arguments.rounds, lines)
