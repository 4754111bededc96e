"""Whatever is passed to a public name, only errors of ours come out of it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import compound_fast as cf
from compound_fast.cli import build_app
from compound_fast.cli.traffic import parse_line

ODD = [
    None, True, False, 0, -1, 2**31, 2**63, 2**64, 2**70, 10**400, -0.0, 0.5, 1e308, 1e-320,
    math.nan, math.inf, -math.inf, Decimal("sNaN"), Decimal("1e999999"), 1j, "", "\ud800", "\0", "auto", "default",
    b"", b"\xff", b"{}", bytearray(b"x"), (), [], {}, set(), [[]], {"a": math.nan}, {1: 2}, object(), int, print,
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.complex_numbers(), st.binary(max_size=9),
    st.text(st.characters(), max_size=9), st.sampled_from(["\ud800", "a\udfffb"]),
)  # fmt: skip
KEYS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9))
VALUES = st.one_of(
    st.sampled_from(ODD),
    SCALARS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
    ),
)
HI = [{"role": "user", "content": "hi"}]
MODELS = [{"name": "m", "tier": "weak"}]


@pytest.fixture(scope="module")
def client() -> Iterator[cf.Client]:
    """One client for all examples."""
    with cf.Client() as made:
        yield made


@contextlib.contextmanager
def only_ours() -> Iterator[None]:
    """Let our errors pass, if they can be written."""
    try:
        yield
    except cf.CompoundFastError as error:
        str(error).encode()


def options(*names: str) -> st.SearchStrategy[dict[str, object]]:
    """Some of these arguments, each with any value."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, VALUES))


@given(
    options(
        "max_bytes", "ttl_s", "policy", "embedder", "similarity_threshold", "slot_similarity_threshold", "durability",
        "strict", "clock",
    ),
    st.one_of(VALUES.filter(lambda value: not isinstance(value, str)), st.sampled_from(["", "\0", "\ud800"])),
)  # fmt: skip
def test_a_cache_is_made_or_refused(arguments: dict[str, object], path: object) -> None:
    """No argument of the constructor raises anything of Python's or of the extension's."""
    with only_ours():
        cf.SemanticCache(path=path, **arguments)  # type: ignore[arg-type]


@given(st.one_of(VALUES, st.just("hi")), VALUES, options("tenant", "namespace", "model", "cost_usd", "ttl_s"))
def test_what_a_cache_takes_it_gives_back(request: object, response: object, arguments: dict[str, object]) -> None:
    """Any request, answer, tenant and cost is stored and served as it came, or refused by an error of ours."""
    cache = cf.SemanticCache(max_bytes=1 << 20)
    who = {name: arguments[name] for name in ("tenant", "namespace") if name in arguments}
    with only_ours():
        cache.get(request, **who)  # type: ignore[arg-type]
    with only_ours():
        cache.explain(request, **who)  # type: ignore[arg-type]
    with only_ours():
        stored = cache.put(request, response, **arguments)  # type: ignore[arg-type]
        hit = cache.get(request, **who)  # type: ignore[arg-type]
        assert stored is not None
        assert hit is not None
        assert type(hit.response) is type(response)
        assert hit.response == response or isinstance(response, dict)  # JSON makes text of a key that is a number


@given(VALUES, VALUES, options("tenant", "namespace"))
def test_a_router_and_an_engine_decide_or_refuse(request: object, body: object, who: dict[str, object]) -> None:
    """Any request is routed or refused; so is any body of an engine."""
    router = cf.Router(MODELS)
    with only_ours():
        router.route(request, **who)  # type: ignore[arg-type]
    with only_ours():
        cf.Engine(None, router).decide(body, **who)  # type: ignore[arg-type]
    with only_ours():
        cf.Engine(request, router)  # type: ignore[arg-type]
    with only_ours():
        cf.Engine(None, body)  # type: ignore[arg-type]


@given(VALUES, VALUES, options("name", "tier", "context_window", "price", "provider"))
def test_a_router_is_made_or_refused(models: object, policy: object, model: dict[str, object]) -> None:
    """Models and policies of any kind are read or refused."""
    for given_models in (models, [model], [{**MODELS[0], **model}]):
        with only_ours():
            cf.Router(given_models, policy)  # type: ignore[arg-type]
    with only_ours():
        cf.Router(MODELS, {"rules": policy, "thresholds": models})  # type: ignore[arg-type]
    with only_ours():
        cf.Router(MODELS, {"rules": [{"name": "r", "when": policy, "use": models}]})


@given(
    VALUES, st.sampled_from(["version", "models", "baseline", "routing", "cache", "providers", "ledger", "simulated"])
)
def test_a_configuration_is_read_or_refused(value: object, key: str) -> None:
    """Any value in the place of a block, of one of its keys, or of the whole, is read or refused."""
    good = {
        "version": 1,
        "models": {"m": {"provider": "p", "tier": "weak"}},
        "baseline": "m",
        "providers": {"p": {"kind": "simulated"}},
        "cache": {"ttl_s": 1},
        "simulated": {"seed": 1, "output_tokens": {"max": 1}, "ms_per_token": {"weak": 1}},
    }
    block = good.get(key)
    changed = [value, {**good, key: value}]
    if isinstance(block, dict):
        changed += [{**good, key: {**block, name: value}} for name in block]
        changed += [{**good, key: {name: {**part, **dict.fromkeys(part, value)}}} for name, part in block.items()
                    if isinstance(part, dict)]  # fmt: skip
    for configuration in changed:
        with only_ours():
            cf.Config.from_mapping(configuration).describe()


@given(VALUES)
def test_a_client_is_made_or_refused(config: object) -> None:
    """What is no configuration and no path of one is refused."""
    for make in (cf.Client, cf.AsyncClient, cf.Config.load, cf.Router.from_config):
        with only_ours():
            make(config)  # type: ignore[operator]


@given(options("messages", "model", "stream", "compound", "extra_body", "temperature", "max_tokens", "tools", "stop"))
def test_a_call_answers_or_refuses(client: cf.Client, arguments: dict[str, object]) -> None:
    """Any argument of a call gives an answer or an error of ours, streamed and not."""
    for more in ({}, {"messages": HI}, {"messages": HI, "stream": True}):
        with only_ours():
            reply = client.chat.completions.create(**{"messages": HI, **arguments, **more})  # type: ignore[call-overload]
            if more.get("stream") or (arguments.get("stream") is True and "stream" not in more):
                list(reply)


@given(st.dictionaries(st.sampled_from(["tenant", "namespace", "cache", "ttl_s", "tennant"]), VALUES))
def test_options_of_a_call_are_taken_or_refused(arguments: dict[str, object]) -> None:
    """Whatever is taken can be asked for."""
    with only_ours():
        taken = cf.CallOptions.from_mapping(arguments)
        asyncio.run(_ask(taken))


async def _ask(taken: cf.CallOptions) -> None:
    async with cf.Pipeline.from_config(cf.Config.default()) as pipeline:
        await pipeline.complete(b'{"messages": [{"role": "user", "content": "hi"}]}', taken)


JSON = st.sampled_from(
    [b"1e400", b"-1", b"NaN", b'"\\ud800"', b"{}", b'{"tenant": 3}', b"null", b"true", b"9" * 5000, b'"x"', b"[1]"]
)


@given(st.binary(max_size=40), JSON, JSON, JSON, JSON)
def test_a_line_of_traffic_is_read_or_refused(raw: bytes, text: bytes, t_ms: bytes, tenant: bytes, more: bytes) -> None:
    """Any bytes, and any JSON in any place of a line, are a request, or a bad line with its number."""
    for line in (
        raw,
        b'{"text": %s, "t_ms": %s, "tenant": %s, "compound": %s}' % (text, t_ms, tenant, more),
        b'{"messages": %s, "tenant": %s, "cls": %s, "temperature": %s}' % (text, tenant, t_ms, more),
    ):
        with only_ours():
            assert parse_line(line, 7).line == 7


@given(st.sampled_from(["--hit-rate", "--prices", "--shares", "--target", "--queries"]), st.text(max_size=12))
def test_the_command_prints_figures_or_refuses(option: str, value: str) -> None:
    """Any text for an option of economics is a figure or one error."""
    result = CliRunner().invoke(build_app(), ["economics", "--json", option, value])

    assert result.exception is None or isinstance(result.exception, cf.CompoundFastError | SystemExit)
