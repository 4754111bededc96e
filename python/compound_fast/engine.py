"""The whole Rust part of the path as one call, for gateways: bytes in, decision out, GIL released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compound_fast import _core

if TYPE_CHECKING:
    from compound_fast.cache import SemanticCache
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
    """

    def __init__(self, cache: SemanticCache | None, router: Router) -> None:
        self._core = _core.Engine(cache=None if cache is None else cache._core, router=router._core)

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
            If the body is not a chat request.
        NoCandidateError
            If no model can take it.
        """
        return self._core.decide(body, tenant=tenant, namespace=namespace)
