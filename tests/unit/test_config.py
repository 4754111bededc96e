"""Configuration v1: every key checked, every error with its place."""

from __future__ import annotations

import copy
from itertools import count, pairwise

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
        ("routing.rules", [{"name": "a", "when": {"min_tokens": 10, "max_tokens": 5}, "use": "m"}],
         r"rules\[0\].when.min_tokens is 10, above max_tokens \(5\)"),
        ("routing.rules", [{"name": "a", "when": [{"has_code": True}, {"min_complexity": 0.5, "max_complexity": 0.4}],
                            "use": "m"}], r"rules\[0\].when\[1\].min_complexity is 0.5, above max_complexity"),
        ("routing.rules", [{"name": "a", "when": {"min_turns": 2**32}, "use": "m"}], r"when.min_turns is 4294967296"),
        ("routing.rules", 3, r"routing.rules is 3; a list"),
        ("routing.thresholds", {"medium": 0.9, "strong": 0.1}, r"medium is 0.9, above strong"),
        ("baseline", "mm", r"baseline is 'mm', which is no model; did you mean 'm'"),
        ("version", 1.0, r"version is 1.0; this release reads version 1"),
        ("version", True, r"version is True"),
        ("version", 2, r"version is 2; this release reads version 1"),
        ("models.m.provider", "q", r"models.m.provider is 'q'"),
        ("models.m.tier", "week", r"did you mean 'weak'"),
        ("models.m.context_window", 0, r"context_window is 0, outside"),
        ("models.m.price", {"input": -1, "output": 1}, r"price.input is -1, outside \[0, 1e\+06\]"),
        ("models.m.price", {"input": 1, "output": 1_000_001}, r"price.output is 1000001, outside"),
        ("models.m.price", {"input": float("nan"), "output": 1}, r"price.input is nan; a number"),
        ("models.m.price", {"input": True, "output": 1}, r"price.input is True; a number"),
        ("models.m.price", {"input": 1}, r"price.output is missing"),
        ("models", {}, r"models is empty; at least one"),
        ("models", {"weak": {"provider": "p", "tier": "weak"}}, r"cannot be a model's name"),
        ("cache.similarity_threshold", 1.7, r"similarity_threshold is 1.7, outside \[-1, 1\]"),
        ("cache.ttl_s", 10**400, r"cache.ttl_s is 1000\d*\.\.\., outside"),
        ("cache", {"max_bytes": 10**5000}, r"cache.max_bytes is a number of thousands of digits, outside"),
        ("cache", {3: 4}, r"cache has the key 3; keys are text"),
        ("ledger.path", "a\0b", r"ledger.path is 'a\\x00b'; text"),
        ("baseline", "\ud800", r"baseline is '\\ud800'; text"),
        ("providers.p.base_url", "ftp://x", r"base_url is no http or https address"),
        ("providers.p.base_url", "http://x:port/v1", r"base_url is no http or https address"),
        ("providers.p.base_url", "http://x:65536/v1", r"base_url is no http or https address"),
        ("providers.p.base_url", "http://x:0/v1", r"base_url is no http or https address"),
        ("providers.p.base_url", "http://[::1/v1", r"base_url is no http or https address"),
        ("providers.p.base_url", "http://a b/v1", r"base_url is no http or https address"),
        ("providers.p.base_url", "http://x/v1\n", r"base_url is no http or https address"),
        ("providers.p.base_url", "http:/x/v1", r"base_url is no http or https address"),
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


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080/v1", "https://[::1]:8080/v1/", "https://münchen.example/v1"]
)
def test_an_address_may_be_a_number_or_a_name_of_any_script(address):
    """What a client can reach is not refused; the slash at the end is dropped."""
    assert Config.from_mapping(changed("providers.p.base_url", address)).providers["p"].base_url == address.rstrip("/")


def test_a_merge_is_overridden_by_the_keys_beside_it(tmp_path):
    """`<<` fills in what is not written, as YAML says; of several blocks the first wins."""
    path = tmp_path / "c.yaml"
    path.write_text(
        "version: 1\nbaseline: b\nproviders: {p: {kind: simulated}}\nmodels:\n"
        "  a: &a {provider: p, tier: weak, context_window: 10, price: {input: 1, output: 2}}\n"
        "  b: &b {<<: *a, tier: strong}\n"
        "  c: {<<: [*b, *a], context_window: 20}\n"
    )
    models = Config.load(path).models

    assert [(m.tier, m.context_window) for m in models.values()] == [("weak", 10), ("strong", 10), ("strong", 20)]
    assert models["c"].prices == models["a"].prices


_BOMB = "a: &a {k: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{below}'] * 9)}]}}\n" for below, name in pairwise("abcdefghijklm")
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 200_000, "nested too deeply"),
        (b"a: " + b"{a: " * 20_000, "nested too deeply"),
        (_BOMB.encode(), r"more than 100 aliases"),
        (b"a: &a [" + b"x, " * 9 + b"x]\n" + b"b: [" + b"*a, " * 101 + b"*a]\n", r"c.yaml:2: more than 100 aliases"),
        (b"a: &a {<<: *a}\n", "is not YAML"),
        (b"a: {<<: 3}\n", "c.yaml:1: << merges a mapping"),
        (b"a: {<<: {b: 1}, b: 2, b: 3}\n", "c.yaml:1: the key 'b' is written twice"),
        (b"? [1, 2]\n: 3\n", "c.yaml:1: the key a list is written twice, or is no text"),
        (bytes(range(256)), "is not UTF-8 text"),
        (b"\x00\x01", "is not YAML"),
        (b"version: 1\n" + b"#" * (1 << 20), "has more than 262,144 bytes"),
        (b"a: 2020-13-45\n", "holds a value that YAML cannot read"),
        (b"a: " + b"9" * 5000, "holds a value that YAML cannot read"),
        (b"a: !!python/object/apply:os.getcwd []\n", "is not YAML"),
    ],
    ids=count(),
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_refused_in_a_moment(tmp_path, content, message):
    """Binary files, bombs of aliases and endless nesting end in one line that names the file."""
    path = tmp_path / "c.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=message) as caught:
        Config.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", [".", "a\0b", "\ud800", 3, None, {"version": 1}])
def test_what_is_no_path_of_a_file_is_refused(path):
    """A folder, a name that no file can have, and other objects are configuration errors."""
    with pytest.raises(ConfigError, match=r"cannot be read|is the path of a YAML file"):
        Config.load(path)


def test_a_simulated_provider_with_an_address_is_refused():
    """Nothing would be sent to the address, so that whoever wrote it would be misled."""
    for key, value in (("base_url", "http://127.0.0.1:1/v1"), ("api_key", "env:KEY")):
        with pytest.raises(ConfigError, match=rf"providers\.p\.{key} is set, but simulated asks no server"):
            make_providers(Config.from_mapping(changed(f"providers.p.{key}", value), source="c.yaml"))


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


def test_with_base_url_names_its_own_arguments():
    """An address that is none is an error about `base_url`, and names no key of a file that does not exist."""
    for wrong in ("ftp://x", "localhost:8080", None):
        with pytest.raises(ConfigError, match=r"^base_url is "):
            Config.default().with_base_url(wrong)
    with pytest.raises(ConfigError, match=r"^api_key_env is 'A-B', which is no name"):
        Config.default().with_base_url("http://127.0.0.1/v1", api_key_env="A-B")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("eviction", "s3-fifo", "asked for once"),
        ("ttl_jitter", 0.25, "up to 25% shorter"),
        ("stale_ttl_s", 60, "for 60 s where"),
        ("tenant_share", 0.5, "at most 50%"),
        ("path", "answers", "in the folder answers"),
        ("strict", True, "a fault of the disk is an error"),
        ("semantic", False, "same canonical text"),
        ("similarity_threshold", 0.9, "cosine 0.9"),
        ("slot_similarity_threshold", 0.8, "from 0.8 on"),
        ("max_bytes", 100_000, "100,000 bytes"),
        ("ttl_s", 5, "served for 5 s"),
        ("enabled", False, "no answer is"),
    ],
)
def test_describe_has_a_line_for_every_key_of_the_cache(key, value, words):
    """What is set is said, under its own name."""
    config = Config.from_mapping({**GOOD, "cache": {key: value}})

    assert words in dict(config.describe())[f"cache.{key}"]


def test_no_key_of_the_cache_is_left_out_of_its_description():
    """The cases of the test above are all there are; `durability` stands in the line of `path`."""
    test = test_describe_has_a_line_for_every_key_of_the_cache
    described = {case[0] for mark in test.pytestmark for case in mark.args[1]}

    assert described | {"durability"} == set(CacheConfig.__dataclass_fields__)


def test_a_promise_about_a_disk_needs_one():
    """`durability: sync` without a path is refused: nothing would be written."""
    with pytest.raises(ConfigError, match=r"^c\.yaml: cache\.durability is 'sync' without a path.* set cache\.path"):
        Config.from_mapping(changed("cache.durability", "sync"), source="c.yaml")
    assert Config.from_mapping({**GOOD, "cache": {"durability": "sync", "path": "x"}}).cache.durability == "sync"
