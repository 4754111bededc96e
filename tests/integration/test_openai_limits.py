"""What a server, or a caller with many event loops, cannot make the provider hold."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from compound_fast.errors import ProviderStatusError, ResponseValidationError, StreamInterruptedError
from compound_fast.pipeline import Pipeline
from compound_fast.providers import openai_compatible
from compound_fast.request import to_body
from compound_fast.types import CallOptions
from loopback import config, events

BODY = to_body("Where is my order?")
NO_STORE = CallOptions(cache="off")


def endless(head: str, piece: bytes, *, status: int = 200):
    """Answer with the same piece for ever."""

    async def behave(connection):
        await connection.head(status, head)
        while True:
            await connection.send(piece)

    return behave


@pytest.fixture
def small_limit(monkeypatch):
    """A megabyte in place of 64."""
    monkeypatch.setattr(openai_compatible, "MAX_ANSWER_BYTES", 1 << 20)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("piece", [events("x" * 1000)[1], b": still here\n\n"], ids=["text", "comments"])
async def test_a_stream_without_end_is_an_error_of_the_provider(loopback, piece):
    """Whole events without end, and comments without end, stop at the limit."""
    loopback.script = [endless("content-type: text/event-stream", piece * 50)]

    async with Pipeline.from_config(config(loopback, timeout_s=30)) as pipeline:
        with pytest.raises(StreamInterruptedError, match="larger than 1048576 bytes"):
            async for _ in pipeline.stream(BODY, NO_STORE):
                pass


@pytest.mark.usefixtures("small_limit")
async def test_an_answer_without_end_is_an_error_of_the_provider(loopback):
    """It is not gathered beyond the limit."""
    loopback.script = [endless("content-type: application/json", b" " * 65536)]

    async with Pipeline.from_config(config(loopback, timeout_s=30)) as pipeline:
        with pytest.raises(ResponseValidationError, match="larger than 1048576 bytes"):
            await pipeline.complete(BODY, NO_STORE)


@pytest.mark.usefixtures("small_limit")
async def test_a_refusal_without_end_keeps_its_status(loopback):
    """The status says enough; the rest is not read."""
    loopback.script = [endless("content-type: text/html", b" " * 65536, status=403)]

    async with Pipeline.from_config(config(loopback, timeout_s=30)) as pipeline:
        with pytest.raises(ProviderStatusError, match="answered 403"):
            await pipeline.complete(BODY, NO_STORE)
    assert len(loopback.received) == 1


def test_connections_of_event_loops_that_have_ended_are_let_go(loopback):
    """Thirty loops, one after the other, leave one client and no loop but the last."""
    pipeline = Pipeline.from_config(config(loopback))
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def once() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await pipeline.complete(BODY, NO_STORE)

    for _ in range(30):
        asyncio.run(once())
    gc.collect()

    assert len(pipeline._providers["first"]._clients) == 1
    assert sum(loop() is not None for loop in loops) == 1
