"""Replies in which any part is replaced by anything: what comes out is an answer or an error of ours."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compound_fast.dispatch import attempts
from compound_fast.errors import DispatchError, ResponseValidationError
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions
from loopback import USAGE, Loopback, answer, config, events, raw_answer, reset, silent, status, stream

BODY = to_body({"messages": [{"role": "user", "content": "Where is my order?"}]})

CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
LOGPROBS = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": []}], "refusal": None}
USED = {**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}
REPLY = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m", "system_fingerprint": "f", "usage": USED,
    "choices": [{
        "index": 0, "finish_reason": "stop", "logprobs": LOGPROBS,
        "message": {"role": "assistant", "content": "Hello", "refusal": None, "tool_calls": [CALL]},
    }],
}  # fmt: skip
CHUNKS = [
    {**{key: REPLY[key] for key in ("id", "created", "model")}, "choices": choices, **more}
    for choices, more in (
        ([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}], {}),
        ([{"index": 0, "delta": {"content": "Hello", "tool_calls": [CALL]}, "logprobs": LOGPROBS}], {}),
        ([{"index": 0, "delta": {}, "finish_reason": "stop"}], {}),
        ([], {"usage": USED}),
    )
]

# What breaks readers of JSON more often than chance would have it.
AWKWARD = st.sampled_from(
    [None, True, "", "x", "7", "\ud800", -1, -5, 0, 7, 2**31, 2**40, 2**70, 10**400, 1.5, float("inf"), [], {}, [[]],
     ["x"], [None], {"x": 1}, {"index": None}]
)  # fmt: skip
VALUES = AWKWARD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every node."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def replaced(node: object, path: tuple[str | int, ...], value: object) -> object:
    """Return a copy of `node` with another value at `path`."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


@st.composite
def mutated(draw: st.DrawFn, whole: object) -> object:
    """Draw `whole` with one or two nodes replaced."""
    for _ in range(draw(st.integers(1, 2))):
        whole = replaced(whole, draw(st.sampled_from(places(whole))), draw(VALUES))
    return whole


@pytest.fixture(scope="module")
def server():
    """One server for every example."""
    made = Loopback()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_second_try(monkeypatch):
    """A fault that stays is not waited for twice."""
    monkeypatch.setattr(attempts, "RETRIES", 0)


def sent(whole: object) -> bytes:
    """Return JSON that a reader takes for infinite where `whole` is."""
    return json.dumps(whole).replace("Infinity", "1e400").encode()


async def ask(pipeline: Pipeline, *, streamed: bool) -> None:
    """Send the request both ways; whatever was stored is served to the second."""
    for in_chunks in (streamed, not streamed, streamed):
        try:
            if in_chunks:
                async for chunk in pipeline.stream(BODY):
                    str(chunk)
            else:
                str(await pipeline.complete(BODY))
        except (DispatchError, ResponseValidationError):
            pass


def hold_out(server: Loopback, behaviour, *, streamed: bool) -> None:
    """Run the examples' calls; the ledger must have each of them, and stand no fault of the cache."""

    async def main() -> None:
        server.script = [behaviour]
        async with Pipeline.from_config(config(server)) as pipeline:
            await ask(pipeline, streamed=streamed)
            totals = pipeline.ledger.totals()
        assert totals["requests"] == 3
        assert totals["rows_lost"] == 0

    asyncio.run(main())


SHARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.slow
@SHARED
@given(mutated(REPLY))
@example({**REPLY, "created": float("inf")})
@example({**REPLY, "usage": {"prompt_tokens": 2**40, "completion_tokens": 3}})
@example({**REPLY, "usage": {"prompt_tokens": -5, "completion_tokens": True}})
@example(replaced(REPLY, ("choices", 0, "message", "content"), ["x"]))
@example(replaced(REPLY, ("choices", 0, "message", "tool_calls"), "x"))
def test_a_reply_of_any_shape_is_an_answer_or_an_error_of_ours(server, reply):
    """No part of a reply, whatever stands in its place, brings down a call, now or as a hit."""
    hold_out(server, raw_answer(sent(reply)), streamed=False)


@pytest.mark.slow
@SHARED
@given(mutated(CHUNKS))
@example(replaced(CHUNKS, (1, "choices", 0, "delta"), "x"))
@example(replaced(CHUNKS, (1, "choices", 0, "delta", "tool_calls"), ["x"]))
@example(replaced(CHUNKS, (1, "choices", 0, "delta", "tool_calls", 0, "function", "arguments"), {"a": 1}))
@example(replaced(CHUNKS, (0, "choices", 0, "index"), None))
@example(replaced(CHUNKS, (0, "choices", 0, "index"), -1))
@example(replaced(CHUNKS, (3, "choices"), None))
@example(replaced(CHUNKS, (3, "usage"), {"prompt_tokens": 2**40, "completion_tokens": 3}))
@example(replaced(CHUNKS, (0, "created"), float("inf")))
def test_a_stream_of_any_shape_is_an_answer_or_an_error_of_ours(server, chunks):
    """The same holds for every part of a stream, and for a stream in pieces of something else."""
    parts = [
        b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in (chunks if isinstance(chunks, list) else [chunks])
    ]
    hold_out(server, stream(parts), streamed=True)


@pytest.mark.parametrize("depth", [100, 300, 600, 900, 950, 980, 1000, 100_000])
@pytest.mark.parametrize("place", ["id", "created", "usage", "note"])
def test_a_reply_nested_to_any_depth_is_an_answer_or_an_error_of_ours(server, depth, place):
    """Python's readers and writers of JSON give up at depths of their own; none of them takes a call down."""
    nested = ("[" * depth + "]" * depth).encode()
    message = b'"choices": [{"index": 0, "finish_reason": "stop", "%s": {"content": "x", "role": "assistant"}}]'
    whole = b'{"%s": %s, %s}' % (place.encode(), nested, message)

    hold_out(server, raw_answer(whole % b"message"), streamed=False)
    hold_out(server, stream([b"data: " + whole % b"delta" + b"\n\n"] * 2), streamed=True)


FAULTS = {
    "refused": None,
    "401": status(401),
    "500": status(500),
    "429": status(429, b"{}", "retry-after: 60"),
    "reset": reset,
    "silent": silent,
    "html": raw_answer(b"<html>"),
    "no choices": raw_answer(b'{"choices": []}'),
    "null choices": raw_answer(b'{"choices": null}'),
    "nested": raw_answer(b"[" * 100_000),
    "list for text": answer(["x"]),
    "dict for a delta": stream([b'data: {"choices": [{"delta": "x"}]}\n\n']),
    "usage first": stream([b'data: {"choices": "x", "usage": {}}\n\n']),
    "bad encoding": status(200, b"not gzip", "content-encoding: gzip"),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", FAULTS)
async def test_whatever_the_first_model_does_the_second_one_answers(loopback, second, name, streamed):
    """A fault before the first chunk is no more than a failed attempt."""
    behaviour = FAULTS[name]
    second.script = [stream(events("from", " the other")) if streamed else answer("from the other")]
    first = Loopback.closed() if behaviour is None else loopback
    loopback.script = [behaviour or reset]

    async with Pipeline.from_config(config(first, fallback=second, timeout_s=1)) as pipeline:
        if streamed:
            chunks = [chunk async for chunk in pipeline.stream(BODY, CallOptions(cache="off"))]
            text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
            compound = chunks[-1].compound
        else:
            reply = await pipeline.complete(BODY, CallOptions(cache="off"))
            text, compound = reply.choices[0].message.content, reply.compound

    assert text == "from the other"
    assert (compound.model, compound.attempts) == ("large", 2)
    assert any(reason.startswith("attempt 1 failed: ") for reason in compound.reasons)
