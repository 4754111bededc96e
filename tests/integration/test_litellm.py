"""`integrations.litellm` under the real LiteLLM, against a real server."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

import compound_fast as cf
from loopback import Loopback, answer, completion, events, status, stream

# The warnings of LiteLLM's own code are not ours to fail by.
pytestmark = pytest.mark.filterwarnings("ignore")

ASK = "Where is order 12345678?"
REWORDED = "where is the order 12345678"


@pytest.fixture(scope="module")
def litellm():
    """LiteLLM, kept from fetching its price list; skipped where it is missing."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        yield pytest.importorskip("litellm", reason="make adapters installs it, beside .venv")


class Model:
    """LiteLLM over the cache, asked synchronously or asynchronously."""

    def __init__(self, litellm, *, is_async: bool) -> None:
        self.litellm = litellm
        self.is_async = is_async
        self.cache = cf.SemanticCache()
        litellm.cache = cf.integrations.litellm.CompoundCache(self.cache)

    async def ask(self, server: Loopback, text: str = ASK, **more):
        """One answer."""
        call = {
            "model": "openai/real-1",
            "messages": [{"role": "user", "content": text}],
            "api_base": server.base_url,
            "api_key": "one",
            "num_retries": 0,
            "max_retries": 0,
            **more,
        }
        if self.is_async:
            return await self.litellm.acompletion(**call)
        return self.litellm.completion(**call)

    async def streamed(self, server: Loopback, **more) -> str:
        """The text of one streamed answer."""
        chunks = await self.ask(server, stream=True, **more)
        every = [chunk async for chunk in chunks] if self.is_async else list(chunks)
        return "".join(chunk.choices[0].delta.content or "" for chunk in every if chunk.choices)


@pytest.fixture(params=["sync", "async"])
def model(request, litellm):
    """Both ways of asking; LiteLLM has no cache before and after."""
    yield Model(litellm, is_async=request.param == "async")
    litellm.cache = None


def said(reply) -> str:
    """The text of an answer."""
    return reply.choices[0].message.content


async def settled(model: Model) -> None:
    """Wait for what LiteLLM stores after it has answered: an asynchronous call stores in a task of its own."""
    for _ in range(200):
        if len(model.cache):
            return
        await asyncio.sleep(0.01)


async def test_a_second_request_is_served_from_the_cache(model, loopback):
    """The same words and other words for them get the stored completion."""
    first = await model.ask(loopback)
    await settled(model)
    replies = [await model.ask(loopback), await model.ask(loopback, REWORDED)]

    assert [said(reply) for reply in replies] == [said(first)] * 2 == ["Hello there."] * 2
    assert replies[0].usage.completion_tokens == 3
    assert len(loopback.received) == 1
    assert model.litellm.cache.cache_faults == 0


async def test_streams_are_stored_and_replayed(model, loopback):
    """LiteLLM puts a stream together, and replays a stored answer as one."""
    loopback.script = [stream(events("It is ", "on its way."))]
    first = await model.streamed(loopback)
    await settled(model)

    assert first == await model.streamed(loopback) == said(await model.ask(loopback)) == "It is on its way."
    assert len(loopback.received) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"model": "openai/real-2"},
        {"temperature": 0.7},
        {"top_k": 3},
        {"tools": [{"type": "function", "function": {"name": "find", "parameters": {}}}]},
        {"api_key": "two"},
        {"extra_headers": {"x-mine": "1"}},
        {"cache": {"namespace": "other"}},
        {"metadata": {"user_api_key_team_id": "team-2"}},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASK}]},
    ],
)
async def test_whom_it_asks_and_how_is_compared_exactly(model, loopback, other):
    """Another model, setting, tool, key, header, namespace, team or system prompt is another request."""
    await model.ask(loopback)
    await settled(model)
    await model.ask(loopback, **other)

    assert len(loopback.received) == 2


async def test_servers_share_nothing(model, loopback):
    """The same model name on another server is another model."""
    other = Loopback()
    try:
        await model.ask(loopback)
        await settled(model)
        await model.ask(other)
        assert len(other.received) == 1
    finally:
        other.close()


@pytest.mark.parametrize(
    "first",
    [completion("On its", finish_reason="length"), completion("No.", finish_reason="content_filter"), completion("")],
)
async def test_what_is_no_whole_answer_in_text_is_not_stored(model, loopback, first):
    """An answer that was cut, filtered or empty is asked for again."""
    loopback.script = [status(200, json.dumps(first).encode()), answer("Fresh.")]

    await model.ask(loopback)
    again = await model.ask(loopback, cache={"no-store": True})

    assert said(again) == "Fresh."
    assert len(model.cache) == 0


async def test_what_a_call_says_of_the_cache_counts(model, loopback):
    """no-cache, no-store, ttl and s-maxage of LiteLLM's `cache`."""
    clock = cf.ManualClock(0)
    model.cache = cf.SemanticCache(clock=clock)
    model.litellm.cache = cf.integrations.litellm.CompoundCache(model.cache)
    await model.ask(loopback, cache={"ttl": 100})
    await settled(model)

    await model.ask(loopback, cache={"no-cache": True, "no-store": True})
    assert len(loopback.received) == 2
    clock.set(50_000)
    await model.ask(loopback, cache={"s-maxage": 60})
    assert len(loopback.received) == 2
    await model.ask(loopback, cache={"s-maxage": 40, "no-store": True})
    assert len(loopback.received) == 3
    clock.set(101_000)
    await model.ask(loopback)
    assert len(loopback.received) == 4


async def test_a_tenant_that_is_named_takes_the_place_of_the_key(model, loopback):
    """Keys of one tenant share."""
    model.litellm.cache = cf.integrations.litellm.CompoundCache(model.cache, tenant="acme")
    await model.ask(loopback)
    await settled(model)
    await model.ask(loopback, api_key="two")

    assert len(loopback.received) == 1


async def test_errors_are_those_of_litellm(model, loopback):
    """A status of the server raises what it raises without the cache."""
    loopback.script = [status(401, b'{"error": {"message": "bad key"}}'), answer()]

    with pytest.raises(model.litellm.AuthenticationError):
        await model.ask(loopback)
    assert said(await model.ask(loopback)) == "Hello there."


async def test_a_fault_inside_the_cache_is_a_miss(model, loopback, caplog):
    """A cache that fails leaves the answer alone; the fault is counted and logged without the prompt."""

    class Broken(cf.SemanticCache):
        def get(self, *arguments, **options):  # noqa: ARG002
            raise cf.InternalError(ASK)

    model.litellm.cache = cf.integrations.litellm.CompoundCache(Broken())
    with caplog.at_level(logging.WARNING, logger="compound_fast"):
        reply = await model.ask(loopback)

    assert said(reply) == "Hello there."
    assert model.litellm.cache.cache_faults == 1
    assert "12345678" not in "".join(record.message for record in caplog.records if "compound" in record.name)


def test_something_that_is_no_cache_is_refused(litellm):
    """The message names what came."""
    with pytest.raises(cf.ConfigError, match="dict is no SemanticCache"):
        cf.integrations.litellm.CompoundCache({})
