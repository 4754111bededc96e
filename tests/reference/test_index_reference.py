"""The index against brute force in numpy, over the vectors that it says it stores."""

from __future__ import annotations

import json

import numpy as np
import pytest

from compound_fast.embedders.static import StaticEmbedder
from compound_fast.index import VectorIndex


def _check(vectors: np.ndarray, queries: np.ndarray, k: int = 10) -> None:
    index = VectorIndex(vectors.shape[1])
    index.add(np.arange(len(vectors)), vectors)
    stored = np.stack([index.get(at) for at in range(len(vectors))]).astype(np.float64)
    stored /= np.linalg.norm(stored, axis=1, keepdims=True)

    found = [index.search(query, k) for query in queries]

    exact = queries.astype(np.float64) @ stored.T / np.linalg.norm(queries.astype(np.float64), axis=1)[:, None]
    for (ids, similarities), row in zip(found, exact, strict=True):
        np.testing.assert_allclose(similarities, np.sort(row)[::-1][:k], atol=2e-6)
        np.testing.assert_allclose(similarities, row[ids.astype(np.int64)], atol=2e-6)


@pytest.mark.parametrize("dim", [64, 100, 256, 384, 1536, 4096])
def test_random_vectors(dim):
    """Whatever the length of a vector, no neighbour is missed."""
    random = np.random.default_rng(dim)

    _check(random.standard_normal((1500, dim)), random.standard_normal((20, dim)))


def test_sparse_and_skewed_vectors():
    """One large value among small ones, and vectors along the axes, are found as well."""
    random = np.random.default_rng(3)
    skewed = random.standard_normal((1000, 256)) ** 5
    axes = np.eye(256) + 1e-3 * random.standard_normal((256, 256))

    _check(np.concatenate([skewed, axes]), np.concatenate([skewed[:10], axes[:10]]))


def test_a_thousand_copies_hide_nothing():
    """Exact and near copies of a few prompts leave the neighbours of the others as they are."""
    random = np.random.default_rng(4)
    others = random.standard_normal((2000, 256))
    copies = np.repeat(random.standard_normal((5, 256)), 1000, axis=0)
    copies[::2] += 1e-3 * random.standard_normal((2500, 256))

    _check(np.concatenate([others, copies]), np.concatenate([others[:20] + 0.1, copies[:10]]))


def test_embedded_traffic(root):
    """Real short texts through the shipped table: no neighbour is missed."""
    lines = (root / "python/compound_fast/data/support_traffic.jsonl").read_text(encoding="utf-8").splitlines()
    texts = sorted({json.loads(line)["messages"][-1]["content"] for line in lines if "messages" in line})
    vectors = StaticEmbedder().embed_batch(texts)
    vectors = vectors[np.linalg.norm(vectors, axis=1) > 0]
    assert len(vectors) > 100

    _check(vectors, vectors[:100])
