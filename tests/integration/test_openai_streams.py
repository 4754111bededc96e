"""Streams of the OpenAI-compatible provider, from a real server that breaks them off as gateways do."""

from __future__ import annotations

import asyncio
import time

import pytest

from compound_fast.config import Config
from compound_fast.errors import (
    StreamInterruptedError,
)
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions
from loopback import answer, config, events, reset, silent, status, stream

BODY = to_body({"model": "auto", "messages": [{"role": "user", "content": "Where is my secret parcel?"}]})
NO_STORE = CallOptions(cache="off")


async def texts(settings: Config, body: bytes = BODY) -> list[str]:
    """Stream one request and return its pieces of text."""
    async with Pipeline.from_config(settings) as pipeline:
        return [
            choice.delta.content
            async for chunk in pipeline.stream(body, NO_STORE)
            for choice in chunk.choices
            if choice.delta.content
        ]


async def test_a_stream_is_passed_on_piece_by_piece_and_booked_by_its_usage(loopback):
    """Chunks come out as they came in; the usage chunk is for the ledger, unless the caller asked for it."""
    loopback.script = [stream(events("Grü", "ße", " an alle"))]

    async with Pipeline.from_config(config(loopback)) as pipeline:
        chunks = [chunk async for chunk in pipeline.stream(BODY)]
        totals = pipeline.ledger.totals()

    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Grü", "ße", " an alle", None]
    assert [chunk.compound is None for chunk in chunks] == [True, True, True, True, False]
    assert chunks[-1].compound.cost_nano_usd == 15_000
    assert totals["models"]["small"]["output_tokens"] == 3
    assert loopback.received[0].body["stream_options"] == {"include_usage": True}


async def test_usage_comes_last_where_it_is_asked_for(loopback):
    """`include_usage` gives a last chunk without choices."""
    body = to_body({"messages": [{"role": "user", "content": "x"}], "stream_options": {"include_usage": True}})
    loopback.script = [stream(events("Hello"))]

    async with Pipeline.from_config(config(loopback)) as pipeline:
        chunks = [chunk async for chunk in pipeline.stream(body)]

    assert [len(chunk.choices) for chunk in chunks] == [1, 1, 1, 0]
    assert chunks[-1].usage.completion_tokens == 3
    assert chunks[-1].compound is not None


async def test_a_streamed_answer_is_served_to_the_next_one_who_asks(loopback):
    """What was streamed is stored whole: a plain call gets it as a completion, a streamed one as chunks."""
    loopback.script = [stream(events("Hello", " there."))]

    async with Pipeline.from_config(config(loopback)) as pipeline:
        first = [chunk async for chunk in pipeline.stream(BODY)]
        plain = await pipeline.complete(BODY)
        again = [chunk async for chunk in pipeline.stream(BODY)]

    assert len(loopback.received) == 1
    assert plain.choices[0].message.content == "Hello there."
    assert plain.compound.entry_id == first[-1].compound.entry_id
    assert "".join(c.choices[0].delta.content or "" for c in again) == "Hello there."
    assert again[-1].compound.served_from == "exact"


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_stream_survives_every_cut(loopback, size):
    """Pieces end inside a character, a line end, a field; CRLF, comments and several data lines are read."""
    first, *rest = events("Grüße", " 你好", " 👋")
    one, two = first.decode().removeprefix("data: ").strip().split(',"' if ',"' in first.decode() else ", ", 1)
    both = f"data: {one},\r\ndata: {two}\r\n\r\n".encode()
    text = b": hello\r\n\r\nevent: message\r\nid: 1\r\n" + both + b"".join(rest).replace(b"\n", b"\r\n")
    loopback.script = [stream([text[start : start + size] for start in range(0, len(text), size)])]

    assert await texts(config(loopback)) == ["Grüße", " 你好", " 👋"]


@pytest.mark.parametrize(
    "fault",
    [
        stream(events("Hello", finish_reason=None, usage=None, done=False)),
        stream(events("Hello", finish_reason=None, usage=None, done=True)),
        stream(events("Hello", finish_reason=None, usage=None, done=False), after=reset),
        stream([*events("Hello", finish_reason=None, usage=None, done=False), b"data: {broken\n\n"]),
        stream(
            [*events("Hello", finish_reason=None, usage=None, done=False), b'data: {"error": {"code": "oops"}}\n\n']
        ),
        stream(events("Hello", finish_reason=None, usage=None, done=False), after=silent),
    ],
    ids=["FIN", "no finish", "RST", "broken JSON", "error event", "silent"],
)
async def test_a_stream_that_breaks_off_is_an_error_and_is_not_stored(loopback, fault):
    """No finish is made up: what came is passed on, then the error; the ledger counts a failure."""
    loopback.script = [fault, answer("whole")]
    got: list[str] = []

    async with Pipeline.from_config(config(loopback)) as pipeline:
        with pytest.raises(StreamInterruptedError) as caught:  # noqa: PT012
            async for chunk in pipeline.stream(BODY):
                got.append(chunk.choices[0].delta.content)
                assert chunk.choices[0].finish_reason is None
        totals = pipeline.ledger.totals()
        reply = await pipeline.complete(BODY)

    assert got == ["", "Hello"]
    assert caught.value.chunks == 2
    assert totals["served"]["failed"] == 1
    assert reply.compound.served_from == "model"


@pytest.mark.parametrize("fault", [status(500), reset, stream([]), stream([b"data: {broken\n\n"])])
async def test_a_stream_that_never_began_falls_back(loopback, second, fault):
    """Until its first chunk a stream may still come from somebody else."""
    loopback.script = [fault]
    second.script = [stream(events("from", " the other"))]

    assert await texts(config(loopback, fallback=second)) == ["from", " the other"]


async def test_leaving_a_stream_closes_it_upstream_and_books_what_came(loopback):
    """The provider's connection ends at once; the tokens that came are counted here, and nothing is stored."""
    loopback.script = [stream(events("Hello there.", finish_reason=None, usage=None, done=False), after=silent)]

    async with Pipeline.from_config(config(loopback)) as pipeline:
        chunks = pipeline.stream(BODY)
        await anext(chunks)
        await anext(chunks)
        started = time.monotonic()
        await chunks.aclose()
        assert await asyncio.to_thread(loopback.hung_up.wait, 2)
        waited_s = time.monotonic() - started
        totals = pipeline.ledger.totals()
        assert len(pipeline.cache) == 0

    assert waited_s < 0.5
    assert totals["models"]["small"]["output_tokens"] == 3
    assert totals["cost_nano_usd"] > 0


async def test_a_stream_with_small_writes_is_not_held_back(loopback):
    """The first piece of text is out long before the last one is written."""
    loopback.script = [stream(events(*"abcdefghij"), pause_s=0.1)]

    async with Pipeline.from_config(config(loopback)) as pipeline:
        started = time.monotonic()
        chunks = pipeline.stream(BODY)
        await anext(chunks)
        first_s = time.monotonic() - started
        rest = [chunk async for chunk in chunks]
        last_s = time.monotonic() - started

    assert len(rest) == 11
    assert last_s - first_s > 0.8


async def test_a_reader_who_stops_reading_fills_no_memory(loopback):
    """A stream that nobody reads is held in the sockets' buffers: the server cannot write on."""
    written = 0

    async def flood(connection):
        nonlocal written
        piece = events("x" * 10_000)[1]
        await connection.head(200, "content-type: text/event-stream")
        while True:
            await connection.send(piece)
            written += len(piece)

    loopback.script = [flood]
    async with Pipeline.from_config(config(loopback)) as pipeline:
        chunks = pipeline.stream(BODY)
        await anext(chunks)
        before = -1
        while written != before:  # until it stands still
            before = written
            await asyncio.sleep(0.3)
        await chunks.aclose()

    assert written < 16 << 20


async def test_a_flood_without_line_ends_is_refused(loopback):
    """An event larger than a megabyte is no chunk, and is not gathered."""
    loopback.script = [stream([b"data: " + b"x" * 65536] * 40)]

    with pytest.raises(StreamInterruptedError, match="one event is larger"):
        await texts(config(loopback))
