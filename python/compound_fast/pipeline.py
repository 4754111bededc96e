"""The path of a request, top to bottom: look up, route, dispatch, validate, store, meter."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self

from compound_fast.cache import SemanticCache
from compound_fast.dispatch import Dispatcher
from compound_fast.ledger import Ledger
from compound_fast.providers import make_providers
from compound_fast.router import Router
from compound_fast.shelf import Shelf
from compound_fast.types import CallOptions, ChatCompletion, ChatCompletionChunk
from compound_fast.visit import Visit

if TYPE_CHECKING:
    from compound_fast._core import ManualClock
    from compound_fast.config import Config

__all__ = ["Pipeline"]

_NO_OPTIONS = CallOptions()


class Pipeline:
    """Every step of the path, wired as a configuration says.

    Usable from any event loop, several at a time. ``async with`` closes it.
    `cache` None = nothing is looked up or stored.
    """

    def __init__(self, config: Config, *, cache: SemanticCache | None, router: Router, ledger: Ledger) -> None:
        self.config = config
        self.cache = cache
        self.router = router
        self.ledger = ledger
        self._providers = make_providers(config)
        self._dispatcher = Dispatcher(config, self._providers)
        simulated = {name for name, model in config.models.items() if self._providers[model.provider].simulated}
        self._shelf = Shelf(cache, ledger, simulated=simulated)

    @classmethod
    def from_config(cls, config: Config, *, clock: ManualClock | None = None) -> Pipeline:
        """Build every part from `config`; `clock` replaces the system's for expiry and the ledger's dates.

        Raises `ConfigError` if a part cannot be built; nothing is connected yet.
        """
        return cls(
            config,
            cache=SemanticCache.from_config(config, clock=clock) if config.cache.enabled else None,
            router=Router.from_config(config),
            ledger=Ledger(config, clock=clock),
        )

    def __repr__(self) -> str:
        """Say which configuration it runs on, and its models."""
        return f"Pipeline(config={self.config.source!r}, models={list(self.config.models)!r})"

    async def complete(self, body: bytes, options: CallOptions = _NO_OPTIONS) -> ChatCompletion:
        """Answer one request: an OpenAI chat-completion body, as JSON (`request.to_body` makes one of other forms).

        Identical requests that are under way at the same time share one call: see `Shelf.turn`.

        Raises
        ------
        TextError
            If `body` is no chat request.
        NoCandidateError, DispatchError, ResponseValidationError
            If no model could be asked, or none answered; the ledger then counts the request as failed.
        """
        with Visit(self.ledger, body, options) as visit:
            stored = self._shelf.find(visit)
            if stored is not None:
                return visit.served(stored)
            async with self._shelf.turn(visit) as turn:
                if turn.stored is not None:
                    return visit.served(turn.stored)
                if turn.shared is not None:
                    return visit.shared(turn.shared)
                candidates = visit.routed(self.router._core.route(visit.request))
                answer = await self._dispatcher.complete(
                    visit.request, candidates, check=visit.check, on_failure=visit.attempt_failed
                )
                return turn.over(*visit.answered(answer, self._shelf.keep))

    async def stream(
        self, body: bytes, options: CallOptions = _NO_OPTIONS
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        """Answer one request in chunks, as they come; the last one carries ``compound``.

        The answer is stored once it has ended properly. Closing the iterator ends the call at the provider. Raises as
        `complete` does, and `StreamInterruptedError` where a stream breaks off after its first chunk.
        """
        with Visit(self.ledger, body, options) as visit:
            stored = self._shelf.find(visit)
            if stored is not None:
                for replayed in visit.replayed(stored):
                    yield replayed
                return
            candidates = visit.routed(self.router._core.route(visit.request))
            answer = await self._dispatcher.open_stream(visit.request, candidates, on_failure=visit.attempt_failed)
            async with aclosing(visit.streaming(answer).chunks(include_usage=visit.wants_usage)) as chunks:
                async for chunk in chunks:
                    yield ChatCompletionChunk.from_raw(chunk)
            yield visit.streamed(answer, self._shelf.keep)

    async def aclose(self) -> None:
        """Close the running event loop's connections, the ledger's file, and the cache, whose folder is free then."""
        for provider in self._providers.values():
            await provider.aclose()
        self.ledger.close()
        if self.cache is not None:
            self.cache.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
