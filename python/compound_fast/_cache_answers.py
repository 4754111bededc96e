"""Answers on their way into a cache and out of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, cast

from compound_fast._arguments import LONGEST_TTL_S, SHORTEST_TTL_S, check_number, is_number, shown
from compound_fast.errors import CacheError, ConfigError, TextError
from compound_fast.request import to_json
from compound_fast.types import Usage

if TYPE_CHECKING:
    from compound_fast import _core
    from compound_fast.types import JsonObject

__all__ = ["Hit", "check_age", "check_ttl", "from_stored", "log_fault", "to_hit", "to_nano", "to_stored", "usage_of"]

_log = logging.getLogger("compound_fast.cache")
_NANO = 1_000_000_000
_DEAREST_USD = 10**9  # in nano-dollars it still fits the 64 bits of the core


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A stored answer.

    Attributes
    ----------
    response : str, dict or bytes
        The answer, in the form in which it was stored.
    kind : {"exact", "semantic"}
        Which tier found it.
    similarity : float
        Cosine of the two requests; 1.0 for an exact hit.
    entry_id : str
        128-bit hex; never used for another entry.
    age_s : float
        Seconds since it was stored.
    model : str
        Who wrote it; "" where that was not said.
    cost_saved_usd : float or None
        What it had cost, in dollars; None where that is not known.
    reasons : tuple of str
        Why it was served, for people.
    """

    response: str | JsonObject | bytes
    kind: Literal["exact", "semantic"]
    similarity: float
    entry_id: str
    age_s: float
    model: str
    cost_saved_usd: float | None
    reasons: tuple[str, ...]
    _found: _core.CacheHit | None = field(default=None, repr=False, compare=False)

    def explain(self) -> str:
        """Say in one line why this answer was served."""
        return "; ".join(self.reasons)


def to_stored(response: object) -> tuple[str, bytes]:
    """Return the form of a response and its JSON bytes; what could not be served as it came is refused here."""
    # Each `from None`: the cause would hold the answer.
    if isinstance(response, bytes):
        try:
            parsed = json.loads(response.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise CacheError("the response is bytes that are not JSON; give its text as a str") from None
        if not isinstance(parsed, (str, dict)):
            raise CacheError(f"the response is a JSON {type(parsed).__name__}; an object or a string is an answer")
        return "bytes", response
    form = "str" if isinstance(response, str) else "dict"
    try:
        stored = to_json(response)
    except TextError as error:
        raise CacheError(f"the response, a {type(response).__name__}, {error}") from None
    if form == "dict" and not stored.startswith(b"{"):
        raise CacheError(f"the response is a {type(response).__name__}; a str, a completion or its bytes is an answer")
    return form, stored


def usage_of(response: object) -> Usage | None:
    """Return the tokens that a completion, ours or an SDK's or its bytes, says it took; None where it says nothing."""
    if isinstance(response, bytes):
        response = json.loads(response)
    if isinstance(response, str):
        return None
    usage = response.get("usage") if isinstance(response, Mapping) else getattr(response, "usage", None)
    if isinstance(usage, Usage) or usage is None:
        return usage
    if not isinstance(usage, Mapping):
        usage = {name: getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")}
    return Usage.from_raw(dict(usage))


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity, which Python reads, are not JSON


def check_ttl(ttl_s: float | None, name: str = "ttl_s") -> float | None:
    """Return a time to live in seconds, or raise `ConfigError`."""
    remedy = "None = the cache's own setting, or for ever"
    return None if ttl_s is None else check_number(name, ttl_s, least=SHORTEST_TTL_S, most=LONGEST_TTL_S, remedy=remedy)


def check_age(max_age_s: float | None) -> float | None:
    """Return the greatest age in seconds, or raise `ConfigError`."""
    return None if max_age_s is None else check_number("max_age_s", max_age_s, least=0, most=LONGEST_TTL_S)


def from_stored(form: str, stored: bytes) -> str | JsonObject | bytes:
    """Return an answer in the form in which it was stored."""
    return stored if form == "bytes" else cast("str | JsonObject", json.loads(stored.decode()))


def log_fault(core: _core.Cache) -> None:
    """Log what the disk refused since this was asked last; the cache goes on in memory."""
    fault = core.take_fault()
    if fault is not None:
        _log.warning("%s", fault)


def to_hit(hit: _core.CacheHit) -> Hit:
    """Return what the core found as users see it."""
    cost_nano = hit.cost_nano_usd
    text = hit.text
    return Hit(
        response=from_stored(hit.form, hit.response) if text is None else text,
        kind=hit.kind,
        similarity=hit.similarity,
        entry_id=hit.entry_id,
        age_s=hit.age_s,
        model=hit.model,
        cost_saved_usd=None if cost_nano is None else cost_nano / _NANO,
        reasons=tuple(hit.reasons),
        _found=hit,
    )


def to_nano(cost_usd: float | Decimal | None) -> int | None:
    """Return a price in nano-dollars, or raise `ConfigError`."""
    if cost_usd is None:
        return None
    is_decimal = isinstance(cost_usd, Decimal) and cost_usd.is_finite() and 0 <= cost_usd <= _DEAREST_USD
    if not is_decimal and not is_number(cost_usd, least=0, most=_DEAREST_USD):
        raise ConfigError(f"cost_usd={shown(cost_usd)} is no price in [0, {_DEAREST_USD}] dollars; None = not known")
    return int((Decimal(str(cost_usd)) * _NANO).to_integral_value())
