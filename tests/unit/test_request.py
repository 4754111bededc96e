"""Requests in their four forms: one body, and nothing of it in an error."""

from __future__ import annotations

import json
from types import MappingProxyType

import pydantic
import pytest

from compound_fast.errors import TextError
from compound_fast.request import to_body
from compound_fast.types import ChatMessage

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
    (3, "got int"), ("secret \ud800", "lone surrogate"), ({"messages": [{"secret", 2}]}, "no JSON form: set is not"),
    ({"messages": "secret", "temperature": float("nan")}, "no JSON form: it holds NaN"),
    ({"messages": "secret", "n": 10**5000}, "no JSON form"),
    ({"messages": [{("secret",): 1}]}, "no JSON form: keys must be"),
    ({"messages": [{"content": b"secret"}]}, "bytes is not JSON"),
])  # fmt: skip
def test_what_has_no_body_is_refused(request_, message):
    """The message says what was wrong, and neither it nor a cause says what was asked."""
    with pytest.raises(TextError, match=message) as caught:
        to_body(request_)

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_body_that_is_nested_without_end_is_refused():
    """A list inside itself, and one nested a hundred thousand deep, have no JSON form."""
    endless = []
    endless.append(endless)
    deep = []
    for _ in range(100_000):
        deep = [deep]

    for messages in (endless, deep):
        with pytest.raises(TextError, match="no JSON form"):
            to_body({"messages": messages})


def test_an_answer_goes_back_as_a_turn():
    """A message that a client returned stands in the next request as it was said."""
    answer = ChatMessage(role="assistant", content=None, tool_calls=[{"id": "c", "type": "function"}])

    body = json.loads(to_body([TURN, answer, {"role": "tool", "tool_call_id": "c", "content": "7"}]))

    assert body["messages"][1] == {"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}


def test_objects_of_an_sdk_are_written_as_they_came():
    """What has `model_dump`, as OpenAI's objects have, needs no conversion; fields that were not set stay away."""

    class Message(pydantic.BaseModel):
        role: str
        content: str | None = None
        refusal: str | None = None

    asked = to_body([MappingProxyType(TURN), Message(role="assistant", content=None)])

    assert json.loads(asked) == {"messages": [TURN, {"role": "assistant", "content": None}]}


def test_an_sdk_object_that_cannot_be_written_keeps_its_text():
    """Whatever `model_dump` raises is not shown."""

    class Broken:
        def model_dump(self, **_):
            raise RuntimeError("secret")

    with pytest.raises(TextError, match=r"model_dump\(\) of Broken failed") as caught:
        to_body([Broken()])
    assert caught.value.__cause__ is None
