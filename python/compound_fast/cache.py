"""The semantic cache: exact, then by meaning, never across scopes.

Who asks and how (tenant, namespace, model, system prompt, tools, response format, sampling, earlier turns) is compared
exactly; only the last user turn is ever compared by meaning, and only with requests that carry the same numbers, ids,
amounts and dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

from compound_fast import _core
from compound_fast._arguments import (
    LARGEST_CACHE_BYTES,
    SMALLEST_CACHE_BYTES,
    check_number,
    check_path,
    is_number,
    shown,
)
from compound_fast._cache_answers import Hit, check_age, check_ttl, to_hit, to_stored, usage_of
from compound_fast._cache_calls import Calls, Served, to_facts
from compound_fast._cache_entries import CacheEntry, Entries
from compound_fast._cache_flight import Flights
from compound_fast.errors import CacheError, ConfigError
from compound_fast.request import to_request

if TYPE_CHECKING:
    import os
    from decimal import Decimal
    from types import TracebackType
    from typing import Self

    from compound_fast.config import Config
    from compound_fast.request import RequestLike, SdkObject
    from compound_fast.types import ChatCompletion, JsonObject

__all__ = ["CacheEntry", "Hit", "SemanticCache", "Served"]


class _Closed:
    """Stands in the place of the core of a closed cache."""

    def close(self) -> None:
        """Do nothing: it is closed."""

    def __len__(self) -> NoReturn:
        self.__getattr__("__len__")

    def __getattr__(self, name: str) -> NoReturn:
        raise CacheError("the cache is closed; make a new one")


class SemanticCache(Calls, Entries):
    """A cache of answers with a byte budget.

    Thread-safe. In memory, unless it is given a `path`; a forked child goes on with a copy of its own, in memory only.
    As a context manager it is closed at the end.

    Parameters
    ----------
    max_bytes : int, default 256 MiB
        Budget for everything that the cache holds, at least 65,536; `eviction` says what goes first.
    ttl_s : float or None, default 3600
        How long an answer may be served, in seconds from its birth; None = for ever.
    path : str, PathLike or None
        A folder of its own, made where there is none, in which entries survive the process; None = memory only. It
        holds prompts and answers in clear, and only its owner may look into it. One process at a time.
    policy : {"verified", "exact"}, default "verified"
        ``"verified"`` serves a neighbour above the threshold that no guard refuses (a trained verifier comes later);
        ``"exact"`` leaves only the exact tier.
    embedder : None
        The embedder to use. Only the one that ships is built yet: anything but None is a `ConfigError`.
    similarity_threshold : float, default 0.95
        Least cosine, in [-1, 1], for a semantic hit.
    slot_similarity_threshold : float, default 0.70
        The same for requests that carry the same id or amount as the stored one.
    stale_ttl_s : float or None
        `ttl_s` for requests with words after which an answer is soon out of date ("today", "latest", "weather"), where
        it is shorter; None = no difference.
    ttl_jitter : float, default 0.0
        By how much of it a time to live may be shortened, by chance, so that what was stored together does not expire
        together; in [0, 0.9]. What `put` is told is kept as it is.
    eviction : {"lru", "s3-fifo", "cost-aware"}, default "lru"
        What goes first when the bytes run out: what was served longest ago; what was seen once (a burst of such
        requests then pushes nothing else out); or what saves least dollars for its bytes, by `cost_usd` and how often
        it is served.
    tenant_share : float or None
        How much of `max_bytes` the entries of one tenant may take, in (0, 1]; its own oldest ones go first. None = all.
    durability : {"interval", "sync"}, default "interval"
        With a `path`: under ``"interval"`` what `put` acknowledged survives a killed process at once, and a power cut
        after a second; under ``"sync"`` both at once, at the price of a write to the disk before `put` returns (threads
        share one). What was removed by request is on the disk before the call returns, under either.
    strict : bool, default False
        Whether a fault of the disk in `put` is a `CacheError`. If not, it is logged and counted in ``io_faults``, and
        the entry is kept in memory.
    clock : ManualClock or None
        For replays and tests; None = the system's clock.

    Raises
    ------
    ConfigError
        If an argument is outside its range.
    CacheLockedError
        If `path` is open already, in this process or another one.
    SnapshotError
        If a file in `path` is damaged, or newer than this version.
    CacheError
        If `path` cannot be read or written.

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
        stale_ttl_s: float | None = None,
        ttl_jitter: float = 0.0,
        eviction: Literal["lru", "s3-fifo", "cost-aware"] = "lru",
        tenant_share: float | None = None,
        durability: Literal["interval", "sync"] = "interval",
        strict: bool = False,
        clock: _core.ManualClock | None = None,
    ) -> None:
        if eviction not in ("lru", "s3-fifo", "cost-aware"):
            raise ConfigError(f"eviction={shown(eviction)} is none of 'lru', 's3-fifo', 'cost-aware'")
        if durability not in ("interval", "sync"):
            raise ConfigError(f"durability={shown(durability)} is neither 'interval' nor 'sync'")
        if durability == "sync" and path is None:
            raise ConfigError("durability='sync' without a path: nothing is kept on a disk; give path=")
        if embedder is not None:
            raise ConfigError("embedder: only the one that ships is built yet; leave it out")
        if policy not in ("verified", "exact"):
            raise ConfigError(f"policy={shown(policy)} is neither 'verified' nor 'exact'")
        if not isinstance(max_bytes, int) or not is_number(
            max_bytes, least=SMALLEST_CACHE_BYTES, most=LARGEST_CACHE_BYTES
        ):
            within = f"[{SMALLEST_CACHE_BYTES}, {LARGEST_CACHE_BYTES}]"
            raise ConfigError(f"max_bytes={shown(max_bytes)} is no whole number in {within}")
        if clock is not None and not isinstance(clock, _core.ManualClock):
            raise ConfigError(f"clock={shown(clock)} is no ManualClock; leave it out for the system's clock")
        self._flights = Flights()
        # Of all transports over this cache; they fail in other ways than a function does.
        self._http_flights = Flights()
        self._core = _core.Cache(
            max_bytes=max_bytes,
            ttl_s=check_ttl(ttl_s),
            semantic=policy == "verified",
            similarity_threshold=check_number("similarity_threshold", similarity_threshold, least=-1, most=1),
            slot_similarity_threshold=check_number(
                "slot_similarity_threshold", slot_similarity_threshold, least=-1, most=1
            ),
            stale_ttl_s=check_ttl(stale_ttl_s, "stale_ttl_s"),
            ttl_jitter=check_number("ttl_jitter", ttl_jitter, least=0, most=0.9),
            tenant_share=None
            if tenant_share is None
            else check_number("tenant_share", tenant_share, least=0.001, most=1, remedy="None = all"),
            eviction=eviction,
            clock=clock,
            path=check_path("path", path),
            sync=durability == "sync",
            strict=bool(strict),
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
            stale_ttl_s=settings.stale_ttl_s,
            ttl_jitter=settings.ttl_jitter,
            eviction=cast("Literal['lru', 's3-fifo', 'cost-aware']", settings.eviction),
            tenant_share=settings.tenant_share,
            path=settings.path,
            durability=cast("Literal['interval', 'sync']", settings.durability),
            strict=settings.strict,
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
        hit = self._core.get(to_request(request, tenant=tenant, namespace=namespace), check_age(max_age_s))
        return None if hit is None else to_hit(hit)

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
        hits = self._core.get_many(asked, check_age(max_age_s))
        return [None if hit is None else to_hit(hit) for hit in hits]

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
        form, stored = to_stored(response)
        asked = to_request(request, tenant=tenant, namespace=namespace)
        return self._store(
            asked, form, stored, to_facts(model, cost_usd, ttl_s, sources, tags, writer), usage_of(response)
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
        """Remove every entry, from the disk as well."""
        self._core.clear()

    def stats(self) -> JsonObject:
        """Return the numbers of the cache: what it has done since it was made, and what it holds now.

        Returns
        -------
        dict
            Counters by name: ``lookups``, ``exact_hits``, ``semantic_hits``, ``misses``, ``refused_...`` by guard,
            ``stored``, ``evicted``, ``expired``, ``io_faults``, ``saved_nano_usd`` with ``unpriced_hits``,
            ``tokens_saved`` with ``uncounted_hits``, ``entries``, ``bytes``, ``max_bytes`` and others. Besides
            ``scopes``, look-ups for each of the first 256 pairs of tenant and namespace, ``other_scopes`` for the
            rest, and ``latency_us``: ``p50``, ``p90``, ``p99`` for ``exact``, ``semantic``, ``miss`` and ``put``.
        """
        return self._core.stats()

    def close(self) -> None:
        """Let go of every entry, and of the folder, which keeps them. What was acknowledged is on the disk then.

        Any other call is a `CacheError` from then on.

        Raises
        ------
        CacheError
            If the disk refused.
        """
        self._core, core = cast("_core.Cache", _Closed()), self._core
        core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return how many entries the cache holds."""
        return len(self._core)
