"""Requests in their four forms, and what a call may ask."""

from __future__ import annotations

import json

import pytest

from compound_fast.errors import ConfigError, TextError
from compound_fast.types import CallOptions, ChatCompletionChunk, CompoundInfo, Usage, to_body

TURN = {"role": "user", "content": "Grüße"}


@pytest.mark.parametrize("request_", ["Grüße", [TURN], {"messages": [TURN]}, to_body("Grüße")])
def test_the_four_forms_of_a_request_are_one_body(request_):
    """A text, messages, a body and its bytes mean the same."""
    assert json.loads(to_body(request_)) == {"messages": [TURN]}


def test_bytes_are_never_encoded_again():
    """Bytes pass through as the same object."""
    body = b'{"messages":  []}'

    assert to_body(body) is body


@pytest.mark.parametrize(("request_", "message"), [
    (3, "got int"), ("\ud800", "lone surrogate"), ({"messages": [{1, 2}]}, "no JSON form"),
])  # fmt: skip
def test_what_has_no_body_is_refused(request_, message):
    """The message says what was wrong, and not what was asked."""
    with pytest.raises(TextError, match=message):
        to_body(request_)


def test_an_option_of_the_wrong_type_is_refused():
    """A tenant is text."""
    with pytest.raises(ConfigError, match="tenant=3 is not a str"):
        CallOptions.from_mapping({"tenant": 3})


def test_an_unknown_cost_is_none_in_dollars_too():
    """None stays None at the edge."""
    unknown = CompoundInfo(served_from="model", model="m", provider="p", simulated=False)
    known = CompoundInfo(served_from="model", model="m", provider="p", simulated=False, cost_nano_usd=1_500_000_000)

    assert (unknown.cost_usd, known.cost_usd) == (None, 1.5)


def test_a_chunk_without_choices_carries_the_usage():
    """The last chunk of a stream may hold nothing else."""
    chunk = ChatCompletionChunk.from_raw(
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    )

    assert (chunk.choices, chunk.usage) == ([], Usage(1, 2))
