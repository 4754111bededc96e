"""Ask the cache, and where it misses the model, once for all who ask the same."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar, overload

from compound_fast._arguments import check_text, shown
from compound_fast._cache_answers import (
    check_age,
    check_ttl,
    from_stored,
    log_fault,
    to_hit,
    to_nano,
    to_stored,
    usage_of,
)
from compound_fast._cache_entries import check_names
from compound_fast._cache_flight import Flights, Landed
from compound_fast.errors import ConfigError
from compound_fast.request import to_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from decimal import Decimal

    from compound_fast import _core
    from compound_fast._cache_answers import Hit
    from compound_fast._cache_flight import Seat
    from compound_fast._core import Cache, Request
    from compound_fast.request import RequestLike
    from compound_fast.types import Usage

__all__ = ["Calls", "Facts", "Served", "to_facts"]

R = TypeVar("R")
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Generic[R]):
    """An answer, from the cache or from a call.

    Attributes
    ----------
    response : str, dict or bytes
        The answer: what the call returned, or what was stored, in the form in which it was.
    served_from : {"exact", "semantic", "model"}
        Which tier gave it; "model" = a call.
    shared : bool
        Whether it was somebody else's call, for which this one waited. It then cost nothing.
    entry_id : str or None
        The entry served or made; None where nothing was stored.
    hit : Hit or None
        What the cache found; None where a call was made.
    """

    response: R
    served_from: Literal["exact", "semantic", "model"]
    shared: bool = False
    entry_id: str | None = None
    hit: Hit | None = None


class Facts(TypedDict):
    """What is said of an answer when it is stored."""

    model: str
    cost_nano_usd: int | None
    ttl_s: float | None
    sources: Sequence[str]
    tags: Sequence[str]
    writer: str


@dataclass(slots=True)
class _Order:
    """A request, and what is to be done with its answer."""

    request: _core.Request
    max_age_s: float | None
    no_cache: bool
    no_store: bool
    facts: Facts


class Calls:
    """The part of `SemanticCache` that asks the model."""

    _core: Cache
    _flights: Flights

    def get_or_call(
        self,
        request: RequestLike,
        call: Callable[[], R],
        *,
        tenant: str = "",
        namespace: str = "",
        model: str = "",
        cost_usd: float | Decimal | None = None,
        ttl_s: float | None = None,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        writer: str | None = None,
        max_age_s: float | None = None,
        no_cache: bool = False,
        no_store: bool = False,
    ) -> Served[R]:
        """Return the stored answer, or what `call` returns, and store that.

        Identical requests (the same to the exact tier) share one call, across threads and tasks: the first one calls,
        the others wait and get its answer as it was stored, with ``shared=True``.

        Parameters
        ----------
        request, tenant, namespace, max_age_s
            As for `get`.
        call : callable without arguments
            Asks the model. What it returns is stored; what it raises is raised, and nothing is stored.
        model, cost_usd, ttl_s, sources, tags, writer
            As for `put`.
        no_cache : bool, default False
            Look nothing up and share no call; the answer is stored.
        no_store : bool, default False
            Store nothing and share no call; a stored answer is served.

        Raises
        ------
        TextError, ConfigError
            As `get` and `put` do, before anything is called.
        CacheError
            If what `call` returned has no JSON form.
        Exception
            What `call` raised; those who waited for it get the same exception.

        Notes
        -----
        A call that is cancelled or interrupted hands over: of those who wait, the next one calls. A call that asks for
        its own request, or for one whose call waits for this one, is not kept waiting for itself: it calls. That is
        seen in the same thread, in tasks that it started and in `asyncio.to_thread`, not in threads of other pools.
        """
        order = self._order(
            *(request, tenant, namespace, model, cost_usd, ttl_s, sources, tags, writer, max_age_s),
            no_cache=no_cache,
            no_store=no_store,
        )
        found = self._look_up(order)
        if found is not None:
            return found
        if no_cache or no_store:
            return self._kept(order, _returned(call()))[0]
        with self._flights.board(self._core.fingerprint(order.request)) as seat:
            found = self._waited_for(order, seat)
            if found is not None:
                return found
            with seat.calling():
                response = _returned(call())
            return self._landed(order, seat, response)

    async def aget_or_call(
        self,
        request: RequestLike,
        acall: Callable[[], Awaitable[R]],
        *,
        tenant: str = "",
        namespace: str = "",
        model: str = "",
        cost_usd: float | Decimal | None = None,
        ttl_s: float | None = None,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        writer: str | None = None,
        max_age_s: float | None = None,
        no_cache: bool = False,
        no_store: bool = False,
    ) -> Served[R]:
        """Do what `get_or_call` does, under asyncio: `acall()` is awaited, and who waits holds up no event loop."""
        order = self._order(
            *(request, tenant, namespace, model, cost_usd, ttl_s, sources, tags, writer, max_age_s),
            no_cache=no_cache,
            no_store=no_store,
        )
        found = self._look_up(order)
        if found is not None:
            return found
        if no_cache or no_store:
            return self._kept(order, await _awaitable(acall()))[0]
        with await self._flights.aboard(self._core.fingerprint(order.request)) as seat:
            found = self._waited_for(order, seat)
            if found is not None:
                return found
            with seat.calling():
                response = await _awaitable(acall())
            return self._landed(order, seat, response)

    @overload
    def cached(self, function: Callable[[Q], R], /) -> Callable[[Q], R]: ...

    @overload
    def cached(
        self,
        function: None = None,
        /,
        *,
        tenant: str | Callable[[Any], str] = "",
        namespace: str | Callable[[Any], str] = "",
        model: str = "",
        ttl_s: float | None = None,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        writer: str | None = None,
        max_age_s: float | None = None,
    ) -> Callable[[Callable[[Q], R]], Callable[[Q], R]]: ...

    def cached(
        self,
        function: Callable[[Any], Any] | None = None,
        /,
        *,
        tenant: str | Callable[[Any], str] = "",
        namespace: str | Callable[[Any], str] = "",
        model: str = "",
        ttl_s: float | None = None,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        writer: str | None = None,
        max_age_s: float | None = None,
    ) -> Any:
        """Have a function's answers kept: a decorator for plain and coroutine functions.

        The function takes a request and nothing else, for what it takes besides could not be told from the request when
        its answer is served again. It returns an answer; so does the decorated one, as `Served.response`.

        Parameters
        ----------
        tenant, namespace : str or callable
            As for `get`, or a function of the request that gives it.
        model, ttl_s, sources, tags, writer, max_age_s
            As for `get_or_call`.
        """
        keywords: dict[str, Any] = {
            "model": model,
            "ttl_s": ttl_s,
            "sources": sources,
            "tags": tags,
            "writer": writer,
            "max_age_s": max_age_s,
        }

        def scope(request: Any) -> dict[str, Any]:
            given = {"tenant": tenant, "namespace": namespace}
            return {name: value(request) if callable(value) else value for name, value in given.items()}

        def decorate(asks: Callable[[Any], Any]) -> Callable[[Any], Any]:
            from inspect import iscoroutinefunction

            if not callable(asks):
                raise ConfigError(
                    f"cached({shown(asks)}) decorates a function; give tenant= and the like by their names"
                )
            if iscoroutinefunction(asks):

                @functools.wraps(asks)
                async def ask_later(request: Any) -> Any:
                    call = functools.partial(asks, request)
                    return (await self.aget_or_call(request, call, **scope(request), **keywords)).response

                return ask_later

            @functools.wraps(asks)
            def ask(request: Any) -> Any:
                return self.get_or_call(
                    request, functools.partial(asks, request), **scope(request), **keywords
                ).response

            return ask

        return decorate if function is None else decorate(function)

    def _order(
        self,
        request: RequestLike,
        tenant: str,
        namespace: str,
        model: str,
        cost_usd: float | Decimal | None,
        ttl_s: float | None,
        sources: Sequence[str],
        tags: Sequence[str],
        writer: str | None,
        max_age_s: float | None,
        *,
        no_cache: bool,
        no_store: bool,
    ) -> _Order:
        facts = to_facts(model, cost_usd, ttl_s, sources, tags, writer)
        asked = to_request(request, tenant=tenant, namespace=namespace)
        return _Order(asked, check_age(max_age_s), no_cache, no_store, facts)

    def _look_up(self, order: _Order) -> Served[Any] | None:
        return None if order.no_cache else _found(self._core.get(order.request, order.max_age_s))

    def _waited_for(self, order: _Order, seat: Seat) -> Served[Any] | None:
        """Return the answer that was waited for, or that came between the miss and now: its flight has landed."""
        if seat.landed is not None:
            return _shared(seat.landed)
        return _found(self._core.get_again(order.request, order.max_age_s)) if seat.role == "leads" else None

    def _landed(self, order: _Order, seat: Seat, response: R) -> Served[R]:
        """Store what a call returned, and give it to those who wait."""
        served, landed = self._kept(order, response)
        seat.land(landed)
        return served

    def _kept(self, order: _Order, response: R) -> tuple[Served[R], Landed]:
        form, stored = to_stored(response)
        entry_id = None
        if not order.no_store:
            entry_id = self._store(order.request, form, stored, order.facts, usage_of(response))
        model, cost_nano_usd = order.facts["model"], order.facts["cost_nano_usd"]
        landed = Landed(form, stored, entry_id, model, cost_nano_usd)
        return Served(response=response, served_from="model", entry_id=entry_id), landed

    def _store(self, request: Request, form: str, stored: bytes, facts: Facts, usage: Usage | None) -> str | None:
        sent, said = (0, 0) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
        entry_id = self._core.put(request, stored, form=form, input_tokens=sent, output_tokens=said, **facts)
        log_fault(self._core)
        return entry_id


def to_facts(
    model: str,
    cost_usd: float | Decimal | None,
    ttl_s: float | None,
    sources: Sequence[str],
    tags: Sequence[str],
    writer: str | None,
) -> Facts:
    """Check what is said of an answer; `TextError` or `ConfigError` names what is wrong."""
    return {
        "model": check_text("model", model),
        "cost_nano_usd": to_nano(cost_usd),
        "ttl_s": check_ttl(ttl_s),
        "sources": check_names("sources", sources),
        "tags": check_names("tags", tags),
        "writer": check_text("writer", writer or ""),
    }


def _found(hit: _core.CacheHit | None) -> Served[Any] | None:
    if hit is None:
        return None
    seen = to_hit(hit)
    return Served(response=seen.response, served_from=seen.kind, entry_id=seen.entry_id, hit=seen)


def _shared(landed: Landed) -> Served[Any]:
    response = from_stored(landed.form, landed.stored)
    return Served(response=response, served_from="model", shared=True, entry_id=landed.entry_id)


def _returned(response: R) -> R:
    """Return what a call gave; what has to be awaited first is no answer."""
    if hasattr(response, "__await__"):
        close = getattr(response, "close", None)
        if close is not None:
            close()  # else Python warns that it was never awaited
        raise ConfigError(f"call returned a {type(response).__name__}; for coroutines: await cache.aget_or_call(...)")
    return response


def _awaitable(response: Awaitable[R]) -> Awaitable[R]:
    if not hasattr(response, "__await__"):
        raise ConfigError(f"acall returned a {type(response).__name__}, and no coroutine; use cache.get_or_call(...)")
    return response
