"""httpx and its successor httpx2 side by side: a request is answered with the classes of the module it came from."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from types import ModuleType

    import httpx
    import httpx2

    HttpRequest: TypeAlias = httpx.Request | httpx2.Request
    HttpResponse: TypeAlias = httpx.Response | httpx2.Response

__all__ = ["Generation", "Headers", "Watcher", "generation_of"]

Headers: TypeAlias = Sequence[tuple[bytes | str, bytes | str]]


class Watcher(Protocol):
    """Sees the body of a response go by."""

    def add(self, piece: bytes) -> None:
        """Take the next piece; never raises."""

    def finish(self) -> None:
        """Take the end of a body that ended properly; never raises."""


class Generation:
    """One of the two modules: what is made of it, by one name each.

    Parameters
    ----------
    module : module
        ``httpx`` or ``httpx2``.
    """

    def __init__(self, module: ModuleType) -> None:
        self.module: Any = module
        # A client checks that the stream of its response is of the kind that it waits for, so one class is of both.
        bases = (_WatchedStream, module.SyncByteStream, module.AsyncByteStream)
        self._stream_class: Any = type("WatchedStream", bases, {})

    def request(self, request: HttpRequest, headers: Headers, content: bytes) -> Any:
        """Return `request` with other headers and another body; its length is set anew."""
        return self.module.Request(
            request.method, request.url, headers=headers, content=content, extensions=request.extensions
        )

    def response(self, status: int, headers: Headers, content: bytes) -> Any:
        """Return a whole response."""
        # As a stream: a response made of content counts as read, and a reader of raw bytes would be refused.
        headers = [*headers, ("content-length", str(len(content)))]
        return self.module.Response(status, headers=headers, stream=self.module.ByteStream(content))

    def streamed(self, headers: Headers, source: object) -> Any:
        """Return a response whose body `source` yields; the response closes it."""
        return self.module.Response(200, headers=headers, stream=self._stream_class(source, None))

    def watch(self, response: HttpResponse, watcher: Watcher) -> None:
        """Let `watcher` see the body as it is read, which goes to the reader unchanged."""
        response.stream = self._stream_class(response.stream, watcher)

    def decoded(self, pieces: Sequence[bytes], encoding: str) -> Iterator[bytes]:
        """Yield a compressed body uncompressed, piece by piece."""
        body = self.module.Response(200, headers={"content-encoding": encoding}, content=iter(pieces))
        decoded: Iterator[bytes] = body.iter_bytes()
        return decoded


class _WatchedStream:
    """The body of a response, for synchronous and asynchronous readers."""

    def __init__(self, source: Any, watcher: Watcher | None) -> None:
        self._source = source
        self._watcher = watcher

    def __iter__(self) -> Iterator[bytes]:
        watcher = self._watcher
        for piece in self._source:
            if watcher is not None:
                watcher.add(piece)
            yield piece
        if watcher is not None:
            watcher.finish()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        watcher = self._watcher
        async for piece in self._source:
            if watcher is not None:
                watcher.add(piece)
            yield piece
        if watcher is not None:
            watcher.finish()

    def close(self) -> None:
        self._source.close()

    async def aclose(self) -> None:
        await self._source.aclose()


def generation_of(value: object) -> Generation:
    """Return the module that the class of a request or a client, or one of its bases, comes from.

    Raises
    ------
    TypeError
        If it is of neither.
    """
    for base in type(value).__mro__:
        name = base.__module__.partition(".")[0]
        if name in ("httpx", "httpx2"):
            return _generation(name)
    raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} is of neither httpx nor httpx2")


@lru_cache(maxsize=2)
def _generation(name: str) -> Generation:
    return Generation(sys.modules[name])
