"""The clients, in the OpenAI shape: `AsyncClient` is the real one, `Client` runs the same coroutines on a thread."""

from __future__ import annotations

import os
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack, overload

from compound_fast._arguments import shown
from compound_fast._background import CLOSED, BackgroundLoop, Generators, end_all
from compound_fast._config_block import nearest
from compound_fast.config import Config
from compound_fast.errors import ClientError, ConfigError
from compound_fast.pipeline import Pipeline
from compound_fast.request import Messages, to_body
from compound_fast.types import CallOptions, ChatCompletion, ChatCompletionChunk, JsonObject

__all__ = ["AsyncClient", "AsyncStream", "Client", "CompletionParams", "Stream"]

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


_PARAMETERS = tuple(CompletionParams.__annotations__)


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

    def __repr__(self) -> str:
        """Say which configuration it runs on, and its models."""
        return f"AsyncClient(config={self.pipeline.config.source!r}, models={list(self.pipeline.config.models)!r})"

    async def aclose(self) -> None:
        """End open streams, close the running event loop's connections and the ledger; a later call is a `ClientError`.

        It waits for no call: cancel the tasks of yours that are still inside one.
        """
        await self.chat.completions.close()
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
        self._is_closed = False
        self._open: Generators = weakref.WeakSet()

    async def close(self) -> None:
        """End the streams that are open, and refuse later calls."""
        self._is_closed = True
        await end_all(self._open)

    @overload
    async def create(
        self,
        *,
        messages: Messages,
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
        messages: Messages,
        model: str = ...,
        stream: Literal[True],
        compound: Mapping[str, Any] | None = ...,
        extra_body: Mapping[str, Any] | None = ...,
        **params: Unpack[CompletionParams],
    ) -> AsyncStream: ...

    async def create(
        self,
        *,
        messages: Messages,
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
            The conversation, in the OpenAI shape; a message that was returned may stand in it as it is.
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
            On an unknown ``compound`` option, or an argument of the wrong kind.
        ClientError
            If the client is closed.
        TextError, NoCandidateError, DispatchError, ResponseValidationError
            See `Pipeline.complete`.
        """
        if self._is_closed:
            raise ClientError(CLOSED)
        body, options = _call(messages, model, stream, compound, extra_body, params)
        if stream:
            chunks = self._pipeline.stream(body, options)
            self._open.add(chunks)
            return AsyncStream(chunks)
        return await self._pipeline.complete(body, options)


class Stream:
    """The chunks of one answer, each taken from the provider when it is asked for. Leave it by ``with`` or `close`.

    For one thread at a time. Closing the client ends it, as leaving it does.
    """

    def __init__(self, chunks: AsyncGenerator[ChatCompletionChunk, None], loop: BackgroundLoop) -> None:
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
        self._loop.release(self._chunks)

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
    own. Safe to share between threads. Each call costs two changes of thread beside the call itself. The thread ends
    when the client is closed, or nobody holds it or a stream of it any more, and at exit.

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
        self._loop = BackgroundLoop(self.pipeline.aclose)
        self.chat = Chat(self.pipeline, self._loop)

    def __repr__(self) -> str:
        """Say which configuration it runs on, and its models."""
        return f"Client(config={self.pipeline.config.source!r}, models={list(self.pipeline.config.models)!r})"

    def close(self) -> None:
        """End what is under way, close connections and the ledger, and end the thread.

        Calls of other threads are cancelled and raise `ClientError`, as later ones do; open streams end, and what their
        providers had sent is booked. A client that was not closed is, at exit.
        """
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Chat:
    """``client.chat``."""

    def __init__(self, pipeline: Pipeline, loop: BackgroundLoop) -> None:
        self.completions = Completions(pipeline, loop)


class Completions:
    """``client.chat.completions``."""

    def __init__(self, pipeline: Pipeline, loop: BackgroundLoop) -> None:
        self._pipeline = pipeline
        self._loop = loop

    @overload
    def create(
        self,
        *,
        messages: Messages,
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
        messages: Messages,
        model: str = ...,
        stream: Literal[True],
        compound: Mapping[str, Any] | None = ...,
        extra_body: Mapping[str, Any] | None = ...,
        **params: Unpack[CompletionParams],
    ) -> Stream: ...

    def create(
        self,
        *,
        messages: Messages,
        model: str = "auto",
        stream: bool = False,
        compound: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **params: Unpack[CompletionParams],
    ) -> ChatCompletion | Stream:
        """Answer one request; see `AsyncCompletions.create`."""
        body, options = _call(messages, model, stream, compound, extra_body, params)
        if stream:
            return Stream(self._loop.hold(self._pipeline.stream(body, options)), self._loop)
        return self._loop.run(self._pipeline.complete(body, options))


def _config(config: ConfigLike) -> Config:
    if config is None:
        return Config.default()
    return config if isinstance(config, Config) else Config.load(config)


def _call(
    messages: Messages,
    model: str,
    stream: bool,
    compound: Mapping[str, Any] | None,
    extra_body: Mapping[str, Any] | None,
    params: CompletionParams,
) -> tuple[bytes, CallOptions]:
    for name in params:
        if name not in _PARAMETERS:
            near = nearest(name, _PARAMETERS)
            raise TypeError(f"create() has no parameter {name!r} ({near}); others go through extra_body")
    if not isinstance(stream, bool):
        raise ConfigError(f"stream={shown(stream)} is neither True nor False")
    if extra_body is not None and not isinstance(extra_body, Mapping):
        raise ConfigError(f"extra_body={shown(extra_body)} is no mapping of fields such as {{'top_k': 40}}")
    body: JsonObject = {"model": model, "messages": messages}
    body.update({name: value for name, value in params.items() if value is not None})
    if stream:
        body["stream"] = True
    body.update(extra_body or {})
    inside = body.pop("compound", None)
    options = CallOptions.from_mapping(compound)
    if inside is not None:
        CallOptions.from_mapping(inside)  # a wrong one is named, though an argument may take its place
        options = CallOptions.from_mapping({**inside, **(compound or {})})
    return to_body(body), options
