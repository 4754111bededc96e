"""The semantic cache: exact, then by meaning, never across scopes.

Who asks and how (tenant, namespace, model, system prompt, tools, response format, sampling, earlier turns) is compared
exactly; only the last user turn is ever compared by meaning, and only with requests that carry the same numbers, ids,
amounts and dates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast

from compound_fast import _core
from compound_fast._arguments import (
    LARGEST_CACHE_BYTES,
    LONGEST_TTL_S,
    SHORTEST_TTL_S,
    check_number,
    check_text,
    is_number,
    shown,
)
from compound_fast._cache_entries import CacheEntry, Entries, check_names
from compound_fast.errors import CacheError, ConfigError
from compound_fast.types import to_json, to_request

if TYPE_CHECKING:
    import os

    from compound_fast.config import Config
    from compound_fast.types import ChatCompletion, JsonObject, RequestLike, SdkObject

__all__ = ["CacheEntry", "Hit", "SemanticCache"]

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


class SemanticCache(Entries):
    """A cache of answers with a byte budget.

    Thread-safe. Memory only: nothing is written to disk, and a forked child goes on with a copy of its own;
    fork while no other thread is inside a call.

    Parameters
    ----------
    max_bytes : int, default 256 MiB
        Budget for everything that the cache holds; the answer served longest ago goes first.
    ttl_s : float or None, default 3600
        How long an answer may be served, in seconds from its birth; None = for ever.
    path : None
        Where entries survive a restart. Not built yet: anything but None is a `ConfigError`.
    policy : {"verified", "exact"}, default "verified"
        ``"verified"`` serves a neighbour above the threshold that no guard refuses (a trained verifier comes later);
        ``"exact"`` leaves only the exact tier.
    embedder : None
        The embedder to use. Only the one that ships is built yet: anything but None is a `ConfigError`.
    similarity_threshold : float, default 0.95
        Least cosine, in [-1, 1], for a semantic hit.
    slot_similarity_threshold : float, default 0.70
        The same for requests that carry the same id or amount as the stored one.
    clock : ManualClock or None
        For replays and tests; None = the system's clock.

    Raises
    ------
    ConfigError
        If an argument is outside its range.

    Notes
    -----
    Cost: an exact hit hashes the request once; a semantic look-up reads the text once, embeds it, and scans the vectors
    of the request's own partition (same scope, same slots). Do not use it where an answer depends on anything that is
    not in the request, such as the time of day or an account's balance.
    """

    def __init__(
        self,
        max_bytes: int = 256 << 20,
        ttl_s: float | None = 3600,
        path: str | os.PathLike[str] | None = None,
        policy: Literal["verified", "exact"] = "verified",
        embedder: None = None,
        *,
        similarity_threshold: float = 0.95,
        slot_similarity_threshold: float = 0.70,
        clock: _core.ManualClock | None = None,
    ) -> None:
        if path is not None:
            raise ConfigError("path: a cache on disk is not built yet; leave it out to keep the cache in memory")
        if embedder is not None:
            raise ConfigError("embedder: only the one that ships is built yet; leave it out")
        if policy not in ("verified", "exact"):
            raise ConfigError(f"policy={shown(policy)} is neither 'verified' nor 'exact'")
        if not isinstance(max_bytes, int) or not is_number(max_bytes, least=1, most=LARGEST_CACHE_BYTES):
            raise ConfigError(f"max_bytes={shown(max_bytes)} is no whole number in [1, {LARGEST_CACHE_BYTES}]")
        if clock is not None and not isinstance(clock, _core.ManualClock):
            raise ConfigError(f"clock={shown(clock)} is no ManualClock; leave it out for the system's clock")
        self._core = _core.Cache(
            max_bytes=max_bytes,
            ttl_s=_check_ttl(ttl_s),
            semantic=policy == "verified",
            similarity_threshold=check_number("similarity_threshold", similarity_threshold, least=-1, most=1),
            slot_similarity_threshold=check_number(
                "slot_similarity_threshold", slot_similarity_threshold, least=-1, most=1
            ),
            clock=clock,
        )

    @classmethod
    def from_config(cls, config: Config, *, clock: _core.ManualClock | None = None) -> SemanticCache:
        """Make the cache that the `cache` block of a configuration describes."""
        settings = config.cache
        return cls(
            max_bytes=settings.max_bytes,
            ttl_s=settings.ttl_s,
            policy="verified" if settings.semantic else "exact",
            similarity_threshold=settings.similarity_threshold,
            slot_similarity_threshold=settings.slot_similarity_threshold,
            clock=clock,
        )

    def get(
        self, request: RequestLike, *, tenant: str = "", namespace: str = "", max_age_s: float | None = None
    ) -> Hit | None:
        """Return the stored answer to a request, or None.

        Parameters
        ----------
        request : str, list of messages, dict or bytes
            A request in any of its forms; bytes are the fast way.
        tenant, namespace : str, default ""
            Who asks. Entries are never shared across either.
        max_age_s : float or None
            Answers older than this, in seconds, are not served, and stay; None = the entry's own time to live.

        Raises
        ------
        TextError
            If the request is not a chat request, or `tenant` or `namespace` is not text.
        ConfigError
            If `max_age_s` is outside its range.
        """
        hit = self._core.get(to_request(request, tenant=tenant, namespace=namespace), _check_age(max_age_s))
        return None if hit is None else _to_hit(hit)

    def get_many(
        self,
        requests: Iterable[RequestLike],
        *,
        tenant: str = "",
        namespace: str = "",
        max_age_s: float | None = None,
    ) -> list[Hit | None]:
        """Return what `get` returns for each of the requests, in their order; other threads run meanwhile."""
        asked = [to_request(request, tenant=tenant, namespace=namespace) for request in requests]
        hits = self._core.get_many(asked, _check_age(max_age_s))
        return [None if hit is None else _to_hit(hit) for hit in hits]

    def put(
        self,
        request: RequestLike,
        response: str | Mapping[str, Any] | ChatCompletion | SdkObject | bytes,
        *,
        tenant: str = "",
        namespace: str = "",
        model: str = "",
        cost_usd: float | Decimal | None = None,
        ttl_s: float | None = None,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        writer: str | None = None,
    ) -> str | None:
        """Store the answer to a request; another answer to the same request is replaced.

        Parameters
        ----------
        request, tenant, namespace
            As for `get`.
        response : str, dict, ChatCompletion or bytes
            The answer: its text, a completion object (ours or an SDK's too, which comes back as a dict), or that object
            as JSON bytes. It comes back as it went in.
        model : str, default ""
            Who wrote it.
        cost_usd : float, Decimal or None
            What it cost, in dollars; None = not known.
        ttl_s : float or None
            How long it may be served, in seconds from now; None = the cache's own setting.
        sources : list of str
            What it was made from: documents, with their versions where they have any, as in ``"kb/returns.md@7"``.
            ``invalidate(source="kb/returns.md@*")`` removes it once the document changes.
        tags : list of str
            Names to find it by.
        writer : str or None
            Who stores it.

        Returns
        -------
        str or None
            The id of the entry; None where the answer is larger than the whole budget, and nothing was stored.

        Raises
        ------
        TextError
            If the request is not a chat request, or `tenant`, `namespace` or `model` is not text.
        ConfigError
            If `cost_usd` or `ttl_s` is outside its range, or a source or tag is no name.
        CacheError
            If the response has no JSON form, or is bytes that are neither a JSON object nor a JSON string.
        """
        form, stored = _to_bytes(response)
        return self._core.put(
            to_request(request, tenant=tenant, namespace=namespace),
            stored,
            form=form,
            model=check_text("model", model),
            input_tokens=0,
            output_tokens=0,
            cost_nano_usd=_to_nano(cost_usd),
            ttl_s=_check_ttl(ttl_s),
            sources=check_names("sources", sources),
            tags=check_names("tags", tags),
            writer=check_text("writer", writer or ""),
        )

    def put_many(
        self,
        items: Iterable[tuple[RequestLike, str | Mapping[str, Any] | ChatCompletion | SdkObject | bytes]],
        *,
        tenant: str = "",
        namespace: str = "",
        model: str = "",
        ttl_s: float | None = None,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        writer: str | None = None,
    ) -> list[str | None]:
        """Store many answers, given as pairs of request and response, and return what `put` returns for each.

        What is said besides holds for all of them. Where one is refused, those before it are stored.
        """
        return [
            self.put(
                request,
                response,
                tenant=tenant,
                namespace=namespace,
                model=model,
                ttl_s=ttl_s,
                sources=sources,
                tags=tags,
                writer=writer,
            )
            for request, response in items
        ]

    def mark_wrong(self, hit: Hit) -> bool:
        """Say that a hit was wrong: its entry goes, and the request is not answered that way again.

        A semantic hit: neither of the two requests is served with an answer to the other any more. An exact hit: the
        request is served only with an answer made for it. Other wordings are judged by themselves. The last 8,192 marks
        are kept; `explain` shows a neighbour refused by one as ``"marked_wrong"``.

        Returns
        -------
        bool
            Whether the entry was still there.

        Raises
        ------
        ConfigError
            If `hit` was not given by a cache.
        """
        if not isinstance(hit, Hit) or hit._found is None:
            raise ConfigError(f"hit={shown(hit)} was not given by get() of a cache")
        return self._core.mark_wrong(hit._found)

    def explain(self, request: RequestLike, *, tenant: str = "", namespace: str = "") -> JsonObject:
        """Say what `get` would do, without counting or moving anything.

        Returns
        -------
        dict
            ``policy``, ``served_from`` ("exact", "semantic" or None), ``entry_id``, ``compared_by_meaning``,
            ``similarity_threshold``, and ``candidates``: the nearest neighbours in the request's own partition, each
            with ``entry_id``, ``similarity`` and the guard it was ``refused_by``, if any.
        """
        found = self._core.explain(to_request(request, tenant=tenant, namespace=namespace))
        return {"policy": "threshold and guards (no verifier yet)", **found}

    def clear(self) -> None:
        """Remove every entry."""
        self._core.clear()

    def stats(self) -> dict[str, int]:
        """Return counters since the cache was made, and what it holds now: entries, bytes, max_bytes."""
        return self._core.stats()

    def close(self) -> None:
        """Let go of every entry. A cache in memory has nothing else to close."""
        self._core.clear()

    def __len__(self) -> int:
        """Return how many entries the cache holds."""
        return len(self._core)


def _to_bytes(response: object) -> tuple[str, bytes]:
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
    what = f"the response is a {type(response).__name__} that has no JSON form"
    try:
        stored = to_json(response)
    except UnicodeEncodeError:
        raise CacheError(f"{what}: it holds a lone surrogate; remove or replace it") from None
    except RecursionError:
        raise CacheError(f"{what}: it is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise CacheError(f"{what}: {error}") from None
    if form == "dict" and not stored.startswith(b"{"):
        raise CacheError(f"the response is a {type(response).__name__}; a str, a completion or its bytes is an answer")
    return form, stored


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity, which Python reads, are not JSON


def _check_ttl(ttl_s: float | None) -> float | None:
    remedy = "None = the cache's own setting, or for ever"
    return (
        None if ttl_s is None else check_number("ttl_s", ttl_s, least=SHORTEST_TTL_S, most=LONGEST_TTL_S, remedy=remedy)
    )


def _check_age(max_age_s: float | None) -> float | None:
    return None if max_age_s is None else check_number("max_age_s", max_age_s, least=0, most=LONGEST_TTL_S)


def _to_hit(hit: _core.CacheHit) -> Hit:
    stored = hit.response
    response = stored if hit.form == "bytes" else cast("str | JsonObject", json.loads(stored))
    cost_nano = hit.cost_nano_usd
    return Hit(
        response=response,
        kind=hit.kind,
        similarity=hit.similarity,
        entry_id=hit.entry_id,
        age_s=hit.age_s,
        model=hit.model,
        cost_saved_usd=None if cost_nano is None else cost_nano / _NANO,
        reasons=tuple(hit.reasons),
        _found=hit,
    )


def _to_nano(cost_usd: float | Decimal | None) -> int | None:
    if cost_usd is None:
        return None
    is_decimal = isinstance(cost_usd, Decimal) and cost_usd.is_finite() and 0 <= cost_usd <= _DEAREST_USD
    if not is_decimal and not is_number(cost_usd, least=0, most=_DEAREST_USD):
        raise ConfigError(f"cost_usd={shown(cost_usd)} is no price in [0, {_DEAREST_USD}] dollars; None = not known")
    return int((Decimal(str(cost_usd)) * _NANO).to_integral_value())
