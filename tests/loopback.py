"""A real HTTP server on the loopback interface that answers, and misbehaves, as a test says."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from compound_fast.config import Config

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Connection:
    """The two ends that a behaviour works with."""

    server: Loopback
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self, status: int, *headers: str) -> None:
        """Send the head of a response; the end of the connection is the end of its body."""
        lines = [f"HTTP/1.1 {status} Status", "connection: close", *headers]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def send(self, data: bytes) -> None:
        """Send bytes at once."""
        self.writer.write(data)
        await self.writer.drain()

    async def until_hung_up(self) -> None:
        """Wait for the other end to leave, and tell the test."""
        await self.reader.read()
        self.server.hung_up.set()

    def reset(self) -> None:
        """End the connection by RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Behaviour = Callable[[Connection], Awaitable[None]]


class Loopback:
    """Follows `script`: one behaviour a request, the last one for all further ones."""

    def __init__(self) -> None:
        self.script: list[Behaviour] = [answer()]
        self.received: list[Received] = []
        self.hung_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    @classmethod
    def closed(cls) -> Loopback:
        """Return a server that has gone: its address refuses connections."""
        server = cls()
        server.close()
        return server

    def close(self) -> None:
        """Stop, and leave no task or socket behind."""

        async def stop() -> None:
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.received.append(Received(request_line.split(" ")[1], headers, body))
            behaviour = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            await behaviour(Connection(self, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def completion(content: str | None = "Hello there.", **more: object) -> dict[str, Any]:
    """Return a completion object; `more` replaces parts of it."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": more.pop("finish_reason", "stop")}
    return {"id": "chatcmpl-1", "created": 1, "model": "real-1", "choices": [choice], "usage": USAGE, **more}


def answer(content: str | None = "Hello there.", **more: object) -> Behaviour:
    """Answer 200 with a completion."""
    return raw_answer(json.dumps(completion(content, **more)).encode())


def raw_answer(body: bytes) -> Behaviour:
    """Answer 200 with these bytes."""
    return status(200, body)


def status(code: int, body: bytes = b"{}", *headers: str) -> Behaviour:
    """Answer with a status."""

    async def behave(connection: Connection) -> None:
        await connection.head(code, "content-type: application/json", f"content-length: {len(body)}", *headers)
        await connection.send(body)

    return behave


async def silent(connection: Connection) -> None:
    """Take the request and never answer."""
    await connection.until_hung_up()


async def reset(connection: Connection) -> None:
    """Take the request and break the connection."""
    connection.reset()


def events(*pieces: str, finish_reason: str | None = "stop", usage: object = USAGE, done: bool = True) -> list[bytes]:
    """Return the events of a stream that says `pieces`."""

    def event(choices: list[dict[str, Any]], **more: object) -> bytes:
        chunk = {"id": "chatcmpl-1", "created": 1, "model": "real-1", "choices": choices, **more}
        return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"

    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    made = [event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    if finish_reason is not None:
        made.append(event([{"index": 0, "delta": {}, "finish_reason": finish_reason}]))
    if usage is not None:
        made.append(event([], usage=usage))
    return [*made, b"data: [DONE]\n\n"] if done else made


def stream(
    parts: Sequence[bytes], *, after: Callable[[Connection], Awaitable[None]] | None = None, pause_s: float = 0.0
) -> Behaviour:
    """Answer 200 with a stream of these parts, one write each; `after` says how it ends (None: properly)."""

    async def behave(connection: Connection) -> None:
        await connection.head(200, "content-type: text/event-stream")
        for part in parts:
            await connection.send(part)
            await asyncio.sleep(pause_s)
        if after is not None:
            await after(connection)

    return behave


def config(server: Loopback, *, fallback: Loopback | None = None, **provider: object) -> Config:
    """Return a configuration of one model on `server`, and a second one to fall back to where there is a server."""
    settings = {"connect_timeout_s": 1, "idle_timeout_s": 1, "timeout_s": 5, **provider}
    values = {
        "version": 1,
        "providers": {"first": {"kind": "openai_compatible", "base_url": server.base_url, **settings}},
        "models": {
            "small": {
                "provider": "first",
                "upstream_model": "real-1",
                "tier": "weak",
                "price": {"input": 1, "output": 2},
            }
        },
        "baseline": "small",
    }
    if fallback is not None:
        values["providers"]["second"] = {"kind": "openai_compatible", "base_url": fallback.base_url, **settings}
        values["models"]["large"] = {"provider": "second", "tier": "strong", "price": {"input": 10, "output": 20}}
    return Config.from_mapping(values)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A server of the test's own, that answers politely until `script` says otherwise."""
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def second():
    """Another server, for what falls back to it."""
    server = Loopback()
    yield server
    server.close()
