"""A configuration in words, for ``compound-fast check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compound_fast.config import Config, ModelConfig, ProviderConfig, RuleConfig

__all__ = ["describe"]


_EVICTION = {
    "lru": "the answer that was served longest ago goes first (lru)",
    "s3-fifo": "an answer that was asked for once goes before one that was served (s3-fifo)",
    "cost-aware": "the answer that saves least for its bytes goes first (cost-aware)",
}


def describe(config: Config) -> list[tuple[str, str]]:
    """Return (key, what it does) for each line that `config` holds, defaults included."""
    return [*_models(config), *_routing(config), *_cache(config), *_rest(config)]


def _models(config: Config) -> Iterator[tuple[str, str]]:
    for model in config.models.values():
        yield f"models.{model.name}", _model(model)
    yield "baseline", f"what it would have cost without compound_fast is each request at {config.baseline}"
    for provider in config.providers.values():
        yield f"providers.{provider.name}", _provider(provider)


def _model(model: ModelConfig) -> str:
    asked_as = "" if model.upstream_model == model.name else f" as {model.upstream_model}"
    if model.prices is None:
        price = "price unknown, so its cost is reported as unknown"
    else:
        price = f"${model.prices.input_nano / 1e9:g} in and ${model.prices.output_nano / 1e9:g} out per million tokens"
        if model.prices.cached_input_nano is not None:
            price += f", ${model.prices.cached_input_nano / 1e9:g} for input the provider had cached"
    return f"{model.tier} tier, asked of {model.provider}{asked_as}; {model.context_window:,} tokens; {price}"


def _provider(provider: ProviderConfig) -> str:
    if provider.base_url is None:
        return f"answers by {provider.kind}, without a network"
    key = "without a key" if provider.api_key is None else f"with the key in the variable {provider.api_key[4:]}"
    return (
        f"sends to {provider.base_url} {key}; connects within {provider.connect_timeout_s:g} s, a stream may be silent "
        f"for {provider.idle_timeout_s:g} s, a call may take {provider.timeout_s:g} s with its retry"
    )


def _routing(config: Config) -> Iterator[tuple[str, str]]:
    for position, rule in enumerate(config.routing.rules):
        yield f"routing.rules[{position}]", f"{rule.name}: {_rule(rule)}"
    medium, strong = config.routing.medium_threshold, config.routing.strong_threshold
    yield (
        "routing.thresholds",
        f"other requests go by complexity: below {medium:g} weak, below {strong:g} medium, from there on strong",
    )


def _rule(rule: RuleConfig) -> str:
    cases = " or ".join(_condition(case) for case in rule.when)
    return f"a request with {cases} goes to {rule.use}"


def _condition(case: Mapping[str, bool | int | float]) -> str:
    parts = []
    for key, value in case.items():
        if isinstance(value, bool):
            parts.append(f"{key} = {'true' if value else 'false'}")
        else:
            bound, noun = key.split("_", 1)
            parts.append(f"{noun} {'>=' if bound == 'min' else '<='} {value:,}")
    return " and ".join(parts)


def _cache(config: Config) -> Iterator[tuple[str, str]]:
    cache = config.cache
    if not cache.enabled:
        yield "cache.enabled", "no answer is looked up or stored"
        return
    yield "cache.max_bytes", f"holds at most {cache.max_bytes:,} bytes, entries and index together"
    yield "cache.eviction", f"when they run out, {_EVICTION[cache.eviction]}"
    yield "cache.ttl_s", f"an answer is served for {cache.ttl_s:,g} s after it was stored"
    if cache.ttl_jitter:
        yield "cache.ttl_jitter", f"each time to live is up to {cache.ttl_jitter:.0%} shorter, by chance"
    if cache.stale_ttl_s is not None:
        yield "cache.stale_ttl_s", f"and for {cache.stale_ttl_s:,g} s where the request says today, latest and the like"
    if cache.tenant_share is not None:
        yield "cache.tenant_share", f"one tenant's entries take at most {cache.tenant_share:.0%} of the bytes"
    if cache.path is None:
        yield "cache.path", "is kept in memory only"
    else:
        kept = "a power cut" if cache.durability == "sync" else "a killed process, and after a second a power cut"
        yield "cache.path", f"is kept in the folder {cache.path}; what was stored survives {kept}"
    if cache.strict:
        yield "cache.strict", "a fault of the disk is an error"
    elif cache.path is not None:
        yield "cache.strict", "a fault of the disk is logged and counted, and is no error"
    if not cache.semantic:
        yield "cache.semantic", "only requests of the same canonical text are served"
        return
    yield (
        "cache.similarity_threshold",
        f"a request in other words is served from cosine {cache.similarity_threshold:g} on",
    )
    yield (
        "cache.slot_similarity_threshold",
        f"from {cache.slot_similarity_threshold:g} on where it carries the same id or amount of money",
    )
    yield "embedder.kind", f"text becomes vectors through the {config.embedder.kind} embedder"


def _rest(config: Config) -> Iterator[tuple[str, str]]:
    path = config.ledger.path
    yield "ledger.path", f"appends one row per request to {path}" if path else "keeps only totals, nothing on disk"
    if any(provider.kind == "simulated" for provider in config.providers.values()):
        simulated = config.simulated
        yield (
            "simulated",
            f"simulated answers have a median of {simulated.output_tokens_median:g} tokens (seed {simulated.seed}); "
            + ("their latency is waited out" if simulated.sleep else "their latency is reported, not waited for"),
        )
