"""The training scripts on a sample: deterministic, and their file is what the core reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TRAINING = Path(__file__).parents[2] / "training"


@pytest.fixture(autouse=True)
def training_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the scripts importable; they are no package."""
    monkeypatch.syspath_prepend(str(TRAINING))


def test_training_on_a_sample_is_deterministic() -> None:
    """The same seed gives the same table, and training brings it nearer to its targets."""
    import table

    rng = np.random.default_rng(1)
    pieces = [rng.integers(0, 300, rng.integers(1, 8)).tolist() for _ in range(600)]
    before = rng.normal(size=(300, 16)).astype(np.float32)
    hidden = rng.normal(size=(300, 16)).astype(np.float32)
    targets = table.embed(hidden, pieces)

    one, other = (table.regress(before, pieces, targets, epochs=40, batch=100, rate=2e-2, seed=3) for _ in range(2))

    assert (one == other).all()
    cosine = [float((table.embed(rows, pieces) * targets).sum(1).mean()) for rows in (before, one)]
    assert cosine[1] > cosine[0] + 0.3


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_rows_are_near_their_floats(bits: int) -> None:
    """Whole numbers times scale give the row back, to the step of their bits."""
    import pack
    import table

    rows = np.random.default_rng(2).normal(size=(50, 64)).astype(np.float32)

    codes, scales = table.quantise(rows, bits)

    cosine = table.unit(codes * scales[:, None]) * table.unit(rows)
    assert cosine.sum(1).min() > (0.98 if bits == 4 else 0.9999)
    assert len(pack.pack_rows(codes, bits)) == 50 * 64 * bits // 8
    assert codes.min() >= -(2 ** (bits - 1) - 1)


def test_requests_are_seeded_and_clean() -> None:
    """The same seed fills the phrases in the same way, and every place is filled."""
    pytest.importorskip("yaml")
    import texts

    one, other = (texts.requests(TRAINING / "requests.yaml", ["anchor"], 400) for _ in range(2))

    assert one == other
    assert not any("{" in text or "|" in text for text in one)


def test_the_shipped_file_reads_back_as_the_vectors_that_it_gives() -> None:
    """What the scripts write means the same to the scripts and to the core."""
    import pack

    from compound_fast import _core

    embedder = _core.StaticEmbedder()
    vocabulary, rows = pack.read(TRAINING.parent / "rust/core/models/static-en-v1.cfm")
    texts = ["Where is my order 483920?", "cancel the subscription"]
    summed = np.stack([rows[embedder.pieces(text)].sum(0) for text in texts])

    assert vocabulary == embedder.vocabulary()
    np.testing.assert_allclose(
        embedder.embed_batch(texts), summed / np.linalg.norm(summed, axis=1, keepdims=True), atol=1e-5
    )
