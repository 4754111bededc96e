"""What counts as an answer."""

from __future__ import annotations

import pytest

from compound_fast.errors import ResponseValidationError
from compound_fast.types import Usage
from compound_fast.validation import check_completion, is_storable


def completion(message=None, finish_reason="stop", usage=None):
    """Return a completion with one choice."""
    message = {"role": "assistant", "content": "yes"} if message is None else message
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": usage}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({}, "choices"),
        ({"choices": []}, "choices"),
        ({"choices": {}}, "choices"),
        ({"choices": ["x"]}, "choices[0].message"),
        ({"choices": [{"message": None}]}, "choices[0].message"),
        (completion({"content": 3}), "choices[0].message.content"),
        (completion({"content": ["x"]}), "choices[0].message.content"),
        (completion({"content": "\ud800"}), "choices[0].message.content"),
        (completion({"content": "x", "refusal": {}}), "choices[0].message.refusal"),
        (completion({"content": None, "tool_calls": "x"}), "choices[0].message.tool_calls"),
        (completion({"content": None, "tool_calls": ["x"]}), "choices[0].message.tool_calls"),
        (completion(finish_reason=3), "choices[0].finish_reason"),
        ({"choices": [{"index": None, "message": {"content": "x"}}]}, "choices[0].index"),
        ({"choices": [{"index": -1, "message": {"content": "x"}}]}, "choices[0].index"),
        ({**completion(), "created": float("inf")}, "created"),
        ({**completion(), "id": []}, "id"),
        ({**completion(), "model": {}}, "model"),
        ([], ""),
    ],
)
def test_what_is_no_answer_is_refused_with_its_path(raw, path):
    """The error says where the fault is."""
    with pytest.raises(ResponseValidationError) as caught:
        check_completion(raw)
    assert caught.value.path == path


def test_an_answer_gives_usage_finish_and_text():
    """All three are read in one pass."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}

    assert check_completion(completion(usage=usage)) == (Usage(5, 2, 4), "stop", "yes")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "many",
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 2},
        {"prompt_tokens": "7", "completion_tokens": 2},
        {"prompt_tokens": 2**40, "completion_tokens": 2},
        {"prompt_tokens": 2**32 - 1, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 9}},
    ],
)
def test_a_usage_that_cannot_be_is_no_usage(usage):
    """Wrong counts are treated as missing ones, and never billed."""
    assert check_completion(completion(usage=usage)).usage is None


def test_a_refused_answer_says_what_it_is_billed():
    """The tokens that were paid for are on the error."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    with pytest.raises(ResponseValidationError) as caught:
        check_completion(completion({"content": 3}, usage=usage))
    assert caught.value.billed_tokens == (5, 2, 4)


@pytest.mark.parametrize(("content", "finish_reason", "is_valid"), [
    ('{"a": 1}', "stop", True), ("no", "stop", False), ("[" * 100_000, "stop", False),
    ('{"a": ', "length", True), (None, "stop", True),
])  # fmt: skip
def test_json_that_was_asked_for_must_parse_when_it_is_whole(content, finish_reason, is_valid):
    """A cut answer says so by its finish reason."""
    raw = completion({"content": content}, finish_reason)
    if is_valid:
        assert check_completion(raw, wants_json=True).finish_reason == finish_reason
    else:
        with pytest.raises(ResponseValidationError, match="JSON was asked for"):
            check_completion(raw, wants_json=True)


@pytest.mark.parametrize(("message", "finish_reason", "storable"), [
    ({"content": "yes"}, "stop", True),
    ({"content": "yes"}, "length", False),
    ({"content": "yes"}, "content_filter", False),
    ({"content": "yes"}, None, False),
    ({"content": ""}, "stop", False),
    ({"content": None, "refusal": "no"}, "stop", False),
    ({"content": "x", "tool_calls": [{}]}, "tool_calls", False),
    ({"content": "x", "tool_calls": [{}]}, "stop", False),
])  # fmt: skip
def test_only_a_whole_answer_in_text_may_be_served_again(message, finish_reason, storable):
    """Cut, filtered, refused, empty answers and tool calls are not stored."""
    assert is_storable(completion(message, finish_reason), choices=1) is storable


def test_an_answer_with_another_number_of_choices_is_not_stored():
    """`n` answers were asked for: fewer were cut somewhere, more are nothing we know."""
    raw = {"choices": completion()["choices"] * 2}

    assert [is_storable(raw, choices=wanted) for wanted in (1, 2, 3)] == [False, True, False]
