"""Models and routing, as a configuration describes them: what a router is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from compound_fast._config_block import Block, nearest, ranged

if TYPE_CHECKING:
    from compound_fast._core import Price

__all__ = [
    "TIERS",
    "ModelConfig",
    "PriceConfig",
    "RoutingConfig",
    "RuleConfig",
    "Tier",
    "read_model",
    "read_models",
    "read_routing",
]

Tier: TypeAlias = Literal["weak", "medium", "strong"]
TIERS: tuple[Tier, ...] = ("weak", "medium", "strong")

_LARGEST = 2**53  # what every JSON reader holds exactly
_LARGEST_COUNT = 2**32 - 1  # what the core counts tokens and turns in
_FLAG_CONDITIONS = ("has_code", "has_tools", "wants_json", "is_question")
_COUNT_CONDITIONS = ("min_tokens", "max_tokens", "min_turns")
_SHARE_CONDITIONS = ("min_complexity", "max_complexity")
_CONDITIONS = _FLAG_CONDITIONS + _COUNT_CONDITIONS + _SHARE_CONDITIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceConfig:
    """Prices of one model in integer nano-dollars per million tokens."""

    input_nano: int
    output_nano: int
    cached_input_nano: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A model that may be routed to.

    Attributes
    ----------
    name : str
        What this configuration calls it.
    provider : str
        Name of its provider block.
    upstream_model : str
        What the provider calls it.
    tier : {"weak", "medium", "strong"}
        Its place among the others; rules and thresholds route to tiers.
    context_window : int
        Most tokens of a request and its answer together.
    prices : PriceConfig or None
        None where the price is unknown; its cost is then None everywhere, never 0.
    """

    name: str
    provider: str
    upstream_model: str
    tier: Tier
    context_window: int = ranged(128_000, 1, _LARGEST)
    prices: PriceConfig | None = None

    @property
    def price(self) -> Price | None:
        """The arithmetic over `prices`, made anew at each call; None where the price is unknown."""
        from compound_fast._core import Price

        if self.prices is None:
            return None
        return Price(
            input_nano=self.prices.input_nano,
            output_nano=self.prices.output_nano,
            cached_input_nano=self.prices.cached_input_nano,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig:
    """A routing rule: where any of `when` holds, with all its conditions, the request goes to `use`."""

    name: str
    when: tuple[Mapping[str, bool | int | float], ...]
    use: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """Rules, the first that holds decides; then complexity in [0, 1] against two thresholds."""

    rules: tuple[RuleConfig, ...] = ()
    medium_threshold: float = 0.35
    strong_threshold: float = 0.65


_MODEL_KEYS = ("provider", "upstream_model", "tier", "context_window", "price")


def read_models(block: Block, providers: Collection[str]) -> dict[str, ModelConfig]:
    """Check the block ``models`` against the providers that there are."""
    models: dict[str, ModelConfig] = {}
    for name in block:
        model = block.block(name, _MODEL_KEYS)
        provider = model.text("provider")
        if provider not in providers:
            raise model.error(
                "provider", f"is {provider!r}, which is no provider; {nearest(provider, list(providers))}"
            )
        models[name] = _model(name, provider, model)
    if not models:
        raise block.error(None, "is empty; at least one model is needed")
    return models


def read_model(values: object, *, place: str, source: str) -> ModelConfig:
    """Check one model that has its name beside its keys, and may lack a provider."""
    block = Block(values, place=place, source=source, known=("name", *_MODEL_KEYS))
    return _model(block.text("name"), block.optional_text("provider") or "", block)


def _model(name: str, provider: str, block: Block) -> ModelConfig:
    if name in (*TIERS, "auto"):
        raise block.error(
            None, f"has {name!r}, which cannot be a model's name: it means a tier, or the router's choice"
        )
    return ModelConfig(
        name=name,
        provider=provider,
        upstream_model=block.text("upstream_model", name),
        tier=TIERS[TIERS.index(block.choice("tier", TIERS))],
        prices=None if block.value("price", None) is None else _prices(block.block("price", _PRICE_KEYS)),
        **block.options(ModelConfig),
    )


_PRICE_KEYS = ("input", "output", "cached_input")


def _prices(block: Block) -> PriceConfig:
    def nano(key: str) -> int:
        dollars = block.number(key, least=0, most=1_000_000)
        # Through the shortest text of the float, so that 0.15 is 0.15 and not 0.1499999...
        return int((Decimal(str(dollars)) * 1_000_000_000).to_integral_value(ROUND_HALF_EVEN))

    cached = block.value("cached_input", None)
    return PriceConfig(
        input_nano=nano("input"),
        output_nano=nano("output"),
        cached_input_nano=None if cached is None else nano("cached_input"),
    )


def read_routing(values: object, models: Mapping[str, ModelConfig], *, source: str) -> RoutingConfig:
    """Check the block ``routing`` against the models that there are."""
    block = Block(values, place="routing", source=source, known=("rules", "thresholds"))
    defaults = RoutingConfig()
    rules: list[RuleConfig] = []
    for rule in block.items("rules", ("name", "when", "use")):
        when = rule.value("when")
        cases = rule.items("when", _CONDITIONS) if isinstance(when, list) else [rule.block("when", _CONDITIONS)]
        use = rule.text("use")
        if use not in models and use not in TIERS:
            raise rule.error("use", f"is {use!r}, no model and no tier; {nearest(use, [*models, *TIERS])}")
        if use in TIERS and all(model.tier != use for model in models.values()):
            raise rule.error("use", f"is {use!r}, but no model is of that tier")
        if not cases:
            raise rule.error("when", "is an empty list, which never holds")
        rules.append(RuleConfig(name=rule.text("name"), when=tuple(_condition(case) for case in cases), use=use))
    thresholds = block.block("thresholds", ("medium", "strong"), {})
    medium = thresholds.number("medium", defaults.medium_threshold, least=0, most=1)
    strong = thresholds.number("strong", defaults.strong_threshold, least=0, most=1)
    if medium > strong:
        raise thresholds.error("medium", f"is {medium:g}, above strong ({strong:g}); complexity would skip a tier")
    return RoutingConfig(rules=tuple(rules), medium_threshold=medium, strong_threshold=strong)


def _condition(block: Block) -> dict[str, bool | int | float]:
    condition: dict[str, bool | int | float] = {}
    for key in block:
        if key in _FLAG_CONDITIONS:
            condition[key] = block.flag(key)
        elif key in _COUNT_CONDITIONS:
            condition[key] = block.integer(key, least=0, most=_LARGEST_COUNT)
        else:
            condition[key] = block.number(key, least=0, most=1)
    if not condition:
        raise block.error(None, f"has no condition and would always hold; known: {', '.join(sorted(_CONDITIONS))}")
    for noun in ("tokens", "complexity"):
        least, most = condition.get(f"min_{noun}", 0), condition.get(f"max_{noun}", _LARGEST_COUNT)
        if least > most:
            raise block.error(f"min_{noun}", f"is {least:g}, above max_{noun} ({most:g}), so that it never holds")
    return condition
