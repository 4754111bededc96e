"""The graph against hnswlib and against brute force, on the same vectors and through the same changes."""

from __future__ import annotations

import numpy as np
import pytest

from compound_fast.index import VectorIndex

pytest.importorskip("hnswlib", reason="hnswlib is not installed")

DIM, COUNT, K = 64, 3000, 10
RANDOM = np.random.default_rng(8)
# Around centres, as texts of a few topics are.
CENTRES = RANDOM.standard_normal((60, DIM))
VECTORS = (CENTRES[RANDOM.integers(0, 60, 2 * COUNT)] + 0.7 * RANDOM.standard_normal((2 * COUNT, DIM))).astype(
    np.float32
)
QUERIES = (CENTRES[RANDOM.integers(0, 60, 300)] + 0.7 * RANDOM.standard_normal((300, DIM))).astype(np.float32)


def _recall(index: VectorIndex, live: np.ndarray) -> float:
    rows = VECTORS[live] / np.linalg.norm(VECTORS[live], axis=1, keepdims=True)
    found = 0
    for query in QUERIES:
        least = np.sort(rows @ query / np.linalg.norm(query))[-K]
        found += int((index.search(query, K)[1] >= least - 1e-3).sum())
    return found / K / len(QUERIES)


@pytest.mark.parametrize("kind", ["graph", "hnswlib"])
def test_nearly_all_of_the_nearest_are_found_before_and_after_every_entry_is_replaced(kind):
    """Both find at least .97 of the ten nearest, and no entry that was removed."""
    index = VectorIndex(DIM, kind=kind)
    index.add(np.arange(COUNT), VECTORS[:COUNT])
    fresh = _recall(index, np.arange(COUNT))
    for first in range(0, COUNT, 100):
        assert index.remove(np.arange(first, first + 100)) == 100
        index.add(np.arange(COUNT + first, COUNT + first + 100), VECTORS[COUNT + first : COUNT + first + 100])

    assert len(index) == COUNT
    assert min(fresh, _recall(index, np.arange(COUNT, 2 * COUNT))) > 0.97
    assert all(index.search(query, K)[0].min() >= COUNT for query in QUERIES)


def test_the_graph_finds_what_hnswlib_finds():
    """The nearest of both is the same, but for one query in a hundred."""
    ours, theirs = VectorIndex(DIM, kind="graph"), VectorIndex(DIM, kind="hnswlib")
    for index in (ours, theirs):
        index.add(np.arange(COUNT), VECTORS[:COUNT])

    pairs = [(ours.search(query, 1), theirs.search(query, 1)) for query in QUERIES]

    assert sum(one[0][0] != other[0][0] for one, other in pairs) <= 3
    assert all(abs(one[1][0] - other[1][0]) < 1e-3 for one, other in pairs if one[0][0] == other[0][0])
