"""The router: which model should answer, by rules first, then by how hard the request looks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compound_fast import _core
from compound_fast._arguments import shown
from compound_fast._config_routing import read_model, read_routing
from compound_fast.config import Config, ModelConfig, RoutingConfig
from compound_fast.errors import ConfigError
from compound_fast.request import to_request

if TYPE_CHECKING:
    import os

    from compound_fast.request import RequestLike
    from compound_fast.types import JsonObject

__all__ = ["Router"]


class Router:
    """Chooses models for requests. Holds no state; thread-safe.

    The first rule whose condition holds decides. Where none holds, a complexity in [0, 1] is computed from length,
    reasoning words, parts, code, tools and turns, and the thresholds turn it into a tier. The weights were set by hand
    and have seen no labels.

    Parameters
    ----------
    models : sequence of ModelConfig or mapping
        What may be routed to. A mapping has ``name``, and the keys that a configuration has for a model, ``provider``
        aside: a router asks nobody.
    policy : RoutingConfig, mapping or None
        Rules and thresholds, as the block ``routing`` of a configuration has them; None = no rules and the default
        thresholds.

    Raises
    ------
    ConfigError
        If a key or value is wrong; the message names its place.

    Examples
    --------
    >>> models = [{"name": "small", "tier": "weak"}, {"name": "large", "tier": "strong"}]
    >>> rules = [{"name": "tools", "when": {"has_tools": True}, "use": "large"}]
    >>> Router(models, policy={"rules": rules}).route("Where is my order?").candidates
    ['small', 'large']
    """

    def __init__(
        self,
        models: Sequence[ModelConfig | Mapping[str, Any]],
        policy: RoutingConfig | Mapping[str, Any] | None = None,
    ) -> None:
        known = _models(models)
        if not isinstance(policy, RoutingConfig):
            policy = read_routing({} if policy is None else policy, known, source="Router")
        try:
            form = json.dumps(_core_form(known, policy))
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"Router: a ModelConfig or RoutingConfig holds a wrong kind of value: {error}") from None
        self._core = _core.Router(form)
        self._models = list(known)
        self._rules = [rule.name for rule in policy.rules]

    def __repr__(self) -> str:
        """Name its models and its rules."""
        return f"Router(models={self._models!r}, rules={self._rules!r})"

    @classmethod
    def from_config(cls, config: Config | str | os.PathLike[str]) -> Router:
        """Make the router that a configuration, or the YAML file at a path, describes.

        Raises
        ------
        ConfigError
            If the configuration is wrong.
        """
        config = config if isinstance(config, Config) else Config.load(config)
        return cls(list(config.models.values()), config.routing)

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


def _models(models: object) -> dict[str, ModelConfig]:
    if not isinstance(models, Sequence) or isinstance(models, (str, bytes)):
        raise ConfigError(f"Router: models is {shown(models)}; a list of models belongs here")
    known: dict[str, ModelConfig] = {}
    for position, given in enumerate(models):
        model = given
        if not isinstance(model, ModelConfig):
            model = read_model(given, place=f"models[{position}]", source="Router")
        if model.name in known:
            raise ConfigError(f"Router: models[{position}].name is {shown(model.name)}, as that of another model")
        known[model.name] = model
    return known


def _core_form(models: Mapping[str, ModelConfig], routing: RoutingConfig) -> JsonObject:
    """Return the models and rules as the core reads them; how to reach a provider is no business of its."""
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
            for model in models.values()
        ],
        "rules": [
            {"name": rule.name, "when": [dict(case) for case in rule.when], "use": rule.use} for rule in routing.rules
        ],
        "thresholds": {"medium": routing.medium_threshold, "strong": routing.strong_threshold},
    }
