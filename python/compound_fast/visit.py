"""One request on its way through the pipeline: its clock, its bill, and what the books say about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from compound_fast._core import Request, Tokenizer
from compound_fast.dispatch import completion_chunks
from compound_fast.errors import ConfigError, DispatchError, ResponseValidationError, RoutingError
from compound_fast.ledger import LedgerRow
from compound_fast.providers.asked import wants_usage
from compound_fast.types import ChatCompletion, ChatCompletionChunk, CompoundInfo, Usage
from compound_fast.validation import CheckedCompletion, check_completion

if TYPE_CHECKING:
    from compound_fast._cache_flight import Landed
    from compound_fast._core import RouteDecision
    from compound_fast.dispatch import Answer, OpenStream
    from compound_fast.errors import CompoundFastError
    from compound_fast.ledger import Ledger
    from compound_fast.providers import ProviderCall
    from compound_fast.shelf import Shared, Stored
    from compound_fast.types import CallOptions, JsonObject

__all__ = ["Bill", "Visit"]


class Bill(NamedTuple):
    """What an answer used and costs, in nano-dollars; None for what is unknown.

    Attributes
    ----------
    usage : Usage
        Of the answer.
    answer_nano : int or None
        What the answer itself cost: what a hit on it saves.
    cost_nano : int or None
        That, and what the attempts cost that failed before it.
    baseline_nano : int or None
        The answer's usage at the baseline model.
    """

    usage: Usage
    answer_nano: int | None
    cost_nano: int | None
    baseline_nano: int | None


Keep = Callable[["Visit", ChatCompletion, Bill], "Landed | None"]
"""Stores an answer, and returns it as others may have it; None where it may not be stored."""


class Visit:
    """Follows one request. As a context, it books whatever became of the request, once.

    Parameters
    ----------
    ledger : Ledger
        Prices it and books it.
    body : bytes
        The request, as JSON.
    options : CallOptions
        Who asks, and what the cache may do.

    Raises
    ------
    TextError
        If `body` is no chat request.
    """

    def __init__(self, ledger: Ledger, body: bytes, options: CallOptions) -> None:
        self._started = perf_counter_ns()
        self._ledger = ledger
        self.options = options
        self.request = Request(body, tenant=options.tenant, namespace=options.namespace)
        self._decision_us = 0.0
        self._waited_us = 0.0
        self._route: RouteDecision | None = None
        self._failures: list[tuple[ProviderCall, CompoundFastError, int | None]] = []
        self._failures_nano: int | None = 0
        self._stream: Answer[OpenStream] | None = None
        self._is_booked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not self._is_booked:
            self._failed(error)

    @property
    def wants_usage(self) -> bool:
        """Whether the caller of a stream asked for the usage."""
        return wants_usage(self.request.body)

    def check(self, raw: JsonObject) -> CheckedCompletion:
        """Validate an answer against what the request asked for."""
        return check_completion(raw, wants_json=self.request.features.wants_json)

    def routed(self, route: RouteDecision) -> list[str]:
        """Note the route, and that it is decided; return its candidates."""
        self._decision_us = self._decided_us()
        self._route = route
        return route.candidates

    def attempt_failed(self, call: ProviderCall, failure: CompoundFastError) -> None:
        """Note an attempt that gave no answer, and what it cost: an answer that was refused is billed all the same."""
        cost: int | None = None
        if isinstance(failure, ResponseValidationError) and failure.billed_tokens is not None:
            cost = self._ledger.cost_nano(call.model.name, Usage(*failure.billed_tokens))
        elif isinstance(failure, DispatchError) and not failure.may_be_billed:
            cost = 0
        self._failures.append((call, failure, cost))
        self._failures_nano = _sum(self._failures_nano, cost)

    def streaming(self, answer: Answer[OpenStream]) -> OpenStream:
        """Note that a model has begun to answer."""
        self._stream = answer
        return answer.value

    def served(self, stored: Stored) -> ChatCompletion:
        """Book a hit, and return it as a completion."""
        hit = stored.hit
        self._decision_us = self._decided_us()
        usage = Usage(self.request.input_tokens, hit.output_tokens)
        compound = CompoundInfo(
            served_from=hit.kind,
            model=hit.model,
            provider="cache",
            simulated=stored.simulated,
            entry_id=hit.entry_id,
            similarity=hit.similarity,
            age_s=hit.age_s,
            reasons=tuple(hit.reasons),
            decision_us=self._decision_us,
            cost_nano_usd=0,
            baseline_nano_usd=self._ledger.baseline_nano(usage),
            saved_nano_usd=hit.cost_nano_usd,
        )
        return self._booked(ChatCompletion.from_raw(stored.raw, usage, compound))

    def waiting(self) -> None:
        """Note that the decision is over, or rests: what comes is a call, this request's or another one's."""
        self._decision_us = self._decided_us()

    def waited(self) -> None:
        """Note that another one's call is over: where this request has to go on, it decides from here on."""
        self._waited_us = self._elapsed_us() - self._decision_us

    def shared(self, shared: Shared) -> ChatCompletion:
        """Book the answer to another request, for which this one has waited, and return it as a completion."""
        checked = self.check(shared.raw)
        usage = checked.usage or self._counted(checked.content)
        compound = CompoundInfo(
            served_from="model",
            shared=True,
            model=shared.model,
            provider="cache",
            simulated=shared.simulated,
            entry_id=shared.entry_id,
            reasons=("an identical request was under way, and its answer is shared",),
            decision_us=self._decision_us,
            cost_nano_usd=0,
            baseline_nano_usd=self._ledger.baseline_nano(usage),
            saved_nano_usd=shared.answer_nano,
        )
        return self._booked(ChatCompletion.from_raw(shared.raw, usage, compound))

    def replayed(self, stored: Stored) -> Iterator[ChatCompletionChunk]:
        """Book a hit, and return it as the chunks of a stream."""
        completion = self.served(stored)
        *chunks, last = completion_chunks(completion.raw, include_usage=self.wants_usage)
        yield from map(ChatCompletionChunk.from_raw, chunks)
        yield ChatCompletionChunk.from_raw(last, completion.compound)

    def answered(
        self, answer: Answer[tuple[JsonObject, CheckedCompletion]], keep: Keep
    ) -> tuple[ChatCompletion, Landed | None]:
        """Store and book a model's answer, and return it as a completion, and as others may have it."""
        return self._answered(answer, *answer.value, keep)

    def streamed(self, answer: Answer[OpenStream], keep: Keep) -> ChatCompletionChunk:
        """Store and book an answer whose stream has ended, and return the chunk that ends it."""
        raw = answer.value.assembler.completion()
        completion, _ = self._answered(
            answer, raw, self.check(raw), keep if answer.value.assembler.is_faithful else None
        )
        return ChatCompletionChunk.from_raw(answer.value.last or {**raw, "choices": []}, completion.compound)

    def _answered(
        self, answer: Answer[object], raw: JsonObject, checked: CheckedCompletion, keep: Keep | None
    ) -> tuple[ChatCompletion, Landed | None]:
        reasons = [] if self._route is None else list(self._route.reasons)
        reasons += [_reason(*failure) for failure in self._failures]
        usage = checked.usage
        if usage is None:
            usage = self._counted(checked.content)
            reasons.append(f"{answer.provider.name} reported no usage; the tokens were counted here")
        bill = self._bill(answer.model.name, usage)
        compound = CompoundInfo(
            served_from="model",
            model=answer.model.name,
            provider=answer.provider.name,
            simulated=answer.provider.simulated,
            reasons=tuple(reasons),
            decision_us=self._decision_us,
            latency_ms=answer.latency_ms,
            attempts=answer.attempts,
            cost_nano_usd=bill.cost_nano,
            baseline_nano_usd=bill.baseline_nano,
        )
        completion = ChatCompletion.from_raw(raw, usage, compound)
        landed = None if keep is None else keep(self, completion, bill)
        if landed is not None:
            # Only now: an answer that has no completion must not come back as a hit. Nobody else has seen `compound`
            # yet, and dataclasses.replace on it and on the completion would cost 25 us.
            object.__setattr__(compound, "entry_id", landed.entry_id)
        return self._booked(completion), landed

    def _failed(self, error: BaseException) -> None:
        """Book a request that nobody answered, or whose caller left.

        A provider bills what it had sent when the caller left a stream; what its usage had not said yet is counted
        here. Where a stream broke off, nothing but its usage says what it cost.
        """
        stream = self._stream
        usage = None if stream is None else Usage.from_raw(stream.value.assembler.usage)
        if stream is not None and isinstance(error, (GeneratorExit, asyncio.CancelledError)):
            self._book(
                served_from="model",
                model=stream.model.name,
                provider=stream.provider.name,
                bill=self._bill(stream.model.name, usage or self._counted(stream.value.assembler.text)),
                latency_ms=stream.latency_ms,
                attempts=stream.attempts,
            )
            return
        if self._route is None:  # that nobody can take it is a decision too
            self._decision_us = self._decided_us()
        cost: int | None = None
        if stream is not None:
            cost = None if usage is None else self._ledger.cost_nano(stream.model.name, usage)
        elif isinstance(error, (ConfigError, RoutingError, DispatchError, ResponseValidationError)):
            cost = 0  # beside the attempts, all of which are known; anything else may have cut one short
        last = stream.call if stream is not None else self._failures[-1][0] if self._failures else None
        self._book(
            served_from="failed",
            model=last.model.name if last is not None else self._route.model if self._route else self.request.model,
            provider="" if last is None else last.model.provider,
            bill=Bill(Usage(0, 0), None, _sum(cost, self._failures_nano), 0),
            attempts=0 if last is None else last.attempt,
            error=type(error).__name__,
        )

    def _elapsed_us(self) -> float:
        return (perf_counter_ns() - self._started) / 1e3

    def _decided_us(self) -> float:
        return self._elapsed_us() - self._waited_us

    def _counted(self, answer_text: str) -> Usage:
        return Usage(self.request.input_tokens, Tokenizer.get("o200k_base").count(answer_text))

    def _bill(self, model: str, usage: Usage) -> Bill:
        cost = self._ledger.cost_nano(model, usage)
        return Bill(usage, cost, _sum(cost, self._failures_nano), self._ledger.baseline_nano(usage))

    def _booked(self, completion: ChatCompletion) -> ChatCompletion:
        compound = completion.compound
        self._book(
            served_from=compound.served_from,
            model=compound.model,
            provider=compound.provider,
            bill=Bill(completion.usage, None, compound.cost_nano_usd, compound.baseline_nano_usd),
            latency_ms=compound.latency_ms,
            attempts=compound.attempts,
            entry_id=compound.entry_id,
            similarity=compound.similarity,
            shared=compound.shared,
            finish_reason=completion.choices[0].finish_reason,
        )
        return completion

    def _book(
        self,
        *,
        served_from: Literal["exact", "semantic", "model", "failed"],
        model: str,
        provider: str,
        bill: Bill,
        latency_ms: float | None = None,
        attempts: int = 0,
        entry_id: str | None = None,
        similarity: float | None = None,
        shared: bool = False,
        finish_reason: str | None = None,
        error: str | None = None,
    ) -> None:
        self._is_booked = True
        self._ledger.record(
            LedgerRow(
                served_from=served_from,
                model=model,
                provider=provider,
                tenant=self.options.tenant,
                namespace=self.options.namespace,
                input_tokens=bill.usage.prompt_tokens,
                output_tokens=bill.usage.completion_tokens,
                cost_nano_usd=bill.cost_nano,
                baseline_nano_usd=bill.baseline_nano,
                failed_cost_nano_usd=self._failures_nano,
                decision_us=self._decision_us,
                end_to_end_us=self._elapsed_us(),
                latency_ms=latency_ms,
                attempts=attempts,
                entry_id=entry_id,
                similarity=similarity,
                shared=shared,
                finish_reason=finish_reason,
                error=error,
            )
        )


def _sum(one: int | None, other: int | None) -> int | None:
    """Add two costs; a sum with an unknown one is unknown."""
    return None if one is None or other is None else one + other


def _reason(call: ProviderCall, failure: CompoundFastError, cost: int | None) -> str:
    billed = "; what it cost is unknown" if cost is None else f"; it cost ${cost / 1e9:.9f}" if cost else ""
    return f"attempt {call.attempt} failed: {failure}{billed}"
