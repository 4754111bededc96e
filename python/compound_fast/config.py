"""Configuration v1: read, checked, and frozen.

Every key is checked; an unknown one is an error that names the nearest known one and its place. A secret is written
as ``env:NAME`` and read when it is used, so a configuration can be printed and committed. ``default.yaml`` in this
package is a complete example, and what runs when nothing is configured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from compound_fast._config_block import Block, nearest, read_yaml
from compound_fast._keys import read_key

if TYPE_CHECKING:
    from compound_fast._core import Price

__all__ = [
    "TIERS",
    "CacheConfig",
    "Config",
    "EmbedderConfig",
    "LedgerConfig",
    "ModelConfig",
    "PriceConfig",
    "ProviderConfig",
    "RoutingConfig",
    "RuleConfig",
    "SimulatedConfig",
    "Tier",
]

Tier: TypeAlias = Literal["weak", "medium", "strong"]
TIERS: tuple[Tier, ...] = ("weak", "medium", "strong")

_BLOCKS = (
    "version", "models", "baseline", "routing", "cache", "embedder", "providers", "ledger", "simulated"
)  # fmt: skip
_LARGEST = 2**53  # what every JSON reader holds exactly


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
    context_window: int = 128_000
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """What the cache may hold, for how long, and how close is close enough."""

    enabled: bool = True
    max_bytes: int = 16 << 20
    ttl_s: float = 86_400.0
    semantic: bool = True
    similarity_threshold: float = 0.95
    slot_similarity_threshold: float = 0.70


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderConfig:
    """Which embedder turns text into vectors."""

    kind: str = "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A provider of models.

    Attributes
    ----------
    name, kind : str
        What this configuration calls it; which implementation answers.
    base_url : str or None
        Root of the server's API, up to and including ``/v1``.
    api_key : str or None
        ``env:NAME``; read when a request is sent. None = no key is sent.
    connect_timeout_s : float
        Most seconds to reach the server.
    idle_timeout_s : float
        Longest silence of a stream, before its first byte too. (An answer in one piece is silent until it is done.)
    timeout_s : float
        Most seconds that one model may take for a call, retries included.
    """

    name: str
    kind: str
    base_url: str | None = None
    api_key: str | None = None
    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 30.0
    timeout_s: float = 120.0

    def read_api_key(self) -> str | None:
        """Return the key, from the environment; None where none is configured.

        Raises
        ------
        ConfigError
            If the variable is not set, or holds anything but visible ASCII characters.
        """
        if self.api_key is None:
            return None
        return read_key(self.api_key.removeprefix("env:"), place=f"providers.{self.name}.api_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerConfig:
    """Where one row per request goes; None keeps only the totals."""

    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConfig:
    """How simulated models answer: the same for every model but for the latencies, which go by tier."""

    seed: int = 0
    sleep: bool = False
    output_tokens_median: float = 180.0
    output_tokens_sigma: float = 0.6
    output_tokens_max: int = 2000
    first_token_ms: Mapping[str, float] = field(
        default_factory=lambda: {"weak": 180.0, "medium": 320.0, "strong": 550.0}
    )
    ms_per_token: Mapping[str, float] = field(default_factory=lambda: {"weak": 6.0, "medium": 11.0, "strong": 18.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration. Make one with `load`, `default` or `from_mapping`, which check it."""

    source: str
    models: Mapping[str, ModelConfig]
    baseline: str
    providers: Mapping[str, ProviderConfig]
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    embedder: EmbedderConfig = field(default_factory=EmbedderConfig)
    ledger: LedgerConfig = field(default_factory=LedgerConfig)
    simulated: SimulatedConfig = field(default_factory=SimulatedConfig)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Config:
        """Read a YAML file.

        Raises
        ------
        ConfigError
            If the file cannot be read, or a key or value in it is wrong; the message names file, place and remedy.
        """
        return cls.from_mapping(read_yaml(Path(path)), source=os.fspath(path))

    @classmethod
    def default(cls) -> Config:
        """Return the embedded configuration: three simulated models, no network, nothing kept on disk."""
        return cls.from_mapping(read_yaml(Path(__file__).with_name("default.yaml")), source="default.yaml")

    @classmethod
    def from_mapping(cls, values: object, *, source: str = "configuration") -> Config:
        """Check a configuration given as a mapping; `source` names it in messages.

        Raises
        ------
        ConfigError
            If a key or value is wrong.
        """
        root = Block(values, place="", source=source, known=_BLOCKS)
        version = root.value("version")
        if version != 1 or isinstance(version, bool):
            raise root.error("version", f"is {version!r}; this release reads version 1")
        providers = _providers(root.block("providers"))
        models = _models(root.block("models"), providers)
        baseline = root.text("baseline")
        if baseline not in models:
            raise root.error("baseline", f"is {baseline!r}, which is no model; {nearest(baseline, list(models))}")
        return cls(
            source=source,
            models=models,
            baseline=baseline,
            providers=providers,
            routing=_routing(root.block("routing", ("rules", "thresholds"), {}), models),
            cache=_cache(root.block("cache", tuple(CacheConfig.__dataclass_fields__), {})),
            embedder=EmbedderConfig(
                kind=root.block("embedder", ("kind",), {}).choice("kind", _EMBEDDERS, EmbedderConfig().kind)
            ),
            ledger=LedgerConfig(path=root.block("ledger", ("path",), {}).optional_text("path")),
            simulated=_simulated(root.block("simulated", _SIMULATED_KEYS, {})),
        )

    def with_base_url(
        self, base_url: str, *, api_key_env: str | None = "OPENAI_API_KEY", model: str | None = None
    ) -> Config:
        """Return this configuration with every model sent to one OpenAI-compatible server.

        Prices stay as configured.

        Parameters
        ----------
        base_url : str
            Root of the server's API, up to and including ``/v1``.
        api_key_env : str or None
            Environment variable with the key; none is sent where it is not set.
        model : str or None
            What the server calls the one model it has; None keeps each model's own name.
        """
        api_key = f"env:{api_key_env}" if api_key_env and os.environ.get(api_key_env) else None
        server = {"kind": "openai_compatible", "base_url": base_url, "api_key": api_key}
        providers = _providers(Block({"server": server}, place="providers", source="base_url"))
        models = {
            name: replace(known, provider="server", upstream_model=model or known.upstream_model)
            for name, known in self.models.items()
        }
        return replace(self, models=models, providers=providers)

    def describe(self) -> list[tuple[str, str]]:
        """Return what each line of the configuration does, as (key, sentence)."""
        from compound_fast._config_words import describe

        return describe(self)


_EMBEDDERS = ("static",)
_PROVIDER_KEYS = ("kind", "base_url", "api_key", "connect_timeout_s", "idle_timeout_s", "timeout_s")
_SIMULATED_KEYS = ("seed", "sleep", "output_tokens", "first_token_ms", "ms_per_token")
_FLAG_CONDITIONS = ("has_code", "has_tools", "wants_json", "is_question")
_COUNT_CONDITIONS = ("min_tokens", "max_tokens", "min_turns")
_SHARE_CONDITIONS = ("min_complexity", "max_complexity")
_CONDITIONS = _FLAG_CONDITIONS + _COUNT_CONDITIONS + _SHARE_CONDITIONS


def _providers(block: Block) -> dict[str, ProviderConfig]:
    defaults = ProviderConfig(name="", kind="")
    providers: dict[str, ProviderConfig] = {}
    for name in block:
        provider = block.block(name, _PROVIDER_KEYS)
        base_url = provider.optional_text("base_url")
        if base_url is not None:
            parts = urlsplit(base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
                raise provider.error("base_url", "is no http or https address such as https://api.openai.com/v1")
            if parts.username or parts.password:
                raise provider.error("base_url", "holds a user or password; write api_key: env:NAME")
        api_key = provider.optional_text("api_key")
        if api_key is not None and (not api_key.startswith("env:") or not api_key[4:].isidentifier()):
            # The value is not shown: it may be the key itself.
            raise provider.error("api_key", "is not of the form env:NAME; a key is never written in a configuration")
        providers[name] = ProviderConfig(
            name=name,
            kind=provider.text("kind"),
            base_url=base_url.rstrip("/") if base_url else None,
            api_key=api_key,
            connect_timeout_s=_seconds(provider, "connect_timeout_s", defaults.connect_timeout_s),
            idle_timeout_s=_seconds(provider, "idle_timeout_s", defaults.idle_timeout_s),
            timeout_s=_seconds(provider, "timeout_s", defaults.timeout_s),
        )
    return providers


def _seconds(block: Block, key: str, default: float) -> float:
    return block.number(key, default, least=0.001, most=86_400)


def _models(block: Block, providers: Mapping[str, ProviderConfig]) -> dict[str, ModelConfig]:
    models: dict[str, ModelConfig] = {}
    for name in block:
        if name in (*TIERS, "auto"):
            raise block.error(name, f"cannot be a model's name: {name!r} means a tier, or the router's choice")
        model = block.block(name, ("provider", "upstream_model", "tier", "context_window", "price"))
        provider = model.text("provider")
        if provider not in providers:
            raise model.error(
                "provider", f"is {provider!r}, which is no provider; {nearest(provider, list(providers))}"
            )
        prices = model.value("price", None)
        models[name] = ModelConfig(
            name=name,
            provider=provider,
            upstream_model=model.text("upstream_model", name),
            tier=_tier(model.choice("tier", TIERS)),
            context_window=model.integer("context_window", 128_000, least=1, most=_LARGEST),
            prices=None if prices is None else _prices(model.block("price", ("input", "output", "cached_input"))),
        )
    if not models:
        raise block.error(None, "is empty; at least one model is needed")
    return models


def _tier(text: str) -> Tier:
    return TIERS[TIERS.index(text)]


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


def _routing(block: Block, models: Mapping[str, ModelConfig]) -> RoutingConfig:
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
            condition[key] = block.integer(key, least=0, most=_LARGEST)
        else:
            condition[key] = block.number(key, least=0, most=1)
    if not condition:
        raise block.error(None, f"has no condition and would always hold; known: {', '.join(sorted(_CONDITIONS))}")
    return condition


def _cache(block: Block) -> CacheConfig:
    defaults = CacheConfig()
    return CacheConfig(
        enabled=block.flag("enabled", defaults.enabled),
        max_bytes=block.integer("max_bytes", defaults.max_bytes, least=64 << 10, most=1 << 50),
        ttl_s=block.number("ttl_s", defaults.ttl_s, least=0.001, most=3_155_760_000),
        semantic=block.flag("semantic", defaults.semantic),
        similarity_threshold=block.number("similarity_threshold", defaults.similarity_threshold, least=-1, most=1),
        slot_similarity_threshold=block.number(
            "slot_similarity_threshold", defaults.slot_similarity_threshold, least=-1, most=1
        ),
    )


def _simulated(block: Block) -> SimulatedConfig:
    defaults = SimulatedConfig()
    tokens = block.block("output_tokens", ("median", "sigma", "max"), {})

    def by_tier(key: str, default: Mapping[str, float]) -> dict[str, float]:
        tiers = block.block(key, TIERS, {})
        return {tier: tiers.number(tier, default[tier], least=0, most=600_000) for tier in TIERS}

    return SimulatedConfig(
        seed=block.integer("seed", defaults.seed, least=0, most=_LARGEST),
        sleep=block.flag("sleep", defaults.sleep),
        output_tokens_median=tokens.number("median", defaults.output_tokens_median, least=1, most=100_000),
        output_tokens_sigma=tokens.number("sigma", defaults.output_tokens_sigma, least=0, most=5),
        output_tokens_max=tokens.integer("max", defaults.output_tokens_max, least=1, most=100_000),
        first_token_ms=by_tier("first_token_ms", defaults.first_token_ms),
        ms_per_token=by_tier("ms_per_token", defaults.ms_per_token),
    )
