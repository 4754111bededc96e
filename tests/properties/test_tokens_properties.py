"""What holds for the tokenizers on any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compound_fast.tokens import Tokenizer

FRAGMENTS = [
    "a",
    "B",
    "'s",
    "'",
    "LL",
    "1",
    "23",
    " ",
    "\n",
    "\r\n",
    "/",
    ".",
    "_",
    "é",
    "中",
    "\u0301",
    "½",
    "\u3000",
    "🙂",
    "\u017f",
    "हि",
    "한",
    "word",
    "<|endoftext|>",
]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join))

encodings = pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])


@encodings
@given(text=TEXTS)
def test_encoding_and_decoding_give_the_text_back(name: str, text: str) -> None:
    """decode(encode(text)) is text, and there are as many tokens as are counted."""
    tokenizer = Tokenizer.get(name)
    tokens = tokenizer.encode(text)

    assert tokenizer.decode(tokens) == text
    assert tokenizer.count(text) == len(tokens) <= len(text.encode())


@encodings
@given(text=TEXTS, limit=st.integers(0, 50))
def test_a_truncated_text_is_within_its_limit(name: str, text: str, limit: int) -> None:
    """Whatever part stays has at most `limit` tokens."""
    tokenizer = Tokenizer.get(name)

    assert text.startswith(tokenizer.truncate(text, limit))
    assert text.endswith(tokenizer.truncate(text, limit, "end"))
    for keep in ("start", "end", "middle"):
        assert tokenizer.count(tokenizer.truncate(text, limit, keep)) <= limit


@encodings
@given(text=TEXTS, limit=st.integers(8, 40))
def test_chunks_put_together_are_the_text(name: str, text: str, limit: int) -> None:
    """Splitting without overlap loses nothing."""
    tokenizer = Tokenizer.get(name)
    chunks = tokenizer.split(text, limit)

    assert "".join(chunks) == text
    assert all(0 < tokenizer.count(chunk) <= limit for chunk in chunks)


@encodings
@given(text=TEXTS)
def test_a_text_apart_counts_no_less_than_its_special_form(name: str, text: str) -> None:
    """Allowing special tokens never makes a text longer."""
    tokenizer = Tokenizer.get(name)

    assert tokenizer.count(text, allowed_special="all") <= tokenizer.count(text)
