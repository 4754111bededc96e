"""Answers out of the cache and into it: what must hold before one is served, stored, or shared."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from compound_fast._cache_flight import APART, Flights, Landed
from compound_fast.errors import CacheError, CompoundFastError, InternalError, ResponseValidationError
from compound_fast.providers.asked import choices_asked
from compound_fast.validation import check_completion, is_storable

if TYPE_CHECKING:
    from compound_fast._cache_flight import Seat
    from compound_fast._core import Cache, CacheHit
    from compound_fast.cache import SemanticCache
    from compound_fast.ledger import Ledger
    from compound_fast.types import ChatCompletion, JsonObject
    from compound_fast.visit import Bill, Visit

__all__ = ["Shared", "Shelf", "Stored", "Turn", "stored_completion"]

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Stored(NamedTuple):
    """A hit whose answer may be served.

    Attributes
    ----------
    hit : CacheHit
        The entry.
    raw : dict
        Its completion, checked.
    simulated : bool
        Whether a simulated model wrote it.
    """

    hit: CacheHit
    raw: JsonObject
    simulated: bool


class Shared(NamedTuple):
    """Somebody else's answer to an identical request, for which this one has waited.

    Attributes
    ----------
    raw : dict
        The completion, checked; a copy of its own.
    model : str
        Who wrote it.
    simulated : bool
        Whether a simulated model wrote it.
    entry_id : str or None
        The entry made of it.
    answer_nano : int or None
        What it cost, in nano-dollars.
    """

    raw: JsonObject
    model: str
    simulated: bool
    entry_id: str | None
    answer_nano: int | None


class Turn(NamedTuple):
    """The turn of a request that missed. Where `stored` and `shared` are None, a model has to be asked.

    Attributes
    ----------
    seat : Seat or None
        Its place among those who ask the same; None where it shares nothing.
    stored : Stored or None
        An answer that came into the cache between the miss and now.
    shared : Shared or None
        The answer that was waited for.
    """

    seat: Seat | None = None
    stored: Stored | None = None
    shared: Shared | None = None

    def over(self, completion: ChatCompletion, landed: Landed | None) -> ChatCompletion:
        """Return a model's answer, and give it to those who wait; where `landed` is None they ask for themselves."""
        if self.seat is not None:
            self.seat.land(APART if landed is None else landed)
        return completion


class Shelf:
    """Looks up and stores the answers of a pipeline. A fault of the cache is logged, counted, and served as a miss.

    Parameters
    ----------
    cache : SemanticCache or None
        None = nothing is found or stored.
    ledger : Ledger
        Counts the faults.
    simulated : collection of str
        The models whose answers are made up.
    """

    def __init__(self, cache: SemanticCache | None, ledger: Ledger, *, simulated: Collection[str]) -> None:
        self._cache = cache
        self._ledger = ledger
        self._simulated = simulated
        self._flights = Flights()

    def find(self, visit: Visit) -> Stored | None:
        """Return the stored answer to a request, or None."""
        if not visit.options.may_look_up:
            return None
        return self._guarded(lambda cache: self._stored(cache.get(visit.request)))

    @asynccontextmanager
    async def turn(self, visit: Visit) -> AsyncIterator[Turn]:
        """Wait for the answer to an identical request that is under way, if there is one.

        Identical is what the exact tier takes for one. A request that may not be served from the cache, or not stored,
        neither waits nor is waited for. Of those who wait for a call that is cancelled the next one calls; where it
        fails, all get its error.
        """
        key = None
        if self._cache is not None and visit.options.may_look_up and visit.options.may_store:
            key = self._guarded(lambda cache: cache.fingerprint(visit.request))
        if key is None:
            yield Turn()
            return
        visit.waiting()
        try:
            boarded = await self._flights.aboard(key)
        finally:
            visit.waited()
        with boarded as seat:
            if seat.landed is not None:
                yield Turn(shared=self._shared(seat.landed))
                return
            stored = None
            if seat.role == "leads":
                stored = self._guarded(lambda cache: self._stored(cache.get_again(visit.request)))
            with seat.calling():
                yield Turn(seat, stored)

    def keep(self, visit: Visit, completion: ChatCompletion, bill: Bill) -> Landed | None:
        """Store a whole answer, and return it as others may have it; None where it may not be stored."""
        wanted = choices_asked(visit.request.body)
        if self._cache is None or not visit.options.may_store or not is_storable(completion.raw, choices=wanted):
            return None
        entry_id = None
        model, cost_nano_usd = completion.compound.model, bill.answer_nano
        try:
            stored = _to_bytes(completion.raw)
            entry_id = self._cache._core.put(
                visit.request,
                stored,
                form="dict",
                model=model,
                input_tokens=bill.usage.prompt_tokens,
                output_tokens=bill.usage.completion_tokens,
                cost_nano_usd=cost_nano_usd,
                ttl_s=visit.options.ttl_s,
            )
        except (CacheError, InternalError) as error:
            self._note_fault("storing", error)
            return None
        return Landed("dict", stored, entry_id, model, cost_nano_usd)

    def _guarded(self, look_up: Callable[[Cache], T | None]) -> T | None:
        if self._cache is None:
            return None
        try:
            return look_up(self._cache._core)
        except (CacheError, InternalError) as error:
            self._note_fault("looking up", error)
            return None

    def _stored(self, hit: CacheHit | None) -> Stored | None:
        return None if hit is None else Stored(hit, stored_completion(hit)[0], hit.model in self._simulated)

    def _shared(self, landed: Landed) -> Shared:
        # It was checked before it was stored.
        raw = cast("JsonObject", json.loads(landed.stored))
        return Shared(raw, landed.model, landed.model in self._simulated, landed.entry_id, landed.cost_nano_usd)

    def _note_fault(self, doing: str, error: CompoundFastError) -> None:
        self._ledger.count_cache_fault()
        _log.warning("the cache failed at %s; the request goes on without it: %s", doing, error)


def stored_completion(hit: CacheHit) -> tuple[JsonObject, bytes]:
    """Return the completion that an entry holds, and its JSON bytes; a text is made one.

    Raises
    ------
    CacheError
        If somebody stored something else under the request.
    """
    stored = hit.response
    try:
        completion = json.loads(stored)
        if isinstance(completion, str):
            message = {"role": "assistant", "content": completion}
            completion = {
                "id": f"chatcmpl-{hit.entry_id}",
                "object": "chat.completion",
                "created": 0,
                "model": hit.model,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
            stored = _to_bytes(completion)
        check_completion(completion)
    except (ValueError, RecursionError, ResponseValidationError) as error:
        # Of a decoder's error only its kind: it holds the text.
        why = str(error) if isinstance(error, ResponseValidationError) else f"it is not JSON ({type(error).__name__})"
        raise CacheError(f"entry {hit.entry_id} holds no completion: {why}") from None
    return cast("JsonObject", completion), stored


def _to_bytes(raw: JsonObject) -> bytes:
    try:
        # A lone surrogate in a field that nobody reads goes in as the escape that it came as.
        text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8", "backslashreplace")
    except (TypeError, ValueError, RecursionError) as error:
        raise CacheError(f"the answer has no JSON form ({type(error).__name__})") from None
