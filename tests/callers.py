"""The four kinds of HTTP client that the cache's transport serves, behind one set of coroutines."""

from __future__ import annotations

import importlib
import json

import pytest

import compound_fast as cf
from loopback import Loopback

BODY = {"model": "real-1", "messages": [{"role": "user", "content": "Where is order 12345678?"}]}
REWORDED = {"model": "real-1", "messages": [{"role": "user", "content": "where is the order 12345678"}]}
STREAM = {**BODY, "stream": True}


class Caller:
    """One of the four kinds of client over one cache; each call opens and closes a client of its own."""

    def __init__(self, module: str, *, is_async: bool) -> None:
        self.http = importlib.import_module(module)
        self.is_async = is_async
        self.cache = cf.SemanticCache()
        self.options: dict[str, object] = {}
        self.faults = 0

    async def post(self, server: Loopback, body: object = BODY, *, path: str = "/chat/completions", **call):
        """Send one request and return its response, read."""
        transport = cf.CacheTransport(self.cache, **self.options)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        call["headers"] = {"content-type": "application/json", **call.get("headers", {})}
        try:
            if self.is_async:
                async with self.http.AsyncClient(transport=transport) as client:
                    return await client.post(server.base_url + path, content=content, **call)
            with self.http.Client(transport=transport) as client:
                return client.post(server.base_url + path, content=content, **call)
        finally:
            self.faults += transport.cache_faults

    async def pieces(self, server: Loopback, body: object = STREAM, *, most: int | None = None) -> list[bytes]:
        """Stream one request and return its body as it came; at most `most` pieces, then hang up."""
        transport = cf.CacheTransport(self.cache, **self.options)
        got: list[bytes] = []
        if self.is_async:
            async with (
                self.http.AsyncClient(transport=transport) as client,
                client.stream("POST", server.base_url + "/chat/completions", json=body) as response,
            ):
                async for piece in response.aiter_raw():
                    got.append(piece)
                    if len(got) == most:
                        break
        else:
            with (
                self.http.Client(transport=transport) as client,
                client.stream("POST", server.base_url + "/chat/completions", json=body) as response,
            ):
                for piece in response.iter_raw():
                    got.append(piece)
                    if len(got) == most:
                        break
        return got


@pytest.fixture(params=["httpx", "httpx2"])
def module(request) -> str:
    """The name of the module; skipped where it is missing."""
    pytest.importorskip(request.param, reason="make adapters installs it")
    return request.param


@pytest.fixture(params=["sync", "async"])
def caller(request, module) -> Caller:
    """Each kind of client."""
    return Caller(module, is_async=request.param == "async")


def source(response) -> str:
    """Where a response says that it came from."""
    return response.headers["x-cf-served-from"]


def data(body: bytes) -> list[dict | str]:
    """The events of a stream, without the ids that frame them."""
    found = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event]
    return [event.decode() if event == b"[DONE]" else json.loads(event) for event in found]


def text(body: bytes) -> str:
    """The text that a stream says."""
    chunks = [chunk for chunk in data(body) if chunk != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
