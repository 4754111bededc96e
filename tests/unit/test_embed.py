"""The static embedder, as Python sees it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compound_fast import _core

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "rust/core/models/static-en-v1.cfm"
DATA = Path(os.environ.get("COMPOUND_FAST_DATA", ROOT / "../shared/data"))
EMBEDDER = _core.StaticEmbedder()


def test_a_batch_is_its_texts_one_by_one() -> None:
    """A vector does not depend on what stands beside its text."""
    texts = ["Where is my order?", "", "猫", "Refund $5"]

    rows = EMBEDDER.embed_batch(texts)

    assert rows.shape == (4, EMBEDDER.dim)
    assert rows.dtype == np.float32
    assert all((rows[at] == EMBEDDER.embed(text)).all() for at, text in enumerate(texts))


@given(st.text(max_size=100))
def test_vectors_have_unit_length_or_are_zero(text: str) -> None:
    """A text of any kind has a vector, and its coverage is a share."""
    norm = float(np.linalg.norm(EMBEDDER.embed(text)))

    assert abs(norm - 1) < 1e-4 or norm == 0
    assert 0 <= EMBEDDER.coverage(text) <= 1


def test_the_model_file_is_the_one_on_its_card() -> None:
    """The file that ships is the file that was measured."""
    provenance = json.loads(MODEL.with_suffix(".json").read_text())

    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == provenance["sha256"]
    assert MODEL.stat().st_size <= 6_000_000
    assert provenance["sha256"] in MODEL.with_suffix(".md").read_text()


@pytest.fixture(scope="module")
def reference() -> object:
    """Hugging Face's BERT-uncased tokenizer over our vocabulary."""
    tokenizers = pytest.importorskip("tokenizers", reason="the reference tokenizer is not installed")
    vocabulary = {piece: at for at, piece in enumerate(EMBEDDER.vocabulary())}
    return tokenizers.BertWordPieceTokenizer(vocabulary, lowercase=True)


CONTROL = ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]")


@given(st.text(max_size=60))
def test_pieces_of_any_text_are_the_references(reference: object, text: str) -> None:
    """Random Unicode is cut as the reference cuts it."""
    if any(mark in text for mark in CONTROL):
        return
    assert EMBEDDER.pieces(text) == reference.encode(text, add_special_tokens=False).ids  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", sorted((DATA / "tokens").glob("*.txt")) or [None], ids=str)
def test_pieces_of_real_text_are_the_references(reference: object, path: Path | None) -> None:
    """Prose, code and a dozen languages are cut as the reference cuts them."""
    if path is None:
        pytest.skip("the evaluation data is missing: set COMPOUND_FAST_DATA")
    for line in path.read_text("utf-8", errors="ignore").splitlines():
        if not any(mark in line for mark in CONTROL):
            expected = reference.encode(line, add_special_tokens=False).ids  # type: ignore[attr-defined]
            assert EMBEDDER.pieces(line) == expected, line[:80]
