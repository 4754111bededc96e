"""Answers out of the cache and into it: what must hold before one is served, or stored."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple, cast

from compound_fast.errors import CacheError, CompoundFastError, InternalError, ResponseValidationError
from compound_fast.providers.asked import choices_asked
from compound_fast.validation import check_completion, is_storable

if TYPE_CHECKING:
    from compound_fast._core import CacheHit
    from compound_fast.cache import SemanticCache
    from compound_fast.ledger import Ledger
    from compound_fast.types import ChatCompletion, JsonObject
    from compound_fast.visit import Bill, Visit

__all__ = ["Shelf", "Stored"]

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

    def find(self, visit: Visit) -> Stored | None:
        """Return the stored answer to a request, or None."""
        if self._cache is None or not visit.options.may_look_up:
            return None
        try:
            hit = self._cache._core.get(visit.request)
            return None if hit is None else Stored(hit, _completion(hit), hit.model in self._simulated)
        except (CacheError, InternalError) as error:
            self._note_fault("looking up", error)
            return None

    def keep(self, visit: Visit, completion: ChatCompletion, bill: Bill) -> str | None:
        """Store a whole answer, and return the id of its entry; None where it may not, or could not, be stored."""
        wanted = choices_asked(visit.request.body)
        if self._cache is None or not visit.options.may_store or not is_storable(completion.raw, choices=wanted):
            return None
        try:
            return self._cache._core.put(
                visit.request,
                _to_bytes(completion.raw),
                form="dict",
                model=completion.compound.model,
                input_tokens=bill.usage.prompt_tokens,
                output_tokens=bill.usage.completion_tokens,
                cost_nano_usd=bill.answer_nano,
                ttl_s=visit.options.ttl_s,
            )
        except (CacheError, InternalError) as error:
            self._note_fault("storing", error)
            return None

    def _note_fault(self, doing: str, error: CompoundFastError) -> None:
        self._ledger.count_cache_fault()
        _log.warning("the cache failed at %s; the request goes on without it: %s", doing, error)


def _completion(hit: CacheHit) -> JsonObject:
    """Return the completion that an entry holds; `CacheError` where somebody stored something else."""
    try:
        stored = json.loads(hit.response)
        if isinstance(stored, str):
            message = {"role": "assistant", "content": stored}
            stored = {"model": hit.model, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        check_completion(stored)
    except (ValueError, RecursionError, ResponseValidationError) as error:
        # Of a decoder's error only its kind: it holds the text.
        why = str(error) if isinstance(error, ResponseValidationError) else f"it is not JSON ({type(error).__name__})"
        raise CacheError(f"entry {hit.entry_id} holds no completion: {why}") from None
    return cast("JsonObject", stored)


def _to_bytes(raw: JsonObject) -> bytes:
    try:
        # A lone surrogate in a field that nobody reads goes in as the escape that it came as.
        text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8", "backslashreplace")
    except (TypeError, ValueError, RecursionError) as error:
        raise CacheError(f"the answer has no JSON form ({type(error).__name__})") from None
