"""`integrations.langchain` under the real ChatOpenAI, against a real server."""

from __future__ import annotations

import json
import logging

import pytest

import compound_fast as cf
from loopback import Loopback, answer, completion, events, status, stream

langchain_openai = pytest.importorskip("langchain_openai", reason="make adapters installs it")
messages = pytest.importorskip("langchain_core.messages")
outputs = pytest.importorskip("langchain_core.outputs")

ASK = "Where is order 12345678?"
REWORDED = "where is the order 12345678"
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}


class Model:
    """ChatOpenAI over the cache, asked synchronously or asynchronously."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.cache = cf.SemanticCache()
        self.drop_in = cf.integrations.langchain.CompoundCache(self.cache)

    def chat(self, server: Loopback, **options):
        """The model on the server."""
        options = {"model": "real-1", "base_url": server.base_url, "api_key": "k", "max_retries": 0, **options}
        return langchain_openai.ChatOpenAI(cache=self.drop_in, **options)

    async def ask(self, chat, prompt=ASK, **more):
        """One answer."""
        return await chat.ainvoke(prompt, **more) if self.is_async else chat.invoke(prompt, **more)


@pytest.fixture(params=["sync", "async"])
def model(request) -> Model:
    """Both ways of asking."""
    return Model(is_async=request.param == "async")


async def test_a_second_request_is_served_from_the_cache(model, loopback):
    """The same words and other words for them get the stored message, metadata included, as an AIMessage."""
    chat = model.chat(loopback)

    first = await model.ask(chat)
    replies = [await model.ask(chat), await model.ask(chat, REWORDED)]

    for reply in replies:
        assert type(reply) is messages.AIMessage
        assert reply.content == first.content == "Hello there."
        assert reply.response_metadata["finish_reason"] == "stop"
        assert reply.usage_metadata["output_tokens"] == 3
    assert len(loopback.received) == 1
    assert model.drop_in.cache_faults == 0


async def test_the_number_and_the_opposite_are_no_hits(model, loopback):
    """What the cache refuses for its own requests it refuses for LangChain's."""
    chat = model.chat(loopback)

    for prompt in (ASK, "Where is order 12345679?", "How do I turn on dark mode?", "How do I turn off dark mode?"):
        await model.ask(chat, prompt)

    assert len(loopback.received) == 4


async def test_settings_and_earlier_messages_are_compared_exactly(model, loopback):
    """Another model, temperature, stop word, system prompt or history is another request."""
    system, human, ai = messages.SystemMessage("Be brief."), messages.HumanMessage("Hi"), messages.AIMessage("Hello")
    chat = model.chat(loopback)
    asked = [
        (chat, ASK, {}),
        (model.chat(loopback, model="real-2"), ASK, {}),
        (model.chat(loopback, temperature=0.7), ASK, {}),
        (chat, ASK, {"stop": ["x"]}),
        (chat, [system, messages.HumanMessage(ASK)], {}),
        (chat, [human, ai, messages.HumanMessage(ASK)], {}),
    ]

    for _ in range(2):
        for one, prompt, more in asked:
            await model.ask(one, prompt, **more)

    assert len(loopback.received) == len(asked)


async def test_a_conversation_goes_on_from_a_stored_answer(model, loopback):
    """What differs between two tellings of one conversation (ids, usage, times) keeps no hit away."""
    chat = model.chat(loopback)
    for _ in range(2):
        first = await model.ask(chat)
        await model.ask(chat, [messages.HumanMessage(ASK), first, messages.HumanMessage("And order 87654321?")])

    assert len(loopback.received) == 2


def _tool_call() -> dict:
    call = completion(None, finish_reason="tool_calls")
    function = {"name": "find", "arguments": "{}"}
    call["choices"][0]["message"]["tool_calls"] = [{"id": "c", "type": "function", "function": function}]
    return call


@pytest.mark.parametrize(
    "first",
    [
        completion("On its", finish_reason="length"),
        completion("", finish_reason="content_filter"),
        completion(""),
        _tool_call(),
    ],
)
async def test_what_is_no_whole_answer_in_text_is_not_stored(model, loopback, first):
    """An answer that was cut, filtered, empty or calls tools is asked for again."""
    loopback.script = [status(200, json.dumps(first).encode()), answer("Fresh.")]
    chat = model.chat(loopback)

    await model.ask(chat)
    again = [await model.ask(chat) for _ in range(2)]

    assert [reply.content for reply in again] == ["Fresh.", "Fresh."]
    assert len(loopback.received) == 2


async def test_answers_of_tools_and_pictures_are_part_of_the_request(model, loopback):
    """A conversation with a tool's answer, and one with a picture, hit only themselves."""
    call = messages.AIMessage("", tool_calls=[{"name": "find", "args": {}, "id": "c"}])
    asked = [
        [messages.HumanMessage(ASK), call, messages.ToolMessage(result, tool_call_id="c")]
        for result in ("sent", "lost")
    ]
    asked += [[messages.HumanMessage([{"type": "text", "text": ASK}, PICTURE])], [messages.HumanMessage(ASK)]]
    chat = model.chat(loopback)

    for _ in range(2):
        for prompt in asked:
            await model.ask(chat, prompt)

    assert len(loopback.received) == 4


async def test_a_model_that_streams_inside_is_cached_too(model, loopback):
    """`streaming=True` gathers chunks before the cache sees them."""
    loopback.script = [stream(events("It is ", "on its way."))]
    chat = model.chat(loopback, streaming=True)

    replies = [await model.ask(chat) for _ in range(2)]

    assert [reply.content for reply in replies] == ["It is on its way."] * 2
    assert len(loopback.received) == 1


async def test_tenants_and_namespaces_share_nothing(model, loopback):
    """Two drop-ins over one cache are apart where their tenants are."""
    for tenant in ("a", "b", "a"):
        model.drop_in = cf.integrations.langchain.CompoundCache(model.cache, tenant=tenant)
        await model.ask(model.chat(loopback))

    assert len(loopback.received) == 2


async def test_a_cleared_cache_is_empty(model, loopback):
    """LangChain's `clear` empties the cache beneath."""
    await model.ask(model.chat(loopback))
    await (model.drop_in.aclear() if model.is_async else _now(model.drop_in.clear))

    assert len(model.cache) == 0


async def _now(call) -> None:
    call()


async def test_a_fault_inside_the_cache_is_a_miss(model, loopback, caplog):
    """A cache that fails leaves the answer alone; the fault is counted and logged without the prompt."""

    class Broken(cf.SemanticCache):
        def get(self, *arguments, **options):  # noqa: ARG002
            raise cf.InternalError(ASK)

        put = get

    model.drop_in = cf.integrations.langchain.CompoundCache(Broken())
    with caplog.at_level(logging.WARNING):
        reply = await model.ask(model.chat(loopback))

    assert reply.content == "Hello there."
    assert model.drop_in.cache_faults == 2
    assert "12345678" not in caplog.text


def test_generations_of_text_models_are_stored_without_pickle():
    """A completion model's prompt is one user turn, and its generations come back equal."""
    cache = cf.SemanticCache()
    drop_in = cf.integrations.langchain.CompoundCache(cache)
    said = [outputs.Generation(text="There.", generation_info={"finish_reason": "stop"})]

    drop_in.update(ASK, "llm", said)

    assert drop_in.lookup(ASK, "llm") == said
    assert drop_in.lookup(REWORDED, "llm") == said
    assert drop_in.lookup(ASK, "another llm") is None
    assert isinstance(cache.get({"messages": [{"role": "user", "content": ASK}], "langchain": "llm"}).response, dict)


@pytest.mark.parametrize("stored", ["There.", {"format": "langchain-1", "generations": [{"lc": 1}]}, {"choices": []}])
def test_what_another_writer_stored_is_no_generation(stored):
    """An entry of another form is a miss, and nothing in it is made an object of."""
    cache = cf.SemanticCache()
    drop_in = cf.integrations.langchain.CompoundCache(cache)
    cache.put({"messages": [{"role": "user", "content": ASK}], "langchain": "llm"}, stored)

    assert drop_in.lookup(ASK, "llm") is None


def test_something_that_is_no_cache_is_refused():
    """The message names what came."""
    with pytest.raises(cf.ConfigError, match="dict is no SemanticCache"):
        cf.integrations.langchain.CompoundCache({})
