"""The clients, in the OpenAI shape: `AsyncClient` is the real one, `Client` runs the same coroutines on a thread."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

from compound_fast._config_block import nearest
from compound_fast.config import Config
from compound_fast.errors import ConfigError
from compound_fast.pipeline import Pipeline
from compound_fast.types import CallOptions, ChatCompletion, ChatCompletionChunk, JsonObject, to_body

__all__ = ["AsyncClient", "AsyncStream", "Client", "CompletionParams", "Stream"]

T = TypeVar("T")
ConfigLike = Config | str | os.PathLike[str] | None


class CompletionParams(TypedDict, total=False):
    """Parameters of OpenAI's ``chat.completions.create`` that go to the model as they are; others: ``extra_body``."""

    frequency_penalty: float
    logit_bias: Mapping[str, float]
    logprobs: bool
    max_completion_tokens: int
    max_tokens: int
    metadata: Mapping[str, str]
    n: int
    parallel_tool_calls: bool
    presence_penalty: float
    reasoning_effort: str
    response_format: Mapping[str, Any]
    seed: int
    stop: str | Sequence[str]
    stream_options: Mapping[str, Any]
    temperature: float
    tool_choice: str | Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]]
    top_logprobs: int
    top_p: float
    user: str


class AsyncStream:
    """The chunks of one answer, each passed on as it comes. Leave it by ``async with`` or `aclose`: the call ends."""

    def __init__(self, chunks: AsyncGenerator[ChatCompletionChunk, None]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self._chunks

    async def aclose(self) -> None:
        """End the call; what the provider had sent is booked."""
        await self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncClient:
    """Sends requests through cache, router and providers.

    Parameters
    ----------
    config : Config, path or None
        What to run on; None = the embedded configuration (simulated models, no network, nothing kept on disk).

    Raises
    ------
    ConfigError
        If the configuration is wrong.

    Examples
    --------
    >>> import asyncio
    >>> async def ask() -> str:
    ...     async with AsyncClient() as client:
    ...         reply = await client.chat.completions.create(messages=[{"role": "user", "content": "Where is it?"}])
    ...         return reply.compound.served_from
    >>> asyncio.run(ask())
    'model'
    """

    def __init__(self, config: ConfigLike = None) -> None:
        self.pipeline = Pipeline.from_config(_config(config))
        self.chat = AsyncChat(self.pipeline)

    async def aclose(self) -> None:
        """Close connections and the ledger."""
        await self.pipeline.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncChat:
    """``client.chat``."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.completions = AsyncCompletions(pipeline)


class AsyncCompletions:
    """``client.chat.completions``."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @overload
    async def create(
        self,
        *,
        messages: Sequence[Mapping[str, Any]],
        model: str = ...,
        stream: Literal[False] = ...,
        compound: Mapping[str, Any] | None = ...,
        extra_body: Mapping[str, Any] | None = ...,
        **params: Unpack[CompletionParams],
    ) -> ChatCompletion: ...

    @overload
    async def create(
        self,
        *,
        messages: Sequence[Mapping[str, Any]],
        model: str = ...,
        stream: Literal[True],
        compound: Mapping[str, Any] | None = ...,
        extra_body: Mapping[str, Any] | None = ...,
        **params: Unpack[CompletionParams],
    ) -> AsyncStream: ...

    async def create(
        self,
        *,
        messages: Sequence[Mapping[str, Any]],
        model: str = "auto",
        stream: bool = False,
        compound: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **params: Unpack[CompletionParams],
    ) -> ChatCompletion | AsyncStream:
        """Answer one request.

        Parameters
        ----------
        messages : sequence of mappings
            The conversation, in the OpenAI shape.
        model : str, default "auto"
            ``"auto"`` = the router chooses; a configured name = that model only.
        stream : bool, default False
            Whether to return chunks as they come. Errors then come out of the iteration.
        compound : mapping or None
            ``tenant``, ``namespace``, ``cache``, ``ttl_s``: see `CallOptions`.
        extra_body : mapping or None
            Fields of the body that are no parameter here.
        **params
            OpenAI's parameters: see `CompletionParams`.

        Raises
        ------
        ConfigError
            On an unknown ``compound`` option.
        TextError, NoCandidateError, DispatchError, ResponseValidationError
            See `Pipeline.complete`.
        """
        body, options = _call(messages, model, stream, compound, extra_body, params)
        if stream:
            return AsyncStream(self._pipeline.stream(body, options))
        return await self._pipeline.complete(body, options)


class Stream:
    """The chunks of one answer, each taken from the provider when it is asked for. Leave it by ``with`` or `close`."""

    def __init__(self, chunks: AsyncGenerator[ChatCompletionChunk, None], loop: _BackgroundLoop) -> None:
        self._chunks = chunks
        self._loop = loop

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self

    def __next__(self) -> ChatCompletionChunk:
        chunk = self._loop.run(_next(self._chunks))
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """End the call; what the provider had sent is booked."""
        self._loop.run(self._chunks.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _next(chunks: AsyncGenerator[ChatCompletionChunk, None]) -> ChatCompletionChunk | None:
    return await anext(chunks, None)


class Client:
    """`AsyncClient` for code without an event loop, and for code inside one that cannot wait (a notebook).

    The coroutines run on one event loop in a background thread, started at the first call. A forked child starts its
    own. Safe to share between threads. Each call costs two changes of thread beside the call itself.

    Parameters
    ----------
    config : Config, path or None
        What to run on; None = the embedded configuration (simulated models, no network, nothing kept on disk).

    Raises
    ------
    ConfigError
        If the configuration is wrong.

    Examples
    --------
    >>> with Client() as client:
    ...     ask = dict(messages=[{"role": "user", "content": "Where is my order?"}])
    ...     replies = [client.chat.completions.create(**ask) for _ in range(2)]
    >>> [reply.compound.served_from for reply in replies]
    ['model', 'exact']
    """

    def __init__(self, config: ConfigLike = None) -> None:
        self.pipeline = Pipeline.from_config(_config(config))
        self._loop = _BackgroundLoop()
        self.chat = Chat(self.pipeline, self._loop)

    def close(self) -> None:
        """Close connections and the ledger, and end the thread. A client that was not closed is, at exit."""
        self._loop.run(self.pipeline.aclose())
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Chat:
    """``client.chat``."""

    def __init__(self, pipeline: Pipeline, loop: _BackgroundLoop) -> None:
        self.completions = Completions(pipeline, loop)


class Completions:
    """``client.chat.completions``."""

    def __init__(self, pipeline: Pipeline, loop: _BackgroundLoop) -> None:
        self._pipeline = pipeline
        self._loop = loop

    @overload
    def create(
        self,
        *,
        messages: Sequence[Mapping[str, Any]],
        model: str = ...,
        stream: Literal[False] = ...,
        compound: Mapping[str, Any] | None = ...,
        extra_body: Mapping[str, Any] | None = ...,
        **params: Unpack[CompletionParams],
    ) -> ChatCompletion: ...

    @overload
    def create(
        self,
        *,
        messages: Sequence[Mapping[str, Any]],
        model: str = ...,
        stream: Literal[True],
        compound: Mapping[str, Any] | None = ...,
        extra_body: Mapping[str, Any] | None = ...,
        **params: Unpack[CompletionParams],
    ) -> Stream: ...

    def create(
        self,
        *,
        messages: Sequence[Mapping[str, Any]],
        model: str = "auto",
        stream: bool = False,
        compound: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **params: Unpack[CompletionParams],
    ) -> ChatCompletion | Stream:
        """Answer one request; see `AsyncCompletions.create`."""
        body, options = _call(messages, model, stream, compound, extra_body, params)
        if stream:
            return Stream(self._pipeline.stream(body, options), self._loop)
        return self._loop.run(self._pipeline.complete(body, options))


class _BackgroundLoop:
    """An event loop in a daemon thread, started at the first `run`, and anew in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._inherited: list[asyncio.AbstractEventLoop] = []
        _loops.add(self)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and wait for it; interrupted (Ctrl-C), it is cancelled."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "a Client was called from its own event loop, which would wait for itself; use AsyncClient"
            )
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread; a later `run` starts a new one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def forget_parent(self) -> None:
        """Begin anew in a forked child, which has neither the thread nor whoever held the lock."""
        self._lock = threading.Lock()
        if self._loop is not None:
            # Kept for ever: closing it would take the parent's sockets out of the selector that both share.
            self._inherited.append(self._loop)
        self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="compound-fast", daemon=True)
                self._thread.start()
            return self._loop


_loops: weakref.WeakSet[_BackgroundLoop] = weakref.WeakSet()


@atexit.register
def _close_loops() -> None:
    # Before the interpreter goes: a daemon thread that is still inside the loop then would die at an arbitrary place.
    for loop in list(_loops):
        loop.close()


def _begin_anew_in_child() -> None:
    for loop in list(_loops):
        loop.forget_parent()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_begin_anew_in_child)


def _config(config: ConfigLike) -> Config:
    if config is None:
        return Config.default()
    if isinstance(config, Config):
        return config
    if isinstance(config, (str, os.PathLike)):
        return Config.load(config)
    raise ConfigError(f"a client takes a Config, a path or nothing; got {type(config).__name__}")


def _call(
    messages: Sequence[Mapping[str, Any]],
    model: str,
    stream: bool,
    compound: Mapping[str, Any] | None,
    extra_body: Mapping[str, Any] | None,
    params: CompletionParams,
) -> tuple[bytes, CallOptions]:
    for name in params:
        if name not in CompletionParams.__annotations__:
            known = list(CompletionParams.__annotations__)
            raise TypeError(
                f"create() has no parameter {name!r} ({nearest(name, known)}); others go through extra_body"
            )
    body: JsonObject = {"model": model, "messages": list(messages)}
    body.update({name: value for name, value in params.items() if value is not None})
    if stream:
        body["stream"] = True
    body.update(extra_body or {})
    options = CallOptions.from_mapping({**(body.pop("compound", None) or {}), **(compound or {})})
    return to_body(body), options
