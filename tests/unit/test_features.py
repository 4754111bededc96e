"""Features, as Python sees them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compound_fast import _core
from compound_fast.errors import ConfigError
from compound_fast.features import extract
from compound_fast.request import to_body


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

    methods = {"to_dict", "vector", "schema", "ngrams", "window_share"}
    names = {name for name in dir(found) if not name.startswith("_")} - methods
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

    assert version == 2
    assert (vector["slots_id"], vector["question_where"], vector["words"]) == (1.0, 1.0, 4.0)
    assert (vector["tokens"], vector["temperature"], vector["samples"]) == (found.tokens, 1.0, 1.0)


def test_the_shape_of_a_whole_request_is_known() -> None:
    """Roles, layout, parts, calls and sampling are read of the request and not of its last turn alone."""
    body = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
            {"role": "tool", "content": "42", "tool_call_id": "c"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "# Plan\n\n- one\n- two\n\n| a | b |\n| 1 | 2 |"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
                ],
            },
        ],
        "stream": True,
        "temperature": 0.5,
        "max_tokens": 64,
        "tools": [{"type": "function", "function": {"name": "look"}}],
    }

    found = extract(body)

    assert (found.turns, found.user_turns, found.assistant_turns, found.tool_turns) == (5, 2, 1, 1)
    assert (found.lines, found.paragraphs, found.list_items, found.table_rows, found.headings) == (5, 3, 2, 2, 1)
    assert (found.tools, found.tool_calls, found.media, found.images, found.audio) == (1, 1, 1, 1, 0)
    assert (found.system_chars, found.is_stream, found.wants_json) == (9, True, False)
    assert (found.temperature, found.top_p, found.max_output_tokens, found.samples) == (0.5, None, 64, None)


def test_the_share_of_a_window_is_that_of_the_tokens() -> None:
    """A request's share of a context window is its tokens by the window's; a window of nothing is refused."""
    found = features("Where is my order?")

    assert found.window_share(found.tokens * 4) == 0.25
    with pytest.raises(ConfigError, match="window_tokens=0"):
        found.window_share(0)


def test_ngrams_are_sparse_and_of_unit_length() -> None:
    """Hashed n-grams come as rising places with values; a table of unheard-of size is refused."""
    places, values = features("Where is my order?").ngrams(bits=12)

    assert (places[1:] > places[:-1]).all()
    assert int(places.max()) < 4096
    assert abs(float((values**2).sum()) - 1) < 1e-5
    with pytest.raises(ConfigError, match="bits=3"):
        features("x").ngrams(bits=3)


def test_features_show_what_was_found_and_not_the_text() -> None:
    """A printed object says what it is; it holds no word of a prompt."""
    found = features("Where is my order 483920?")

    assert repr(found) == 'Features(chars=25, words=5, question_type="where", slots=1)'
    assert repr(found.slots[0]) == 'Slot(kind="id", value="483920", start=18, end=24)'
