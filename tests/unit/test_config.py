"""Configuration v1: every key checked, every error with its place."""

from __future__ import annotations

import copy

import pytest

from compound_fast.config import CacheConfig, Config, SimulatedConfig
from compound_fast.errors import ConfigError
from compound_fast.providers import make_providers

GOOD = {
    "version": 1,
    "providers": {"p": {"kind": "simulated"}},
    "models": {"m": {"provider": "p", "tier": "weak", "price": {"input": 0.15, "output": 0.6}}},
    "baseline": "m",
}


def changed(path: str, value: object) -> dict:
    """Return GOOD with one value replaced; `path` is dotted."""
    mapping = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = mapping
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return mapping


def test_the_embedded_default_holds_the_defaults_of_every_block():
    """Leaving a block out and taking the embedded default is the same."""
    config = Config.default()

    assert config.cache == CacheConfig()
    assert config.simulated == SimulatedConfig()
    assert config.baseline == "sim-strong"


def test_a_price_is_exact_in_nano_dollars():
    """0.15 dollars are 150,000,000 nano-dollars, though no float is 0.15."""
    price = Config.from_mapping(GOOD).models["m"].price

    assert (price.input_nano, price.output_nano, price.cached_input_nano) == (150_000_000, 600_000_000, None)
    assert price.cost_nano(1_000_000, 0) == 150_000_000


def test_a_model_without_a_price_has_none():
    """An unknown price is None, not 0."""
    mapping = changed("models.m.price", None)

    assert Config.from_mapping(mapping).models["m"].price is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("cache.ttl", 3, r"c.yaml: cache.ttl is no key .* did you mean 'ttl_s'"),
        ("routing.rules", [{"name": "a", "when": {"has_coed": True}, "use": "m"}], r"when.has_coed .* 'has_code'"),
        ("routing.rules", [{"name": "a", "when": {}, "use": "m"}], r"routing.rules\[0\].when has no condition"),
        ("routing.rules", [{"name": "a", "when": {"has_code": True}, "use": "wek"}], r"did you mean 'weak'"),
        ("routing.rules", [{"name": "a", "when": {"has_code": 1}, "use": "m"}], r"has_code is 1; true or false"),
        ("routing.thresholds", {"medium": 0.9, "strong": 0.1}, r"medium is 0.9, above strong"),
        ("baseline", "mm", r"baseline is 'mm', which is no model; did you mean 'm'"),
        ("version", 2, r"version is 2; this release reads version 1"),
        ("models.m.provider", "q", r"models.m.provider is 'q'"),
        ("models.m.tier", "week", r"did you mean 'weak'"),
        ("models.m.context_window", 0, r"context_window is 0, outside"),
        ("models.m.price", {"input": -1, "output": 1}, r"price.input is -1, outside \[0, 1e\+06\]"),
        ("models.m.price", {"input": 1, "output": 1_000_001}, r"price.output is 1e\+06, outside"),
        ("models.m.price", {"input": float("nan"), "output": 1}, r"price.input is nan; a number"),
        ("models.m.price", {"input": True, "output": 1}, r"price.input is True; a number"),
        ("models.m.price", {"input": 1}, r"price.output is missing"),
        ("models", {}, r"models is empty; at least one"),
        ("models", {"weak": {"provider": "p", "tier": "weak"}}, r"cannot be a model's name"),
        ("cache.similarity_threshold", 1.7, r"similarity_threshold is 1.7, outside \[-1, 1\]"),
        ("providers.p.base_url", "ftp://x", r"base_url is no http or https address"),
        ("providers.p.base_url", "https://user:pass@x/v1", r"holds a user or password"),
        ("providers.p.timeout_s", 0, r"timeout_s is 0, outside"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_place(path, value, message):
    """The message names file, place, value and remedy."""
    with pytest.raises(ConfigError, match=message):
        Config.from_mapping(changed(path, value), source="c.yaml")


def test_a_key_written_into_the_file_is_refused_and_not_shown():
    """A secret stands in the environment; the message does not repeat it."""
    with pytest.raises(ConfigError, match="env:NAME") as caught:
        Config.from_mapping(changed("providers.p.api_key", "sk-very-secret"))
    assert "secret" not in str(caught.value)


def test_a_key_is_read_from_the_environment_when_it_is_used(monkeypatch):
    """The variable may be set after the configuration was loaded."""
    provider = Config.from_mapping(changed("providers.p.api_key", "env:SHOP_KEY")).providers["p"]
    monkeypatch.delenv("SHOP_KEY", raising=False)
    with pytest.raises(ConfigError, match="SHOP_KEY is not set"):
        provider.read_api_key()

    monkeypatch.setenv("SHOP_KEY", "k")
    assert provider.read_api_key() == "k"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nversion: 1\n", "c.yaml:2: the key 'version' is written twice"),
        ("version: [1\n", "c.yaml:2: is not YAML"),
        ("- 1\n", "a mapping of keys to values belongs here"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, text, message):
    """A file that is not YAML, or writes a key twice, is refused with the line."""
    path = tmp_path / "c.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message):
        Config.load(path)


def test_a_missing_file_is_a_configuration_error(tmp_path):
    """The path that was given is named."""
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read: No such file"):
        Config.load(tmp_path / "none.yaml")


def test_an_unknown_kind_of_provider_is_refused_when_it_is_made():
    """The nearest known kind is named."""
    config = Config.from_mapping(changed("providers.p.kind", "openai_compatable"))

    with pytest.raises(ConfigError, match="did you mean 'openai_compatible'"):
        make_providers(config)


def test_a_server_without_an_address_is_refused():
    """openai_compatible needs base_url."""
    with pytest.raises(ConfigError, match=r"providers\.p\.base_url is missing"):
        make_providers(Config.from_mapping(changed("providers.p.kind", "openai_compatible")))


def test_describe_says_what_every_model_and_rule_does():
    """Each model, rule and provider has its line."""
    lines = dict(Config.default().describe())

    assert "$0.15 in and $0.6 out" in lines["models.sim-weak"]
    assert "has_code = true goes to medium" in lines["routing.rules[1]"]
    assert {"baseline", "cache.max_bytes", "providers.simulated", "simulated"} <= lines.keys()


def test_with_base_url_keeps_models_and_prices(monkeypatch):
    """The same configuration, sent to one server; a key is named only where it is set."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    config = Config.default().with_base_url("http://127.0.0.1:1/v1/")

    assert config.providers["server"].base_url == "http://127.0.0.1:1/v1"
    assert config.providers["server"].api_key == "env:OPENAI_API_KEY"
    assert {model.provider for model in config.models.values()} == {"server"}
    assert config.models["sim-weak"].prices == Config.default().models["sim-weak"].prices
