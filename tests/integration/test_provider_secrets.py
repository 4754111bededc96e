"""No error of a provider, and nothing that is chained to it, holds a key or a prompt."""

from __future__ import annotations

import traceback

import pytest

from compound_fast.config import Config
from compound_fast.embedders import OpenAIEmbedder
from compound_fast.errors import CompoundFastError, ConfigError
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions
from loopback import Loopback, config, events, raw_answer, reset, silent, status, stream

KEY = "sk-do-not-show-1234"
PROMPT = "my very private question"
BODY = to_body({"messages": [{"role": "user", "content": PROMPT}]})
ECHO = f'{{"error": {{"message": "{PROMPT} {KEY}", "code": "{KEY}"}}}}'.encode()

FAULTS = {
    "refused": None,
    "401": status(401, ECHO),
    "500": status(500, ECHO),
    "reset": reset,
    "silent": silent,
    "html": raw_answer(f"<p>{PROMPT} {KEY}".encode()),
    "nested": raw_answer(b"[" * 100_000),
    "no choices": raw_answer(ECHO),
    "no text": raw_answer(f'{{"choices": [{{"message": {{"content": ["{PROMPT}"]}}}}]}}'.encode()),
    "bad encoding": status(200, f"{PROMPT} {KEY}".encode(), "content-encoding: gzip"),
    "bad header": status(200, b"{}", f"bad header: {KEY}"),
    "broken stream": stream([*events("Hello")[:2], f"data: {PROMPT} {KEY}\n\n".encode()]),
}


async def failure(settings: Config, *, streamed: bool) -> str:
    """Return all that Python prints of the error of one call."""
    async with Pipeline.from_config(settings) as pipeline:
        with pytest.raises(CompoundFastError) as caught:  # noqa: PT012 - a stream fails when it is read
            if streamed:
                async for _ in pipeline.stream(BODY, CallOptions(cache="off")):
                    pass
            else:
                await pipeline.complete(BODY, CallOptions(cache="off"))
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", FAULTS)
async def test_no_traceback_of_a_failure_shows_the_key_or_the_prompt(loopback, monkeypatch, name, streamed):
    """Whatever a server does, what is printed names neither."""
    monkeypatch.setenv("SHOP_KEY", KEY)
    behaviour = FAULTS[name]
    settings = config(loopback, api_key="env:SHOP_KEY", timeout_s=1 if name == "silent" else 5)
    if behaviour is None:
        settings = config(Loopback.closed(), api_key="env:SHOP_KEY")
    else:
        loopback.script = [behaviour]

    printed = await failure(settings, streamed=streamed)

    assert KEY not in printed
    assert PROMPT not in printed


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é", f" {KEY}", f"{KEY}\x00"[:-1] + "\x7f", "\U0001f511"])
async def test_a_key_that_fits_no_header_is_refused_by_the_name_of_its_variable(loopback, monkeypatch, key):
    """A line break at the end of a key, as from a file, is a configuration error that does not show the key."""
    monkeypatch.setenv("SHOP_KEY", key)

    for streamed in (False, True):
        printed = await failure(config(loopback, api_key="env:SHOP_KEY"), streamed=streamed)
        assert "ConfigError: providers.first.api_key: the environment variable SHOP_KEY is no key" in printed
        assert KEY not in printed
        assert key.strip() not in printed
    assert loopback.received == []


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é", ""])
def test_an_embedder_refuses_such_a_key_when_it_is_made(key):
    """The argument is named, and not shown."""
    with pytest.raises(ConfigError, match="api_key is no key") as caught:
        OpenAIEmbedder("m", base_url="http://127.0.0.1/v1", api_key=key)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("base_url", ["http://a\x7fb/v1", "http://☃.net/v1"])
def test_an_address_that_is_none_is_a_configuration_error(loopback, base_url):
    """It is found before anything is sent."""
    with pytest.raises(ConfigError, match=r"base_url.* is no .*address"):
        Pipeline.from_config(Config.default().with_base_url(base_url))


async def test_a_host_name_that_no_resolver_takes_is_a_connection_error(loopback):
    """A label of more than 63 letters fails like any other host that does not exist."""
    settings = Config.default().with_base_url(f"http://{'a' * 64}.example/v1")

    assert "ProviderConnectionError" in (await failure(settings, streamed=False))


@pytest.mark.parametrize(
    "name", ["refused", "401", "reset", "silent", "html", "nested", "no choices", "bad encoding", "bad header"]
)
def test_no_traceback_of_an_embedder_shows_the_key_or_the_text(loopback, name):
    """The same holds for the server of embeddings."""
    behaviour = FAULTS[name]
    if behaviour is not None:
        loopback.script = [behaviour]
    address = Loopback.closed().base_url if behaviour is None else loopback.base_url
    embedder = OpenAIEmbedder("m", base_url=address, api_key=KEY, timeout_s=0.5 if name == "silent" else 5)

    with pytest.raises(CompoundFastError) as caught:
        embedder.embed(PROMPT)
    embedder.close()

    printed = "".join(traceback.format_exception(caught.value))
    assert KEY not in printed
    assert PROMPT not in printed
