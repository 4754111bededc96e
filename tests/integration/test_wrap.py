"""`wrap` around the real OpenAI SDK: version 3, which is on httpx2, and version 2, on httpx (see `make adapters`)."""

from __future__ import annotations

import asyncio
import json

import pytest

import compound_fast as cf
from loopback import Loopback, answer, completion, events, status, stream

openai = pytest.importorskip("openai", reason="make adapters installs it")

ASK = {"model": "real-1", "messages": [{"role": "user", "content": "Where is order 12345678?"}]}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}


class Sdk:
    """A synchronous or an asynchronous client behind one set of coroutines."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.cache = cf.SemanticCache()
        self.opened: list[object] = []

    def client(self, server: Loopback, **options):
        """A client of the SDK on the server."""
        kind = openai.AsyncOpenAI if self.is_async else openai.OpenAI
        options = {"api_key": "one", "base_url": server.base_url, "max_retries": 0, **options}
        self.opened.append(kind(**options))
        return self.opened[-1]

    def wrapped(self, server: Loopback, cache=None, *, tenant=None, **options):
        """The same, wrapped around the cache."""
        made = cf.wrap(self.client(server, **options), self.cache if cache is None else cache, tenant=tenant)
        self.opened.append(made)
        return made

    async def done(self, made):
        """What a method returned, awaited where it has to be."""
        return await made if self.is_async else made

    async def ask(self, client, **more):
        """One completion."""
        return await self.done(client.chat.completions.create(**{**ASK, **more}))

    async def raw(self, client, **more):
        """One completion, as the response with its headers."""
        return await self.done(client.chat.completions.with_raw_response.create(**{**ASK, **more}))

    async def chunks(self, client, **more):
        """One streamed completion."""
        chunks = await self.ask(client, stream=True, **more)
        return [chunk async for chunk in chunks] if self.is_async else list(chunks)

    async def close(self, client) -> None:
        """Close a client."""
        await self.done(client.close())


@pytest.fixture(params=["sync", "async"])
async def sdk(request):
    """Both kinds of client; those that a test opened are closed after it."""
    sdk = Sdk(is_async=request.param == "async")
    yield sdk
    for client in sdk.opened:
        await sdk.close(client)


@pytest.fixture
def configuration(loopback, tmp_path):
    """A file with a model on the server, and one that nothing listens for to fall back from."""
    settings = {"kind": "openai_compatible", "connect_timeout_s": 1, "idle_timeout_s": 2, "timeout_s": 3}
    price = {"input": 1, "output": 2}
    path = tmp_path / "compound.yaml"
    path.write_text(
        json.dumps(
            {
                "version": 1,
                "providers": {"here": {**settings, "base_url": loopback.base_url}},
                "models": {
                    "small": {"provider": "here", "upstream_model": "real-1", "tier": "weak", "price": price},
                },
                "baseline": "small",
            }
        ),
        encoding="utf-8",
    )
    return path


def said(chunks) -> str:
    """The text of a stream."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def test_the_same_client_is_cached(sdk, loopback):
    """A wrapped client is of its class, answers the second request from the cache, and says so in a header."""
    client = sdk.wrapped(loopback)

    first = await sdk.ask(client)
    second = await sdk.ask(client)
    raw = await sdk.raw(client, messages=[{"role": "user", "content": "where is the order 12345678"}])

    assert type(client) is (openai.AsyncOpenAI if sdk.is_async else openai.OpenAI)
    assert first.choices[0].message.content == second.choices[0].message.content == "Hello there."
    assert first.usage == second.usage
    assert raw.headers["x-cf-served-from"] == "semantic"
    assert len(loopback.received) == 1


async def test_the_client_that_was_wrapped_is_not_changed(sdk, loopback):
    """It still asks the server each time."""
    client = sdk.client(loopback)
    sdk.opened.append(cf.wrap(client, sdk.cache))

    for _ in range(2):
        await sdk.ask(sdk.opened[-1])
        await sdk.ask(client)

    assert len(loopback.received) == 3


async def test_the_copy_keeps_what_the_client_was_told(sdk, loopback):
    """Key, organisation, headers, timeout, retries and base URL."""
    loopback.script = [status(500), answer()]
    client = sdk.wrapped(
        loopback, api_key="mine", organization="org-1", default_headers={"x-mine": "1"}, timeout=7.5, max_retries=1
    )

    await sdk.ask(client)

    received = loopback.received[-1].headers
    assert (received["authorization"], received["openai-organization"]) == ("Bearer mine", "org-1")
    assert (received["x-mine"], received["x-stainless-read-timeout"]) == ("1", "7.5")
    assert (client.timeout, client.max_retries, len(loopback.received)) == (7.5, 1, 2)
    assert str(client.base_url).startswith(loopback.base_url)


@pytest.mark.parametrize("http", ["httpx", "httpx2"])
async def test_an_http_client_of_the_users_own_serves_on(sdk, loopback, http):
    """Its headers are sent and its hooks see what goes to the server."""
    if http == "httpx2" and openai.__version__ < "3":
        pytest.skip("openai 2 takes clients of httpx only")
    module = pytest.importorskip(http)
    seen: list[str] = []

    def hook(request) -> None:
        seen.append(request.method)

    async def async_hook(request) -> None:
        seen.append(request.method)

    kind, used = (module.AsyncClient, async_hook) if sdk.is_async else (module.Client, hook)
    client = sdk.wrapped(
        loopback, http_client=kind(headers={"x-proxy": "yes"}, event_hooks={"request": [used]}, timeout=9)
    )

    for _ in range(2):
        await sdk.ask(client)

    assert seen == ["POST"]
    assert loopback.received[0].headers["x-proxy"] == "yes"


async def test_streams_are_cached_and_replayed(sdk, loopback):
    """The SDK reads a stream up to [DONE], and the next one says the same without the server."""
    loopback.script = [stream(events("It is ", "on its way."))]
    client = sdk.wrapped(loopback)

    first = await sdk.chunks(client, stream_options={"include_usage": True})
    second = await sdk.chunks(client, stream_options={"include_usage": True})
    whole = await sdk.ask(client)

    assert said(first) == said(second) == whole.choices[0].message.content == "It is on its way."
    assert second[-1].usage.total_tokens == 12
    assert len(loopback.received) == 1


async def test_tool_calls_pass_and_are_not_stored(sdk, loopback):
    """A request with tools is told apart from one without, and a call of a tool is never repeated from the cache."""
    call = completion(None, finish_reason="tool_calls")
    call["choices"][0]["message"]["tool_calls"] = [TOOL_CALL]
    loopback.script = [status(200, json.dumps(call).encode()), answer("It is sent.")]
    client = sdk.wrapped(loopback)

    first = await sdk.ask(client, tools=[TOOL])
    second = await sdk.ask(client, tools=[TOOL])
    third = await sdk.ask(client, tools=[TOOL])
    await sdk.ask(client)

    assert first.choices[0].message.tool_calls[0].function.name == "find"
    assert second.choices[0].message.content == third.choices[0].message.content == "It is sent."
    assert len(loopback.received) == 3


async def test_errors_are_those_of_the_sdk(sdk, loopback):
    """A status of the server raises what it raises without the cache, and nothing is stored."""
    loopback.script = [status(401, b'{"error": {"message": "bad key"}}'), status(429), answer()]
    client = sdk.wrapped(loopback)

    with pytest.raises(openai.AuthenticationError):
        await sdk.ask(client)
    with pytest.raises(openai.RateLimitError):
        await sdk.ask(client)
    assert (await sdk.ask(client)).choices[0].message.content == "Hello there."


async def test_options_of_one_call(sdk, loopback):
    """`compound` in the body and x-cf headers say who asks and what the cache may do; a wrong one is a 400."""
    client = sdk.wrapped(loopback, max_retries=2)

    await sdk.ask(client, extra_body={"compound": {"tenant": "acme"}})
    hit = await sdk.raw(client, extra_headers={"x-cf-tenant": "acme"})
    miss = await sdk.raw(client, extra_body={"compound": {"tenant": "acme", "cache": "off"}})
    with pytest.raises(openai.BadRequestError, match="tennant"):
        await sdk.ask(client, extra_body={"compound": {"tennant": "acme"}})

    assert (hit.headers["x-cf-served-from"], miss.headers["x-cf-served-from"]) == ("exact", "model")
    assert len(loopback.received) == 2
    assert all("compound" not in received.body for received in loopback.received)


async def test_keys_share_only_what_a_tenant_says(sdk, loopback):
    """Two clients with two keys over one cache: apart, unless one tenant is named for both."""
    for key in ("one", "two"):
        await sdk.ask(sdk.wrapped(loopback, api_key=key))
    for key in ("one", "two"):
        await sdk.ask(sdk.wrapped(loopback, api_key=key, tenant="acme"))

    assert len(loopback.received) == 3


async def test_everything_else_goes_to_the_server(sdk, loopback):
    """Embeddings are asked for as before."""
    embedding = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    loopback.script = [
        status(200, json.dumps({**embedding, "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode())
    ]
    client = sdk.wrapped(loopback)

    for _ in range(2):
        made = await sdk.done(client.embeddings.create(model="e", input="Where?", encoding_format="float"))

    assert made.data[0].embedding == [0.5]
    assert [received.path for received in loopback.received] == ["/v1/embeddings"] * 2


async def test_closing_closes_the_connections_and_not_the_cache(sdk, loopback):
    """After closing, the cache still serves another client, and both clients are closed."""
    client = sdk.client(loopback)
    wrapped = cf.wrap(client, sdk.cache)
    await sdk.ask(wrapped)
    await sdk.close(wrapped)

    assert client.is_closed()
    assert wrapped.is_closed()
    assert (await sdk.raw(sdk.wrapped(loopback))).headers["x-cf-served-from"] == "exact"


async def test_a_configuration_puts_the_whole_path_under_the_client(sdk, loopback, configuration):
    """With a path, chat completions go through router, cache and providers; the answer carries `compound`."""
    elsewhere = "http://127.0.0.1:9/v1"
    client = sdk.wrapped(loopback, configuration, base_url=elsewhere)

    first = await sdk.ask(client, model="auto")
    second = await sdk.raw(client, model="auto")

    assert first.choices[0].message.content == "Hello there."
    assert (first.compound["served_from"], first.compound["model"]) == ("model", "small")
    assert first.compound["cost_usd"] == 15e-6
    assert second.headers["x-cf-served-from"] == "exact"
    assert second.headers["x-cf-entry-id"] == first.compound["entry_id"]
    assert loopback.received[0].body["model"] == "real-1"
    assert "authorization" not in loopback.received[0].headers


async def test_the_path_streams_too(sdk, loopback, configuration):
    """A streamed answer comes in chunks, whose last says where it came from, and is replayed."""
    loopback.script = [stream(events("It is ", "on its way."))]
    client = sdk.wrapped(loopback, configuration)

    first = await sdk.chunks(client, model="auto")
    second = await sdk.chunks(client, model="auto", stream_options={"include_usage": True})

    assert said(first) == said(second) == "It is on its way."
    assert (first[-1].compound["served_from"], second[-1].compound["served_from"]) == ("model", "exact")
    assert second[-1].usage.total_tokens == 12
    assert not any(chunk.usage for chunk in first)
    assert len(loopback.received) == 1


@pytest.mark.parametrize("is_stream", [False, True])
async def test_failures_of_the_path_have_the_status_that_the_sdk_knows(sdk, loopback, configuration, is_stream):
    """An unknown model is 404, a rate limit 429, a broken provider 502, each once: the path has retried by itself."""
    client = sdk.wrapped(loopback, configuration, max_retries=2)
    ask = sdk.chunks if is_stream else sdk.ask

    with pytest.raises(openai.NotFoundError, match="small"):
        await ask(client, model="gpt-unknown")
    loopback.script = [status(429, b"{}", "retry-after: 30")]
    with pytest.raises(openai.RateLimitError) as limited:
        await ask(client, model="small")
    loopback.script = [status(200, b"<html>")]
    with pytest.raises(openai.InternalServerError) as broken:
        await ask(client, model="small")
    with pytest.raises(openai.BadRequestError, match="messages"):
        await sdk.ask(client, messages=3)

    assert limited.value.response.headers["retry-after"] == "30"
    assert broken.value.status_code == 502
    assert len(loopback.received) == 3


async def test_a_stream_of_the_path_that_breaks_off_is_an_error_of_the_sdk(sdk, loopback, configuration):
    """What came before it was passed on; nothing is stored."""
    loopback.script = [stream(events("It is ", finish_reason=None, usage=None, done=False)), answer("Fresh.")]
    client = sdk.wrapped(loopback, configuration)

    with pytest.raises(openai.APIError, match="finish reason"):
        await sdk.chunks(client, model="small")

    assert (await sdk.ask(client, model="small")).compound["served_from"] == "model"


async def test_leaving_a_stream_of_the_path_ends_it_at_the_provider(sdk, loopback, configuration):
    """Closing the stream hangs up."""

    async def wait(connection):
        await connection.until_hung_up()

    loopback.script = [stream(events("It ", "is ", done=False)[:2], after=wait)]
    client = sdk.wrapped(loopback, configuration)
    chunks = await sdk.ask(client, model="small", stream=True)
    if sdk.is_async:
        await anext(aiter(chunks))
    else:
        next(iter(chunks))
    await sdk.done(chunks.close())

    assert await asyncio.to_thread(loopback.hung_up.wait, 5)


async def test_a_client_of_ours_serves_and_stays_open(sdk, loopback, configuration):
    """A `Client` or `AsyncClient` that is given is not closed with the SDK's client."""
    ours = cf.AsyncClient(configuration) if sdk.is_async else cf.Client(configuration)
    client = sdk.wrapped(loopback, ours)
    await sdk.ask(client, model="auto")
    await sdk.close(client)

    reply = await sdk.done(ours.chat.completions.create(messages=ASK["messages"]))
    totals = ours.pipeline.ledger.totals()
    await (ours.aclose() if sdk.is_async else sdk.done(ours.close()))

    assert reply.compound.served_from == "model"  # the SDK's key is another tenant than none
    assert totals["requests"] == 2


async def test_wrong_arguments_are_named(sdk, loopback, configuration):
    """What is no client and what is no cache is refused with what is needed; a client of the other kind by name."""
    client = sdk.client(loopback)
    with pytest.raises(cf.ConfigError, match="CacheTransport"):
        cf.wrap(object(), sdk.cache)
    with pytest.raises(cf.ConfigError, match="int is no SemanticCache"):
        cf.wrap(client, 3)
    other = cf.Client(configuration) if sdk.is_async else cf.AsyncClient(configuration)
    with pytest.raises(cf.ConfigError, match="give it a"):
        cf.wrap(client, other)
    with pytest.raises(cf.ConfigError, match="tenant=3"):
        cf.wrap(client, sdk.cache, tenant=3)
    with pytest.raises(cf.ConfigError):
        cf.wrap(client, configuration.parent / "missing.yaml")
