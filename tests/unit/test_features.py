"""Features, as Python sees them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compound_fast import _core
from compound_fast.types import to_body


def features(text: str) -> _core.Features:
    """The features of a request with one user turn."""
    return _core.Request(to_body(text)).features


def test_slots_and_frame_split_a_request() -> None:
    """The numbers of a text are slots in canonical form; the frame is the rest."""
    found = features("Refund $5.00 for order #12345, not today!")

    assert found.slots == [("id", "12345"), ("amount", "usd:5")]
    assert found.frame == "refund for order not today"
    assert (found.negations, found.stale_words) == (1, 1)
    assert found.slot_key == features("order 12345: five dollars").slot_key != 0


def test_to_dict_holds_every_field() -> None:
    """The dictionary and the attributes say the same."""
    found = features("Prove it. Why?")

    as_dict = found.to_dict()

    names = {name for name in dir(found) if not name.startswith("_")} - {"to_dict"}
    assert set(as_dict) == names
    assert all(as_dict[name] == getattr(found, name) for name in names)
    assert (as_dict["reasoning_words"], as_dict["sentences"], as_dict["is_question"]) == (2, 2, True)


@given(st.text(max_size=200))
def test_any_text_has_features(text: str) -> None:
    """No text is refused, and counts agree with Python's own."""
    canonical = _core.Request(to_body(text)).text

    found = features(text)

    assert found.chars == len(canonical)
    assert (found.slot_key == 0) == (found.slots == [])
    assert found.words <= len(canonical)
