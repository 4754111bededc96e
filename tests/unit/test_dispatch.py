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


def chunk(delta, finish_reason=None, index=0):
    """Return a chunk with one choice."""
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.text(min_size=1)},
    optional={"reasoning_content": st.text(min_size=1), "refusal": st.text(min_size=1)},
)
LOGPROBS = st.lists(st.fixed_dictionaries({"token": st.text(), "logprob": st.floats(-9, 0)}), min_size=1)
CHOICES = st.lists(
    st.fixed_dictionaries(
        {"message": MESSAGES, "finish_reason": st.just("stop")},
        optional={"logprobs": st.fixed_dictionaries({"content": LOGPROBS}), "stop_reason": st.integers(1)},
    ),
    min_size=1,
    max_size=3,
)


def assembled(chunks):
    """Return what chunks add up to, once JSON has carried them."""
    assembler = ChunkAssembler()
    for piece in chunks:
        assembler.add(json.loads(json.dumps(piece)))
    return assembler


@given(CHOICES, st.fixed_dictionaries({}, optional={"citations": st.just(["https://a"]), "service_tier": st.just("x")}))
def test_a_replayed_completion_adds_up_to_itself(choices, more):
    """Chunks of a completion, assembled, are that completion: text, thoughts, logprobs, and what else it has."""
    choices = [{"index": index, **choice} for index, choice in enumerate(choices)]
    completion = {"id": "c", "created": 1, "model": "m", "object": "chat.completion", **more, "choices": choices}
    completion["usage"] = {"prompt_tokens": 1, "completion_tokens": 1}

    assembler = assembled(completion_chunks(completion, include_usage=True))

    assert assembler.is_finished
    assert assembler.is_faithful
    assert assembler.completion() == completion


def test_logprobs_and_thoughts_are_joined_piece_by_piece():
    """What comes in pieces, and has a place in a completion, is put there whole."""
    assembler = assembled(
        [
            {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}, "logprobs": None}]},
            {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]},
            {"choices": [{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [{"token": "b"}]}}]},
            chunk({}, "stop"),
        ]
    )

    (choice,) = assembler.completion()["choices"]
    assert choice["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}
    assert choice["message"] == {"role": "assistant", "content": "ab", "reasoning_content": "hm"}
    assert assembler.is_faithful
    assert assembler.text == "abhm"


@pytest.mark.parametrize(("pieces", "faithful"), [
    ([{"delta": {"content": "a", "audio": None, "annotations": []}}], True),
    ([{"delta": {"content": "a", "audio": {"data": "x"}}}], False),
    ([{"delta": {"content": "a"}, "logprobs": {"tokens": ["a"]}}], False),
    ([{"delta": {}, "stop_reason": None}, {"delta": {}, "stop_reason": 7}], True),
    ([{"delta": {}, "note": "a"}, {"delta": {}, "note": "b"}], False),
])  # fmt: skip
def test_a_field_that_came_in_unknown_pieces_makes_a_stream_unfaithful(pieces, faithful):
    """A field whose pieces nobody can join is noted; one that is empty, or always the same, is kept."""
    assert assembled([{"choices": [piece]} for piece in pieces]).is_faithful is faithful


def test_fields_of_the_whole_chunk_are_kept_where_they_agree():
    """Citations repeated on every chunk are the completion's; a field that changes is lost, and that is noted."""
    same = assembled([{**chunk({}), "citations": ["a"]}, {**chunk({}, "stop"), "citations": ["a"]}])
    other = assembled([{**chunk({}), "citations": ["a"]}, {**chunk({}, "stop"), "citations": ["b"]}])

    assert (same.completion()["citations"], same.is_faithful, other.is_faithful) == (["a"], True, False)


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


@pytest.mark.parametrize("raw", [
    {"choices": "x"}, {"choices": ["x"]}, {"choices": [{"delta": "x"}]}, {"choices": [{"logprobs": "x"}]},
    {"choices": [{"logprobs": {"content": "x"}}]}, chunk({"content": 3}), chunk({"content": "\ud800"}),
    chunk({"role": 3}), chunk({}, 3), chunk({"reasoning_content": ["x"]}), chunk({"tool_calls": "x"}),
    chunk({"tool_calls": ["x"]}), chunk({"tool_calls": [{"index": None}]}), chunk({"tool_calls": [{"id": 7}]}),
    chunk({"tool_calls": [{"function": "x"}]}), chunk({"tool_calls": [{"function": {"arguments": {}}}]}),
    chunk({}, index=None), chunk({}, index=[]), chunk({}, index=-1), chunk({}, index=2**70), chunk({}, index=True),
])  # fmt: skip
def test_what_is_no_chunk_is_refused(raw):
    """A wrong shape is a fault of the provider, not a crash."""
    with pytest.raises(ResponseValidationError):
        ChunkAssembler().add(raw)


def test_a_chunk_of_usage_may_have_null_for_choices():
    """Some servers send null beside the usage."""
    assembler = assembled([chunk({"content": "a"}, "stop"), {"choices": None, "usage": {"prompt_tokens": 1}}])

    assert assembler.usage == {"prompt_tokens": 1}
    assert assembler.is_finished


def test_a_usage_beside_a_piece_of_text_is_not_the_last_word():
    """Zeros in the first chunk are not what a stream that broke off cost; in the last one they are."""
    zeros = {"prompt_tokens": 0, "completion_tokens": 0}
    begun = assembled([{**chunk({"content": "a"}), "usage": zeros}])
    ended = assembled([{**chunk({"content": "a"}, "stop"), "usage": zeros}])

    assert (begun.usage, ended.usage) == (None, zeros)


def test_endless_empty_lines_of_data_are_refused():
    """Lines without a letter add up too."""
    parser = EventStreamParser()
    parser.feed(b"data:\n" * (1 << 20))

    with pytest.raises(ValueError, match="one event is larger"):
        parser.feed(b"data:\n")


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
