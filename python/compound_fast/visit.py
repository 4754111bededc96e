"""One request on its way through the pipeline: its clock, its bill, and what the books say about it."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter_ns
from typing import TYPE_CHECKING, Literal, NamedTuple

from compound_fast._core import Request, Tokenizer
from compound_fast.errors import (
    AllCandidatesFailedError,
    ProviderConnectionError,
    ProviderStatusError,
    RoutingError,
)
from compound_fast.ledger import LedgerRow
from compound_fast.types import ChatCompletion, CompoundInfo, Usage
from compound_fast.validation import CheckedCompletion, check_completion

if TYPE_CHECKING:
    from compound_fast._core import CacheHit, RouteDecision
    from compound_fast.dispatch import Answer, OpenStream
    from compound_fast.ledger import Ledger
    from compound_fast.types import CallOptions, JsonObject

__all__ = ["Bill", "Visit"]


class Bill(NamedTuple):
    """What an answer used and costs; None for what is unknown."""

    usage: Usage
    cost_nano: int | None
    baseline_nano: int | None
    is_counted_here: bool


class Visit:
    """Follows one request; whatever becomes of it, it is booked once.

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
        self._route: RouteDecision | None = None
        self._stream: Answer[OpenStream] | None = None
        self._is_booked = False

    @property
    def wants_usage(self) -> bool:
        """Whether the caller of a stream asked for the usage; the body is parsed only where it may say so."""
        body = self.request.body
        if b'"include_usage"' not in body:
            return False
        asked = json.loads(body).get("stream_options")
        return isinstance(asked, dict) and asked.get("include_usage") is True

    def check(self, raw: JsonObject) -> CheckedCompletion:
        """Validate an answer against what the request asked for."""
        return check_completion(raw, wants_json=self.request.features.wants_json)

    def routed(self, route: RouteDecision) -> RouteDecision:
        """Note the route, and that it is decided."""
        self._decision_us = self._elapsed_us()
        self._route = route
        return route

    def streaming(self, answer: Answer[OpenStream]) -> None:
        """Note that a model has begun to answer."""
        self._stream = answer

    def bill(self, answer: Answer[object], checked: CheckedCompletion) -> Bill:
        """Return what a model's answer costs, by the provider's usage, or by our count where it gave none."""
        if checked.usage is not None:
            return self._bill(answer.model.name, checked.usage, is_counted_here=False)
        return self._bill(answer.model.name, self._counted(checked.content), is_counted_here=True)

    def served(self, hit: CacheHit, raw: JsonObject, *, simulated: bool) -> ChatCompletion:
        """Book a hit, and return it as a completion."""
        self._decision_us = self._elapsed_us()
        usage = Usage(self.request.input_tokens, hit.output_tokens)
        compound = CompoundInfo(
            served_from=hit.kind,
            model=hit.model,
            provider="cache",
            simulated=simulated,
            entry_id=hit.entry_id,
            similarity=hit.similarity,
            age_s=hit.age_s,
            reasons=tuple(hit.reasons),
            decision_us=self._decision_us,
            cost_nano_usd=0,
            baseline_nano_usd=self._ledger.baseline_nano(usage),
            saved_nano_usd=hit.cost_nano_usd,
        )
        return self._completed(raw, usage, compound)

    def answered(self, answer: Answer[object], raw: JsonObject, bill: Bill, entry_id: str | None) -> ChatCompletion:
        """Book a model's answer, and return it as a completion."""
        reasons = [] if self._route is None else list(self._route.reasons)
        reasons += [f"attempt {attempt} failed: {failure}" for attempt, failure in enumerate(answer.failures, 1)]
        if bill.is_counted_here:
            reasons.append(f"{answer.provider.name} reported no usage; the tokens were counted here")
        compound = CompoundInfo(
            served_from="model",
            model=answer.model.name,
            provider=answer.provider.name,
            simulated=answer.provider.simulated,
            entry_id=entry_id,
            reasons=tuple(reasons),
            decision_us=self._decision_us,
            latency_ms=answer.latency_ms,
            attempts=answer.attempts,
            cost_nano_usd=bill.cost_nano,
            baseline_nano_usd=bill.baseline_nano,
        )
        return self._completed(raw, bill.usage, compound)

    def failed(self, error: BaseException) -> None:
        """Book a request that nobody answered, or whose caller left; nothing where it is booked already.

        A provider bills what it had sent when the caller left a stream, though nobody says how much, so it is counted
        here. Of other failures only those are known to cost nothing in which no model had begun to answer.
        """
        if self._is_booked:
            return
        stream = self._stream
        if stream is not None and isinstance(error, (GeneratorExit, asyncio.CancelledError)):
            bill = self._bill(stream.model.name, self._counted(stream.value.assembler.text), is_counted_here=True)
            self._book(
                served_from="model",
                model=stream.model.name,
                provider=stream.provider.name,
                bill=bill,
                latency_ms=stream.latency_ms,
                attempts=stream.attempts,
            )
            return
        self._book(
            served_from="failed",
            model=self.request.model if self._route is None else self._route.model,
            provider=getattr(error, "provider", ""),
            bill=Bill(Usage(0, 0), 0 if _cost_nothing(error) else None, 0, is_counted_here=False),
            attempts=getattr(error, "attempt", 0),
            error=type(error).__name__,
        )

    def _elapsed_us(self) -> float:
        return (perf_counter_ns() - self._started) / 1e3

    def _counted(self, answer_text: str) -> Usage:
        return Usage(self.request.input_tokens, Tokenizer.get("o200k_base").count(answer_text))

    def _bill(self, model: str, usage: Usage, *, is_counted_here: bool) -> Bill:
        return Bill(usage, self._ledger.cost_nano(model, usage), self._ledger.baseline_nano(usage), is_counted_here)

    def _completed(self, raw: JsonObject, usage: Usage, compound: CompoundInfo) -> ChatCompletion:
        completion = ChatCompletion.from_raw(raw, usage, compound)
        self._book(
            served_from=compound.served_from,
            model=compound.model,
            provider=compound.provider,
            bill=Bill(usage, compound.cost_nano_usd, compound.baseline_nano_usd, is_counted_here=False),
            latency_ms=compound.latency_ms,
            attempts=compound.attempts,
            entry_id=compound.entry_id,
            similarity=compound.similarity,
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
                decision_us=self._decision_us,
                end_to_end_us=self._elapsed_us(),
                latency_ms=latency_ms,
                attempts=attempts,
                entry_id=entry_id,
                similarity=similarity,
                finish_reason=finish_reason,
                error=error,
            )
        )


def _cost_nothing(error: BaseException) -> bool:
    """Whether a failure is known to have used no tokens: no model was reached, or it refused."""
    if isinstance(error, AllCandidatesFailedError):
        return all(_cost_nothing(failure) for failure in error.errors)
    return isinstance(error, (RoutingError, ProviderStatusError, ProviderConnectionError))
