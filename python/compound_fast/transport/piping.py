"""`PipelineTransport`: the whole path behind an SDK: cache, router, providers, fallback."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from compound_fast.client import AsyncClient, Client, Stream
from compound_fast.errors import (
    CompoundFastError,
    DispatchError,
    NoCandidateError,
    ProviderStatusError,
    ProviderTimeoutError,
    RateLimitedError,
    ResponseValidationError,
    TextError,
)
from compound_fast.transport.answers import DONE, EVENT_STREAM, encode, event
from compound_fast.transport.base import ChatTransport, error_response
from compound_fast.transport.calls import Call, Scope

if TYPE_CHECKING:
    from compound_fast.transport.generations import Generation, HttpRequest
    from compound_fast.types import ChatCompletion, ChatCompletionChunk, CompoundInfo, JsonObject

__all__ = ["PipelineTransport"]


class PipelineTransport(ChatTransport):
    """Answers chat completions from a client of ours; everything else goes to the server that it was sent to.

    Parameters
    ----------
    client : Client or AsyncClient
        A `Client` serves synchronous HTTP clients, an `AsyncClient` asynchronous ones.
    inner : transport
        The transport beneath.
    owns_client : bool
        Whether the client is closed with the transport.
    scope : Scope
        Who asks, where a call does not say.
    """

    def __init__(self, client: Client | AsyncClient, inner: object, *, owns_client: bool, scope: Scope) -> None:
        # The configuration says which server is asked, so the URL that the SDK would have asked tells nothing apart.
        super().__init__(inner, Scope(scope.tenant, scope.namespace or ""))
        self._client = client
        self._owns_client = owns_client

    def close(self) -> None:
        """Close the connections beneath, and the client where it is the transport's own."""
        super().close()
        if self._owns_client and isinstance(self._client, Client):
            self._client.close()

    async def aclose(self) -> None:
        """Close the connections beneath, and the client where it is the transport's own."""
        await super().aclose()
        if self._owns_client and isinstance(self._client, AsyncClient):
            await self._client.aclose()

    def _answer(self, generation: Generation, request: HttpRequest, call: Call, beneath: Any) -> Any:  # noqa: ARG002
        pipeline, loop = self._client.pipeline, self._client._loop  # type: ignore[union-attr]
        try:
            if not call.is_stream:
                return _whole(generation, loop.run(pipeline.complete(call.body, call.options)))
            chunks = Stream(loop.hold(pipeline.stream(call.body, call.options)), loop)
            # Once the first chunk is there, a model answers; before it, a failure still has a status of its own.
            return generation.streamed([("content-type", EVENT_STREAM)], _Events(next(chunks), chunks))
        except CompoundFastError as error:
            return _failed(generation, error)

    async def _answer_async(
        self,
        generation: Generation,
        request: HttpRequest,  # noqa: ARG002
        call: Call,
        beneath: Any,  # noqa: ARG002
    ) -> Any:
        pipeline = self._client.pipeline
        try:
            if not call.is_stream:
                return _whole(generation, await pipeline.complete(call.body, call.options))
            chunks = pipeline.stream(call.body, call.options)
            return generation.streamed([("content-type", EVENT_STREAM)], _AsyncEvents(await anext(chunks), chunks))
        except CompoundFastError as error:
            return _failed(generation, error)


class _Events:
    """The body of a streamed answer."""

    def __init__(self, first: ChatCompletionChunk, rest: Stream) -> None:
        self._first = first
        self._rest = rest

    def __iter__(self) -> Iterator[bytes]:
        yield _event(self._first)
        try:
            for chunk in self._rest:
                yield _event(chunk)
        except CompoundFastError as error:
            yield event(_error_body(error))
            return
        yield DONE

    def close(self) -> None:
        self._rest.close()


class _AsyncEvents:
    """The same for asynchronous readers."""

    def __init__(self, first: ChatCompletionChunk, rest: AsyncGenerator[ChatCompletionChunk, None]) -> None:
        self._first = first
        self._rest = rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield _event(self._first)
        try:
            async for chunk in self._rest:
                yield _event(chunk)
        except CompoundFastError as error:
            yield event(_error_body(error))
            return
        yield DONE

    async def aclose(self) -> None:
        await self._rest.aclose()


def _whole(generation: Generation, completion: ChatCompletion) -> Any:
    compound = completion.compound
    headers = [("content-type", "application/json"), ("x-cf-served-from", compound.served_from)]
    if compound.entry_id is not None:
        headers.append(("x-cf-entry-id", compound.entry_id))
    return generation.response(200, headers, encode({**completion.raw, "compound": _facts(compound)}))


def _event(chunk: ChatCompletionChunk) -> bytes:
    if chunk.compound is None:
        return event(chunk.raw)
    return event({**chunk.raw, "compound": _facts(chunk.compound)})


def _facts(compound: CompoundInfo) -> JsonObject:
    return {**asdict(compound), "cost_usd": compound.cost_usd, "cost_saved_usd": compound.cost_saved_usd}


def _failed(generation: Generation, error: CompoundFastError) -> Any:
    """Return a failure of the path as the status that OpenAI's API would give it."""
    wait_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
    headers = [] if wait_s is None else [("retry-after", f"{wait_s:.0f}")]
    code = "model_not_found" if isinstance(error, NoCandidateError) else None
    return error_response(generation, _status(error), str(error), type(error).__name__, headers, code=code)


def _status(error: CompoundFastError) -> int:
    if isinstance(error, ProviderStatusError):
        return error.status_code
    if isinstance(error, ProviderTimeoutError):
        return 504
    if isinstance(error, (DispatchError, ResponseValidationError)):
        return 502
    if isinstance(error, NoCandidateError):
        return 404
    return 400 if isinstance(error, TextError) else 500


def _error_body(error: CompoundFastError) -> JsonObject:
    return {"error": {"message": str(error), "type": type(error).__name__, "param": None, "code": None}}
