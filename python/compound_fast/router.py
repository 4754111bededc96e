"""The router: which model should answer, by rules first, then by how hard the request looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from compound_fast import _core
from compound_fast.config import Config
from compound_fast.types import to_request

if TYPE_CHECKING:
    import os

    from compound_fast.types import JsonObject, RequestLike

__all__ = ["Router"]


class Router:
    """Chooses models for requests. Made from a configuration; holds no state; thread-safe.

    The first rule whose condition holds decides. Where none holds, a complexity in [0, 1] is computed from length,
    reasoning words, parts, code, tools and turns, and the thresholds of the configuration turn it into a tier. The
    weights were set by hand and have seen no labels.
    """

    def __init__(self, config: Config) -> None:
        self._core = _core.Router(json.dumps(_core_form(config)))

    @classmethod
    def from_config(cls, config: Config | str | os.PathLike[str]) -> Router:
        """Make the router that a configuration, or the YAML file at a path, describes.

        Raises
        ------
        ConfigError
            If the configuration is wrong.
        """
        return cls(config if isinstance(config, Config) else Config.load(config))

    def route(self, request: RequestLike, *, tenant: str = "", namespace: str = "") -> _core.RouteDecision:
        """Return the candidate models for a request, best first, with the reasons.

        A request that names a configured model gets that one alone; ``"auto"``, or no name, is routed.

        Raises
        ------
        NoCandidateError
            If the named model is not configured, or the request fits no context window.
        TextError
            If the request is not a chat request.
        """
        return self._core.route(to_request(request, tenant=tenant, namespace=namespace))


def _core_form(config: Config) -> JsonObject:
    """Return the models and rules as the core reads them; how to reach a provider is no business of its."""
    routing = config.routing
    return {
        "models": [
            {
                "name": model.name,
                "tier": model.tier,
                "context_window": model.context_window,
                "price": None
                if model.prices is None
                else {
                    "input": model.prices.input_nano,
                    "output": model.prices.output_nano,
                    "cached_input": model.prices.cached_input_nano,
                },
            }
            for model in config.models.values()
        ],
        "rules": [
            {"name": rule.name, "when": [dict(case) for case in rule.when], "use": rule.use} for rule in routing.rules
        ],
        "thresholds": {"medium": routing.medium_threshold, "strong": routing.strong_threshold},
    }
