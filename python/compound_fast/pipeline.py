"""The path of a request, top to bottom: look up, route, dispatch, validate, store, meter."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from compound_fast.cache import SemanticCache
from compound_fast.dispatch import Answer, Dispatcher, completion_chunks
from compound_fast.errors import CacheError, CompoundFastError, InternalError, ResponseValidationError
from compound_fast.ledger import Ledger
from compound_fast.providers import make_providers
from compound_fast.router import Router
from compound_fast.types import CallOptions, ChatCompletion, ChatCompletionChunk
from compound_fast.validation import CheckedCompletion, check_completion, is_storable
from compound_fast.visit import Visit

if TYPE_CHECKING:
    from compound_fast._core import CacheHit, ManualClock
    from compound_fast.config import Config
    from compound_fast.types import JsonObject
    from compound_fast.visit import Bill

__all__ = ["Pipeline"]

_log = logging.getLogger(__name__)
_NO_OPTIONS = CallOptions()


class Pipeline:
    """Every step of the path, wired as a configuration says.

    Usable from any event loop, several at a time. ``async with`` closes it.

    Parameters
    ----------
    config : Config
        Models, providers, prices.
    cache : SemanticCache or None
        None = nothing is looked up or stored.
    router : Router
        Chooses the candidates.
    ledger : Ledger
        Keeps the books.
    """

    def __init__(self, config: Config, *, cache: SemanticCache | None, router: Router, ledger: Ledger) -> None:
        self.config = config
        self.cache = cache
        self.router = router
        self.ledger = ledger
        self._providers = make_providers(config)
        self._dispatcher = Dispatcher(config, self._providers)
        self._simulated = {name for name, model in config.models.items() if self._providers[model.provider].simulated}

    @classmethod
    def from_config(cls, config: Config, *, clock: ManualClock | None = None) -> Pipeline:
        """Build every part from `config`; `clock` replaces the system's for expiry and the ledger's dates.

        Raises
        ------
        ConfigError
            If a part cannot be built; nothing is connected yet.
        """
        return cls(
            config,
            cache=SemanticCache.from_config(config, clock=clock) if config.cache.enabled else None,
            router=Router.from_config(config),
            ledger=Ledger(config, clock=clock),
        )

    async def complete(self, body: bytes, options: CallOptions = _NO_OPTIONS) -> ChatCompletion:
        """Answer one request.

        Parameters
        ----------
        body : bytes
            An OpenAI chat-completion body, as JSON; `types.to_body` makes one of other forms.
        options : CallOptions
            Who asks, and what the cache may do.

        Raises
        ------
        TextError
            If `body` is no chat request.
        NoCandidateError, DispatchError, ResponseValidationError
            If no model could be asked, or none answered; the ledger then counts the request as failed.
        """
        visit = Visit(self.ledger, body, options)
        try:
            found = self._look_up(visit)
            if found is not None:
                return self._served(visit, *found)
            route = visit.routed(self.router._core.route(visit.request))
            answer = await self._dispatcher.complete(visit.request, route.candidates, visit.check)
            return self._kept(visit, answer, *answer.value)
        except BaseException as error:
            visit.failed(error)
            raise

    async def stream(
        self, body: bytes, options: CallOptions = _NO_OPTIONS
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        """Answer one request in chunks, as they come; the last one carries ``compound``.

        The answer is stored once it has ended properly. Closing the iterator ends the call at the provider. Raises as
        `complete` does, and `StreamInterruptedError` where a stream breaks off after its first chunk.
        """
        visit = Visit(self.ledger, body, options)
        wants_usage = visit.wants_usage
        try:
            found = self._look_up(visit)
            if found is not None:
                completion = self._served(visit, *found)
                *chunks, last = completion_chunks(completion.raw, include_usage=wants_usage)
                for chunk in chunks:
                    yield ChatCompletionChunk.from_raw(chunk)
                yield ChatCompletionChunk.from_raw(last, completion.compound)
                return
            route = visit.routed(self.router._core.route(visit.request))
            answer = await self._dispatcher.open_stream(visit.request, route.candidates)
            visit.streaming(answer)
            assembler = answer.value.assembler
            held: JsonObject | None = None  # once all is said, any chunk may be the last, which carries `compound`
            async with aclosing(answer.value.chunks()) as incoming:
                async for chunk in incoming:
                    if not wants_usage and not chunk.get("choices") and chunk.get("usage") is not None:
                        continue
                    if held is not None:
                        yield ChatCompletionChunk.from_raw(held)
                        held = None
                    if assembler.is_finished:
                        held = chunk
                    else:
                        yield ChatCompletionChunk.from_raw(chunk)
            raw = assembler.completion()
            completion = self._kept(visit, answer, raw, visit.check(raw))
            yield ChatCompletionChunk.from_raw(held or {**raw, "choices": []}, completion.compound)
        except BaseException as error:
            visit.failed(error)
            raise

    async def aclose(self) -> None:
        """Close the running event loop's connections, and the ledger's file."""
        for provider in self._providers.values():
            await provider.aclose()
        self.ledger.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _served(self, visit: Visit, hit: CacheHit, raw: JsonObject) -> ChatCompletion:
        return visit.served(hit, raw, simulated=hit.model in self._simulated)

    def _kept(
        self, visit: Visit, answer: Answer[object], raw: JsonObject, checked: CheckedCompletion
    ) -> ChatCompletion:
        bill = visit.bill(answer, checked)
        return visit.answered(answer, raw, bill, self._store(visit, raw, answer.model.name, bill))

    def _look_up(self, visit: Visit) -> tuple[CacheHit, JsonObject] | None:
        if self.cache is None or not visit.options.may_look_up:
            return None
        try:
            hit = self.cache._core.get(visit.request)
        except (CacheError, InternalError) as error:
            self._note_cache_fault("looking up", error)
            return None
        raw = None if hit is None else _stored_completion(hit)
        return None if hit is None or raw is None else (hit, raw)

    def _store(self, visit: Visit, raw: JsonObject, model: str, bill: Bill) -> str | None:
        if self.cache is None or not visit.options.may_store or not is_storable(raw):
            return None
        try:
            return self.cache._core.put(
                visit.request,
                json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode(),
                form="dict",
                model=model,
                input_tokens=bill.usage.prompt_tokens,
                output_tokens=bill.usage.completion_tokens,
                cost_nano_usd=bill.cost_nano,
                ttl_s=visit.options.ttl_s,
            )
        except (CacheError, InternalError) as error:
            self._note_cache_fault("storing", error)
            return None

    def _note_cache_fault(self, doing: str, error: CompoundFastError) -> None:
        self.ledger.count_cache_fault()
        _log.warning("the cache failed at %s; the request goes on without it: %s", doing, error)


def _stored_completion(hit: CacheHit) -> JsonObject | None:
    """Return the completion that an entry holds; None where somebody stored something else under the request."""
    stored = json.loads(hit.response)
    if isinstance(stored, str):
        message = {"role": "assistant", "content": stored}
        stored = {"model": hit.model, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    try:
        check_completion(stored)
    except ResponseValidationError:
        return None
    return cast("JsonObject", stored)
