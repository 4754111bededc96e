"""Asking the candidates of a route in turn until one answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from compound_fast.dispatch.chunks import ChunkAssembler
from compound_fast.errors import (
    AllCandidatesFailedError,
    CompoundFastError,
    DispatchError,
    RateLimitedError,
    ResponseValidationError,
    StreamInterruptedError,
)
from compound_fast.providers import Provider, ProviderCall

if TYPE_CHECKING:
    from compound_fast._core import Request
    from compound_fast.config import Config, ModelConfig
    from compound_fast.types import JsonObject

__all__ = ["Answer", "Dispatcher", "OpenStream"]

RETRIES = 1
"""How often one model is asked again; after that the next candidate is likelier to answer than a third try."""

LONGEST_WAIT_S = 10.0
"""A Retry-After beyond this is not waited for: the next candidate is asked at once."""

OnFailure: TypeAlias = Callable[[ProviderCall, CompoundFastError], None]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T_co]):
    """What the first model that answered gave.

    Attributes
    ----------
    value : T
        What `ask` returned.
    call, provider : ProviderCall, Provider
        What was asked, and of whom.
    latency_ms : float
        What it took (virtual where simulated), the failed attempts before it not included.
    """

    value: T_co
    call: ProviderCall
    provider: Provider
    latency_ms: float

    @property
    def model(self) -> ModelConfig:
        """Which model answered."""
        return self.call.model

    @property
    def attempts(self) -> int:
        """How many times a provider was asked."""
        return self.call.attempt


@dataclass(slots=True)
class OpenStream:
    """A stream whose first chunk has come: from here on there is no other candidate.

    Attributes
    ----------
    assembler : ChunkAssembler
        What the chunks so far add up to.
    last : dict or None
        The chunk that `chunks` held back: the last one of the stream.
    """

    first: JsonObject
    rest: AsyncGenerator[JsonObject, None]
    provider: str
    attempt: int
    assembler: ChunkAssembler
    last: JsonObject | None = None
    passed_on: int = 0

    async def chunks(self, *, include_usage: bool) -> AsyncGenerator[JsonObject, None]:
        """Yield every chunk but the last one, which is kept in `last`; a chunk of usage only if it is asked for.

        Before the choices have ended no chunk can be the last, so none is held back.

        Raises
        ------
        StreamInterruptedError
            If the stream ends before each choice gave its finish reason; none is made up.
        ResponseValidationError
            If a chunk is none.
        """
        async with aclosing(self.rest):
            chunk: JsonObject | None = self.first
            while chunk is not None:
                if include_usage or chunk.get("choices") or chunk.get("usage") is None:
                    if self.last is not None:
                        yield self.last
                        self.last = None
                        self.passed_on += 1
                    if self.assembler.is_finished:
                        self.last = chunk
                    else:
                        yield chunk
                        self.passed_on += 1
                chunk = await anext(self.rest, None)
                if chunk is not None:
                    self.assembler.add(chunk)
        if not self.assembler.is_finished:
            raise StreamInterruptedError(
                f"the stream of {self.provider} ended after {self.passed_on} chunks without a finish reason; "
                "its text may be cut",
                provider=self.provider,
                attempt=self.attempt,
                chunks=self.passed_on,
            )


class Dispatcher:
    """Asks the candidates in order; each may be asked again once, where the fault may pass and time is left.

    Parameters
    ----------
    config : Config
        For the models and the time that a provider may take.
    providers : mapping of str to Provider
        By the name that the configuration gives them.
    """

    def __init__(self, config: Config, providers: Mapping[str, Provider]) -> None:
        self._config = config
        self._providers = providers

    async def complete(
        self, request: Request, candidates: Sequence[str], *, check: Callable[[JsonObject], T], on_failure: OnFailure
    ) -> Answer[tuple[JsonObject, T]]:
        """Return the first completion that `check` accepts, with what `check` returned.

        `on_failure` is told of every attempt that failed, in order: a provider may bill those too.

        Raises
        ------
        DispatchError, ResponseValidationError
            The last fault of the model, where there was one candidate.
        AllCandidatesFailedError
            Where there were several; its `errors` holds every attempt's.
        """

        async def ask(provider: Provider, call: ProviderCall) -> tuple[JsonObject, T]:
            raw = await provider.complete(call)
            return raw, check(raw)

        return await self._first_answer(request, candidates, ask, on_failure)

    async def open_stream(
        self, request: Request, candidates: Sequence[str], *, on_failure: OnFailure
    ) -> Answer[OpenStream]:
        """Return the first stream that gives a chunk; raises, and tells `on_failure`, as `complete` does."""

        async def ask(provider: Provider, call: ProviderCall) -> OpenStream:
            chunks = cast("AsyncGenerator[JsonObject, None]", provider.stream(call))
            assembler = ChunkAssembler()
            try:
                first = await anext(chunks, None)
                if first is None:
                    raise StreamInterruptedError(
                        f"the stream of {provider.name} ended before its first chunk",
                        provider=provider.name,
                        attempt=call.attempt,
                    )
                assembler.add(first)
            except BaseException:
                await chunks.aclose()
                raise
            return OpenStream(first, chunks, provider.name, call.attempt, assembler)

        return await self._first_answer(request, candidates, ask, on_failure)

    async def _first_answer(
        self,
        request: Request,
        candidates: Sequence[str],
        ask: Callable[[Provider, ProviderCall], Awaitable[T]],
        on_failure: OnFailure,
    ) -> Answer[T]:
        failures: list[CompoundFastError] = []
        for name in candidates:
            model = self._config.models[name]
            provider = self._providers[model.provider]
            deadline = time.monotonic() + self._config.providers[model.provider].timeout_s
            for turn in range(1 + RETRIES):
                call = ProviderCall(request=request, model=model, attempt=len(failures) + 1, deadline=deadline)
                started = time.perf_counter()
                try:
                    value = await ask(provider, call)
                except (DispatchError, ResponseValidationError) as failure:
                    failures.append(failure)
                    on_failure(call, failure)
                    wait_s = _wait_s(failure, call)
                    if turn == RETRIES or wait_s is None or time.monotonic() + wait_s >= deadline:
                        break
                    await asyncio.sleep(wait_s)
                else:
                    measured_ms = (time.perf_counter() - started) * 1e3
                    return Answer(value, call, provider, provider.latency_ms(call, measured_ms))
        raise _failed(failures, candidates)


def _wait_s(failure: CompoundFastError, call: ProviderCall) -> float | None:
    """Return how long to wait before asking the same model again; None where that would not help."""
    if isinstance(failure, RateLimitedError) and failure.retry_after_s is not None:
        return failure.retry_after_s if failure.retry_after_s <= LONGEST_WAIT_S else None
    if isinstance(failure, DispatchError) and not failure.retryable:
        return None
    # Spread over 100 to 300 ms by the request's own hash, so that calls that failed together do not return together.
    return 0.1 + call.request.hash(call.attempt) % 200 / 1e3


def _failed(failures: Sequence[CompoundFastError], candidates: Sequence[str]) -> CompoundFastError:
    if len(candidates) == 1:
        return failures[-1]
    last = failures[-1]
    kinds = ", ".join(type(failure).__name__ for failure in failures)
    error = AllCandidatesFailedError(
        f"none of {', '.join(candidates)} answered in {len(failures)} attempts ({kinds}); the last said: {last}",
        provider=getattr(last, "provider", ""),
        errors=tuple(failures),
    )
    error.__cause__ = last
    return error
