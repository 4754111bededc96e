"""The semantic cache: exact, then by meaning, never across scopes.

Who asks and how (tenant, namespace, model, system prompt, tools, response format, sampling, earlier turns) is compared
exactly; only the last user turn is ever compared by meaning, and only with requests that carry the same numbers, ids,
amounts and dates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast

from compound_fast import _core
from compound_fast.errors import CacheError, ConfigError
from compound_fast.types import to_body

if TYPE_CHECKING:
    import os

    from compound_fast.config import Config
    from compound_fast.types import JsonObject, RequestLike

__all__ = ["Hit", "SemanticCache"]

_NANO = 1_000_000_000


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

    def explain(self) -> str:
        """Say in one line why this answer was served."""
        return "; ".join(self.reasons)


class SemanticCache:
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
            raise ConfigError(f"policy={policy!r} is neither 'verified' nor 'exact'")
        if not isinstance(max_bytes, int) or isinstance(max_bytes, bool) or max_bytes < 1:
            raise ConfigError(f"max_bytes={max_bytes!r} is not a positive number of bytes")
        self._core = _core.Cache(
            max_bytes=max_bytes,
            ttl_s=ttl_s,
            semantic=policy == "verified",
            similarity_threshold=similarity_threshold,
            slot_similarity_threshold=slot_similarity_threshold,
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

    def get(self, request: RequestLike, *, tenant: str = "", namespace: str = "") -> Hit | None:
        """Return the stored answer to a request, or None.

        Parameters
        ----------
        request : str, list of messages, dict or bytes
            A request in any of its forms; bytes are the fast way.
        tenant, namespace : str, default ""
            Who asks. Entries are never shared across either.

        Raises
        ------
        TextError
            If the request is not a chat request.
        """
        hit = self._core.get(_core.Request(to_body(request), tenant=tenant, namespace=namespace))
        return None if hit is None else _to_hit(hit)

    def put(
        self,
        request: RequestLike,
        response: str | Mapping[str, Any] | bytes,
        *,
        tenant: str = "",
        namespace: str = "",
        model: str = "",
        cost_usd: float | Decimal | None = None,
        ttl_s: float | None = None,
    ) -> str | None:
        """Store the answer to a request; another answer to the same request is replaced.

        Parameters
        ----------
        request, tenant, namespace
            As for `get`.
        response : str, dict or bytes
            The answer: its text, a completion object, or that object as JSON bytes. It comes back as it went in.
        model : str, default ""
            Who wrote it.
        cost_usd : float, Decimal or None
            What it cost, in dollars; None = not known.
        ttl_s : float or None
            How long it may be served, in seconds from now; None = the cache's own setting.

        Returns
        -------
        str or None
            The id of the entry; None where the answer is larger than the whole budget, and nothing was stored.

        Raises
        ------
        TextError
            If the request is not a chat request.
        ConfigError
            If `cost_usd` is negative or `ttl_s` is not positive.
        CacheError
            If the response has no JSON form.
        """
        form, stored = _to_bytes(response)
        core_request = _core.Request(to_body(request), tenant=tenant, namespace=namespace)
        return self._core.put(
            core_request,
            stored,
            form=form,
            model=model,
            input_tokens=0,
            output_tokens=0,
            cost_nano_usd=_to_nano(cost_usd),
            ttl_s=ttl_s,
        )

    def explain(self, request: RequestLike, *, tenant: str = "", namespace: str = "") -> JsonObject:
        """Say what `get` would do, without counting or moving anything.

        Returns
        -------
        dict
            ``policy``, ``served_from`` ("exact", "semantic" or None), ``entry_id``, ``compared_by_meaning``,
            ``similarity_threshold``, and ``candidates``: the nearest neighbours in the request's own partition, each
            with ``entry_id``, ``similarity`` and the guard it was ``refused_by``, if any.
        """
        found = self._core.explain(_core.Request(to_body(request), tenant=tenant, namespace=namespace))
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


def _to_bytes(response: str | Mapping[str, Any] | bytes) -> tuple[str, bytes]:
    if isinstance(response, bytes):
        return "bytes", response
    form = "str" if isinstance(response, str) else "dict"
    try:
        return form, json.dumps(response, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise CacheError(f"the response is a {type(response).__name__} that has no JSON form: {error}") from error


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
    )


def _to_nano(cost_usd: float | Decimal | None) -> int | None:
    if cost_usd is None:
        return None
    nano = Decimal(str(cost_usd)) * _NANO
    if not nano.is_finite() or nano < 0:
        raise ConfigError(f"cost_usd={cost_usd!r} is not a price; use None where it is not known")
    return int(nano.to_integral_value())
