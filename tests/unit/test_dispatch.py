"""Chunks to completion and back."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compound_fast.dispatch import ChunkAssembler, completion_chunks
from compound_fast.errors import ResponseValidationError
from compound_fast.providers.sse import EventStreamParser

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
TEXTS = st.lists(st.text(min_size=1), min_size=1, max_size=3)


def chunk(delta, finish_reason=None, index=0):
    """Return a chunk with one choice."""
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


@given(TEXTS)
def test_a_replayed_completion_adds_up_to_itself(texts):
    """Chunks of a completion, assembled, are that completion."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    completion = {"id": "c", "created": 1, "model": "m", "object": "chat.completion", "choices": choices}
    completion["usage"] = {"prompt_tokens": 1, "completion_tokens": 1}
    assembler = ChunkAssembler()
    for piece in completion_chunks(completion, include_usage=True):
        assembler.add(piece)

    assert assembler.is_finished
    assert assembler.completion() == completion


def test_tool_calls_come_in_pieces_and_are_joined():
    """Name and arguments of each call are put together by index."""
    assembler = ChunkAssembler()
    for piece in (
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"order":'}},
        {"index": 1, "id": "call_2", "function": {"name": "stop", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": " 7}"}},
    ):
        assembler.add(chunk({"tool_calls": [piece]}))
    assembler.add(chunk({}, "tool_calls"))

    (choice,) = assembler.completion()["choices"]
    calls = choice["message"]["tool_calls"]
    assert [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("call_1", "find", '{"order": 7}'),
        ("call_2", "stop", "{}"),
    ]
    assert choice["message"]["content"] is None


def test_a_stream_is_finished_when_every_choice_is():
    """One choice of two is not enough."""
    assembler = ChunkAssembler()
    assembler.add(chunk({"content": "a"}))
    assembler.add(chunk({"content": "b"}, index=1))
    assembler.add(chunk({}, "stop"))
    assert not assembler.is_finished
    assembler.add(chunk({}, "stop", index=1))
    assert assembler.is_finished


@pytest.mark.parametrize("raw", [{"choices": "x"}, {"choices": ["x"]}, chunk({"content": 3})])
def test_what_is_no_chunk_is_refused(raw):
    """A wrong shape is a fault of the provider, not a crash."""
    with pytest.raises(ResponseValidationError):
        ChunkAssembler().add(raw)


@given(
    st.lists(st.text(), max_size=4), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 200), max_size=6)
)
def test_events_are_the_same_however_the_bytes_are_cut(texts, line_end, cuts):
    """Whole or in pieces, with any line end, the parser finds the same events."""
    wanted = [json.dumps(text, ensure_ascii=False).encode() for text in texts]
    stream = b"".join(b"data: " + data + (line_end * 2).encode() for data in wanted)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    parser = EventStreamParser()
    found = [event for start, end in pairwise(places) for event in parser.feed(stream[start:end])]

    assert found + parser.finish() == wanted
