"""Features, as Python sees them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compound_fast import _core
from compound_fast.errors import ConfigError
from compound_fast.types import to_body


def features(text: str) -> _core.Features:
    """The features of a request with one user turn."""
    return _core.Request(to_body(text)).features


def test_slots_and_frame_split_a_request() -> None:
    """The numbers of a text are slots in canonical form; the frame is the rest."""
    found = features("Refund $5.00 for order #12345, not today!")

    assert [(slot.kind, slot.value) for slot in found.slots] == [("amount", "usd:5"), ("id", "12345")]
    text = "Refund $5.00 for order #12345, not today!"
    assert [text[slot.start : slot.end] for slot in found.slots] == ["$5.00", "#12345"]
    assert found.frame == "refund for order not today"
    assert (found.negations, found.stale_words) == (1, 1)
    assert found.slot_key == features("order 12345: five dollars").slot_key != 0


def test_to_dict_holds_every_field() -> None:
    """The dictionary and the attributes say the same."""
    found = features("Prove it. Why?")

    as_dict = found.to_dict()

    names = {name for name in dir(found) if not name.startswith("_")} - {"to_dict", "vector", "schema", "ngrams"}
    assert set(as_dict) == names
    assert all(as_dict[name] == getattr(found, name) for name in names)
    assert (as_dict["reasoning_words"], as_dict["sentences"], as_dict["is_question"]) == (2, 2, True)


@pytest.mark.parametrize(
    ("text", "language", "script"),
    [
        ("Where is my order, it should have been here yesterday?", "en", "latin"),
        ("Waar is mijn bestelling, die had hier gisteren al moeten zijn?", "nl", "latin"),
        ("Где мой заказ, он должен был прийти ещё вчера?", "ru", "cyrillic"),
        ("12 + 30", None, None),
    ],
)
def test_language_and_script_are_known(text: str, language: str | None, script: str | None) -> None:
    """A sentence has a language and a script; a text without letters has neither."""
    found = features(text)

    assert (found.language, found.script) == (language, script)


@given(st.text(max_size=200))
def test_any_text_has_features(text: str) -> None:
    """No text is refused, and counts agree with Python's own."""
    canonical = _core.Request(to_body(text)).text

    found = features(text)

    assert found.chars == len(canonical)
    assert (found.slot_key == 0) == (found.slots == [])
    assert found.words <= len(canonical)


def test_spans_count_characters() -> None:
    """Spans are places in the Python string, whatever its bytes."""
    text = "Café: über 5 kg für £3"

    found = features(text)

    assert [(slot.kind, text[slot.start : slot.end]) for slot in found.slots] == [
        ("quantity", "5 kg"),
        ("amount", "£3"),
    ]


def test_the_vector_follows_its_schema() -> None:
    """Numbers for training come with a version and one name each."""
    version, names = _core.Features.schema()
    found = features("Where is order 12345?")

    vector = dict(zip(names, found.vector().tolist(), strict=True))

    assert version == 1
    assert (vector["slots_id"], vector["question_where"], vector["words"]) == (1.0, 1.0, 4.0)


def test_ngrams_are_sparse_and_of_unit_length() -> None:
    """Hashed n-grams come as rising places with values; a table of unheard-of size is refused."""
    places, values = features("Where is my order?").ngrams(bits=12)

    assert (places[1:] > places[:-1]).all()
    assert int(places.max()) < 4096
    assert abs(float((values**2).sum()) - 1) < 1e-5
    with pytest.raises(ConfigError, match="bits=3"):
        features("x").ngrams(bits=3)
