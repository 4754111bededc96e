"""The whole Rust part of the path as one call, for gateways: bytes in, decision out, GIL released."""

from __future__ import annotations

from compound_fast import _core
from compound_fast._arguments import check_text, shown
from compound_fast.cache import SemanticCache
from compound_fast.errors import ConfigError, TextError
from compound_fast.router import Router

__all__ = ["Engine"]


class Engine:
    """Cache and router, joined. Thread-safe.

    Parameters
    ----------
    cache : SemanticCache or None
        Where answers are looked up; None routes every request.
    router : Router
        Who chooses the models.

    Raises
    ------
    ConfigError
        If `cache` or `router` is of another class.
    """

    def __init__(self, cache: SemanticCache | None, router: Router) -> None:
        if cache is not None and not isinstance(cache, SemanticCache):
            raise ConfigError(f"cache={shown(cache)} is no SemanticCache; None routes every request")
        if not isinstance(router, Router):
            raise ConfigError(f"router={shown(router)} is no Router; make one with Router.from_config")
        self._core = _core.Engine(cache=None if cache is None else cache._core, router=router._core)
        self._cache, self._router = cache, router

    def __repr__(self) -> str:
        """Name its two parts."""
        return f"Engine(cache={self._cache!r}, router={self._router!r})"

    def decide(self, body: bytes, *, tenant: str = "", namespace: str = "") -> _core.Decision:
        """Decide one request: the step-by-step calls, in one.

        Parameters
        ----------
        body : bytes
            A chat-completion body as JSON.
        tenant, namespace : str, default ""
            Who asks.

        Returns
        -------
        Decision
            ``kind`` ("exact", "semantic" or "route"); ``response`` (bytes) for a hit; ``route`` otherwise.

        Raises
        ------
        TextError
            If the body is not a chat request, holds ``compound`` (its options are arguments here), or `tenant` or
            `namespace` is not text.
        NoCandidateError
            If no model can take it.
        """
        if not isinstance(body, bytes):
            raise TextError(f"the body is a {type(body).__name__}, not bytes; request.to_body makes them of others")
        return self._core.decide(
            body, tenant=check_text("tenant", tenant), namespace=check_text("namespace", namespace)
        )
