"""What every provider promises, whichever kind it is."""

from __future__ import annotations

import time

import pytest

from compound_fast._core import Request
from compound_fast.config import Config
from compound_fast.dispatch import ChunkAssembler
from compound_fast.providers import ProviderCall, make_providers
from compound_fast.request import to_body
from compound_fast.validation import check_completion
from loopback import answer, events, stream

MODEL = {"provider": "asked", "tier": "weak"}


def first_provider(settings):
    """Return (provider, model) of a configuration with one of each."""
    config = Config.from_mapping(
        {"version": 1, "providers": {"asked": settings}, "models": {"m": MODEL}, "baseline": "m"}
    )
    return make_providers(config)["asked"], config.models["m"]


@pytest.fixture(params=["simulated", pytest.param("openai_compatible", marks=pytest.mark.integration)])
def asked(request):
    """A provider of each kind, and the model to ask."""
    if request.param == "simulated":
        return first_provider({"kind": "simulated"})
    server = request.getfixturevalue("loopback")
    server.script = [answer("Hello there.")]
    return first_provider({"kind": "openai_compatible", "base_url": server.base_url})


@pytest.fixture(params=["simulated", pytest.param("openai_compatible", marks=pytest.mark.integration)])
def streaming(request):
    """The same, where the server streams."""
    if request.param == "simulated":
        return first_provider({"kind": "simulated"})
    server = request.getfixturevalue("loopback")
    server.script = [stream(events("Hello", " there."))]
    return first_provider({"kind": "openai_compatible", "base_url": server.base_url})


def call(model, text="Where is my order?"):
    """Return a first attempt with time enough."""
    return ProviderCall(request=Request(to_body(text)), model=model, attempt=1, deadline=time.monotonic() + 10)


async def test_complete_returns_a_valid_completion_with_usage(asked):
    """An answer passes validation, and says what it used."""
    provider, model = asked
    checked = check_completion(await provider.complete(call(model)))
    await provider.aclose()

    assert checked.content
    assert checked.finish_reason == "stop"
    assert checked.usage.completion_tokens > 0


async def test_a_stream_adds_up_to_a_valid_completion_with_usage(streaming):
    """Chunks end with a finish reason and the usage, and add up to an answer."""
    provider, model = streaming
    assembler = ChunkAssembler()
    async for chunk in provider.stream(call(model)):
        assembler.add(chunk)
    await provider.aclose()

    assert assembler.is_finished
    checked = check_completion(assembler.completion())
    assert checked.content
    assert checked.usage.completion_tokens > 0


async def test_a_stream_may_be_left_and_the_provider_asked_again(streaming):
    """Closing a stream after its first chunk leaves the provider usable."""
    provider, model = streaming
    chunks = provider.stream(call(model))
    await anext(chunks)
    await chunks.aclose()

    again = [chunk async for chunk in provider.stream(call(model))]
    await provider.aclose()
    assert len(again) > 1


async def test_latency_is_a_positive_number_of_milliseconds(asked):
    """Measured or virtual, an answer took some time."""
    provider, model = asked
    asked_for = call(model)
    await provider.complete(asked_for)
    await provider.aclose()

    assert provider.latency_ms(asked_for, 12.5) > 0
    assert provider.simulated or provider.latency_ms(asked_for, 12.5) == 12.5


async def test_aclose_may_be_called_without_a_call_and_twice(asked):
    """Closing is safe at any time."""
    provider, _ = asked
    await provider.aclose()
    await provider.aclose()
