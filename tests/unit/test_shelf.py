"""Answers into the cache and out of it: what is kept of what a provider sent, and what is served of what was stored."""

from __future__ import annotations

import pytest

from compound_fast._core import Request
from compound_fast.config import Config
from compound_fast.errors import AllCandidatesFailedError
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions

QUESTION = to_body("Where is my order?")


def body(**more: object) -> bytes:
    """Return a body with one user turn."""
    return to_body({"messages": [{"role": "user", "content": "Where is my order?"}], **more})


@pytest.fixture
def pipeline():
    """A pipeline on the embedded configuration."""
    return Pipeline.from_config(Config.default())


class _Scripted:
    """A provider of one's own, that answers as a test says."""

    name = "own"
    simulated = False

    def __init__(self, *, reply=None, chunks=()):
        self._reply = reply
        self._chunks = chunks

    async def complete(self, call):  # noqa: ARG002
        return self._reply

    async def stream(self, call):  # noqa: ARG002
        for chunk in self._chunks:
            yield chunk

    def latency_ms(self, call, measured_ms):  # noqa: ARG002
        return measured_ms

    async def aclose(self):
        pass


def scripted(pipeline, **more):
    """Put a scripted provider in place of the simulated one."""
    pipeline._dispatcher._providers["simulated"] = _Scripted(**more)
    return pipeline


def said(index, text=None, finish_reason=None, **more):
    """Return a chunk of one choice."""
    delta = {} if text is None else {"content": text}
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason, **more}]}


@pytest.mark.parametrize(
    ("n", "chunks", "stored"),
    [
        (2, [said(0, "a"), said(0, None, "stop"), said(1, "b"), said(1, None, "stop")], 1),
        (2, [said(0, "a"), said(0, None, "stop")], 0),
        (1, [said(0, "a"), said(1, "b"), said(0, None, "stop"), said(1, None, "stop")], 0),
        (1, [said(0, "a", audio={"data": "x"}), said(0, None, "stop")], 1),
        (1, [said(0, "a", note="x"), said(0, None, "stop", note="y")], 0),
    ],
    ids=["both", "the second is missing", "one too many", "a field kept", "a field lost"],
)
async def test_a_stream_is_stored_only_where_its_completion_holds_all_of_it(pipeline, n, chunks, stored):
    """All choices that were asked for have ended, and no field was lost."""
    got = [chunk async for chunk in scripted(pipeline, chunks=chunks).stream(body(n=n))]

    assert [chunk.raw for chunk in got] == chunks
    assert len(pipeline.cache) == stored


async def test_logprobs_of_a_stream_are_served_to_a_plain_call(pipeline):
    """What a stream said beside its text is in the entry."""
    token = {"token": "a", "logprob": -0.5}
    chunks = [said(0, "a", logprobs={"content": [token]}), said(0, None, "stop")]
    asked = body(logprobs=True)
    assert [chunk async for chunk in scripted(pipeline, chunks=chunks).stream(asked)][-1].compound.entry_id

    reply = await pipeline.complete(asked)
    assert reply.compound.served_from == "exact"
    assert reply.to_dict()["choices"][0]["logprobs"] == {"content": [token]}
    again = [chunk async for chunk in pipeline.stream(asked)]
    assert [chunk.raw["choices"][0]["logprobs"] for chunk in again if "logprobs" in chunk.raw["choices"][0]] == [
        {"content": [token]}
    ]


async def test_an_answer_that_is_none_is_not_stored(pipeline):
    """A completion that cannot be read fails once, and poisons nothing."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    with pytest.raises(AllCandidatesFailedError, match="created is inf"):
        await scripted(pipeline, reply={"choices": [choice], "created": float("inf")}).complete(QUESTION)
    assert len(pipeline.cache) == 0


async def test_an_answer_without_a_json_form_is_returned_and_not_stored(pipeline, caplog):
    """A field that JSON has no form for is a fault of the cache's side, counted and logged."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    reply = await scripted(pipeline, reply={"choices": [choice], "note": {1, 2}}).complete(QUESTION)

    assert reply.compound.entry_id is None
    assert pipeline.ledger.totals()["cache_faults"] == 1
    assert "has no JSON form (TypeError)" in caplog.text


@pytest.mark.parametrize(
    "stored",
    [b"not JSON", b"\xff\xfe", b"[" * 100_000, b"[1]", b"3", b'{"choices": [{"message": {"content": ["my text"]}}]}'],
)
async def test_bytes_that_are_no_completion_are_a_counted_and_logged_miss(pipeline, caplog, stored):
    """Somebody stored them under the request; the log names the entry and not what is in it."""
    # Past SemanticCache.put, which refuses most of them.
    entry_id = pipeline.cache._core.put(
        Request(QUESTION), stored, form="bytes", model="m", input_tokens=0, output_tokens=0
    )

    reply = await pipeline.complete(QUESTION, CallOptions(cache="no-store"))

    assert reply.compound.served_from == "model"
    assert pipeline.ledger.totals()["cache_faults"] == 1
    assert entry_id in caplog.text
    assert "my text" not in caplog.text
