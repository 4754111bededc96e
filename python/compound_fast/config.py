"""Configuration v1: read, checked, and frozen.

Every key is checked; an unknown one is an error that names the nearest known one and its place. A secret is written
as ``env:NAME`` and read when it is used, so a configuration can be printed and committed. ``default.yaml`` in this
package is a complete example, and what runs when nothing is configured.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from compound_fast._arguments import LARGEST_CACHE_BYTES, LONGEST_TTL_S, SHORTEST_TTL_S, SMALLEST_CACHE_BYTES, shown
from compound_fast._config_block import Block, nearest, ranged, read_yaml
from compound_fast._config_routing import (
    TIERS,
    ModelConfig,
    PriceConfig,
    RoutingConfig,
    RuleConfig,
    Tier,
    read_models,
    read_routing,
)
from compound_fast._keys import read_key
from compound_fast.errors import ConfigError

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

_BLOCKS = (
    "version", "models", "baseline", "routing", "cache", "embedder", "providers", "ledger", "simulated"
)  # fmt: skip
_LARGEST = 2**53  # what every JSON reader holds exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """What the cache may hold, for how long, and how close is close enough."""

    enabled: bool = True
    max_bytes: int = ranged(16 << 20, SMALLEST_CACHE_BYTES, LARGEST_CACHE_BYTES)
    ttl_s: float = ranged(86_400.0, SHORTEST_TTL_S, LONGEST_TTL_S)
    stale_ttl_s: float | None = ranged(None, SHORTEST_TTL_S, LONGEST_TTL_S)
    ttl_jitter: float = ranged(0.0, 0, 0.9)
    eviction: str = field(default="lru", metadata={"choices": ("lru", "s3-fifo", "cost-aware")})
    tenant_share: float | None = ranged(None, 0.001, 1)
    path: str | None = None
    durability: str = field(default="interval", metadata={"choices": ("interval", "sync")})
    strict: bool = False
    semantic: bool = True
    similarity_threshold: float = ranged(0.95, -1, 1)
    slot_similarity_threshold: float = ranged(0.70, -1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderConfig:
    """Which embedder turns text into vectors."""

    kind: str = field(default="static", metadata={"choices": ("static",)})


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
    connect_timeout_s: float = ranged(5.0, 0.001, 86_400)
    idle_timeout_s: float = ranged(30.0, 0.001, 86_400)
    timeout_s: float = ranged(120.0, 0.001, 86_400)

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

    seed: int = ranged(0, 0, _LARGEST)
    sleep: bool = False
    output_tokens_median: float = ranged(180.0, 1, 100_000)
    output_tokens_sigma: float = ranged(0.6, 0, 5)
    output_tokens_max: int = ranged(2000, 1, 100_000)
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
        if not isinstance(path, (str, os.PathLike)):
            raise ConfigError(f"a configuration is the path of a YAML file, or a Config; got {type(path).__name__}")
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
        if type(version) is not int or version != 1:
            raise root.error("version", f"is {shown(version)}; this release reads version 1")
        providers = _providers(root.block("providers"))
        models = read_models(root.block("models"), providers)
        baseline = root.text("baseline")
        if baseline not in models:
            raise root.error("baseline", f"is {baseline!r}, which is no model; {nearest(baseline, list(models))}")
        return cls(
            source=source,
            models=models,
            baseline=baseline,
            providers=providers,
            routing=read_routing(root.value("routing", {}), models, source=source),
            cache=_cache(root),
            embedder=root.plain("embedder", EmbedderConfig),
            ledger=root.plain("ledger", LedgerConfig),
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

        Raises
        ------
        ConfigError
            If `base_url` is no address, or `api_key_env` no name of a variable.
        """
        given = Block({"base_url": base_url, "api_key_env": api_key_env}, place="", source="")
        if api_key_env is not None and not given.text("api_key_env").isidentifier():
            raise given.error("api_key_env", f"is {shown(api_key_env)}, which is no name of an environment variable")
        server = ProviderConfig(
            name="server",
            kind="openai_compatible",
            base_url=_address(given, given.text("base_url")),
            api_key=f"env:{api_key_env}" if api_key_env and os.environ.get(api_key_env) else None,
        )
        models = {
            name: replace(known, provider="server", upstream_model=model or known.upstream_model)
            for name, known in self.models.items()
        }
        return replace(self, models=models, providers={server.name: server})

    def describe(self) -> list[tuple[str, str]]:
        """Return what each line of the configuration does, as (key, sentence)."""
        from compound_fast._config_words import describe

        return describe(self)


_SIMULATED_KEYS = ("seed", "sleep", "output_tokens", "first_token_ms", "ms_per_token")


def _cache(root: Block) -> CacheConfig:
    cache = root.plain("cache", CacheConfig)
    if cache.durability == "sync" and cache.path is None:
        raise root.error("cache.durability", "is 'sync' without a path: nothing is kept on a disk; set cache.path")
    return cache


def _providers(block: Block) -> dict[str, ProviderConfig]:
    known = tuple(key for key in ProviderConfig.__dataclass_fields__ if key != "name")
    providers: dict[str, ProviderConfig] = {}
    for name in block:
        provider = block.block(name, known)
        options = provider.options(ProviderConfig)
        if options.get("base_url") is not None:
            options["base_url"] = _address(provider, options["base_url"])
        api_key = options.get("api_key")
        if api_key is not None and (not api_key.startswith("env:") or not api_key[4:].isidentifier()):
            # The value is not shown: it may be the key itself.
            raise provider.error("api_key", "is not of the form env:NAME; a key is never written in a configuration")
        providers[name] = ProviderConfig(name=name, kind=provider.text("kind"), **options)
    return providers


def _address(provider: Block, base_url: str) -> str:
    """Return an address without its last slash; a wrong one is not shown, for it may hold a password."""
    try:
        parts = urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and not parts.query and not parts.fragment and parts.port != 0
        host = parts.hostname or ""
    except ValueError:  # a port that is no number up to 65535, or half a bracket
        is_address = False
    if not is_address or not re.fullmatch(r"[\w.-]+|[0-9a-f:.]*:[0-9a-f:.]*", host) or not base_url.isprintable():
        raise provider.error("base_url", "is no http or https address such as https://api.openai.com/v1")
    if parts.username is not None or parts.password is not None:
        raise provider.error("base_url", "holds a user or password; write api_key: env:NAME")
    return base_url.rstrip("/")


def _simulated(block: Block) -> SimulatedConfig:
    defaults = SimulatedConfig()
    lengths = block.block("output_tokens", ("median", "sigma", "max"), {})

    def by_tier(key: str, default: Mapping[str, float]) -> dict[str, float]:
        tiers = block.block(key, TIERS, {})
        return {tier: tiers.number(tier, default[tier], least=0, most=600_000) for tier in TIERS}

    return SimulatedConfig(
        first_token_ms=by_tier("first_token_ms", defaults.first_token_ms),
        ms_per_token=by_tier("ms_per_token", defaults.ms_per_token),
        **block.options(SimulatedConfig),
        **lengths.options(SimulatedConfig, "output_tokens_"),
    )
