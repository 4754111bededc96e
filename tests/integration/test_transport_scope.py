"""What `CacheTransport` looks up, who shares with whom, and what a call may say, under real clients."""

from __future__ import annotations

import pytest

import compound_fast as cf
from callers import BODY, source, text
from loopback import Loopback


async def test_only_chat_completions_are_looked_up(caller, loopback):
    """Another path, another kind of body and what is no chat request go to the server untouched, each time."""
    odd = [
        ("/embeddings", {"input": "Where?"}, {}),
        ("/chat/completions", b"[1]", {}),
        ("/chat/completions", {"model": "real-1"}, {}),
        ("/chat/completions", BODY, {"content-type": "text/plain"}),
    ]
    for path, body, headers in odd:
        for _ in range(2):
            await caller.post(loopback, body, path=path, headers=headers)

    assert len(loopback.received) == 8
    assert "x-cf-served-from" not in (await caller.post(loopback, {"input": "W"}, path="/embeddings")).headers
    assert len(caller.cache) == 0


async def test_a_request_without_options_goes_upstream_as_it_is(caller, loopback):
    """Body and headers of the caller reach the server unchanged, spaces included."""
    body = b'{ "messages" : [ {"role": "user", "content": "Where?"} ], "temperature": 1e-1 }'

    await caller.post(loopback, body, headers={"x-mine": "1", "authorization": "Bearer k"})

    (received,) = loopback.received
    assert received.headers["content-length"] == str(len(body))
    assert (received.headers["x-mine"], received.headers["authorization"]) == ("1", "Bearer k")


async def test_options_come_off_before_the_request_goes_upstream(caller, loopback):
    """Neither the field `compound` nor an x-cf header reaches the server; the rest does."""
    body = {**BODY, "compound": {"tenant": "acme"}, "temperature": 0.5}

    await caller.post(loopback, body, headers={"x-cf-namespace": "shop", "x-mine": "1"})

    (received,) = loopback.received
    assert received.body == {**BODY, "temperature": 0.5}
    assert not [name for name in received.headers if name.startswith("x-cf-")]
    assert received.headers["x-mine"] == "1"
    assert caller.cache.get(received.body, tenant="acme", namespace="shop") is not None


@pytest.mark.parametrize("way", ["body", "headers"])
@pytest.mark.parametrize(
    ("cache", "sources", "stored"),
    [
        ("no-store", ["model", "model"], 0),
        ("off", ["model", "model"], 0),
        ("no-cache", ["model", "model"], 1),
        ("default", ["model", "exact"], 1),
    ],
)
async def test_a_call_says_what_the_cache_may_do(caller, loopback, way, cache, sources, stored):
    """`cache` of one call, in the body or as a header."""
    body = {**BODY, "compound": {"cache": cache}} if way == "body" else BODY
    headers = {} if way == "body" else {"x-cf-cache": cache}

    replies = [await caller.post(loopback, body, headers=headers) for _ in range(2)]

    assert [source(reply) for reply in replies] == sources
    assert len(caller.cache) == stored


async def test_a_ttl_of_a_call_holds(caller, loopback):
    """An answer stored with a time to live of its own is gone after it."""
    clock = cf.ManualClock(0)
    caller.cache = cf.SemanticCache(clock=clock)
    await caller.post(loopback, headers={"x-cf-ttl-s": "2.5"})

    clock.set(2_000)
    fresh = await caller.post(loopback)
    clock.set(3_000)
    late = await caller.post(loopback)

    assert (source(fresh), source(late)) == ("exact", "model")


@pytest.mark.parametrize(
    ("body", "headers", "named"),
    [
        ({"compound": {"tennant": "acme"}}, {}, "tennant"),
        ({"compound": {"cache": "never"}}, {}, "never"),
        ({"compound": "acme"}, {}, "acme"),
        ({}, {"x-cf-tennant": "acme"}, "x-cf-tennant"),
        ({}, {"x-cf-ttl-s": "soon"}, "soon"),
        ({}, {"x-cf-ttl-s": "-1"}, "-1"),
    ],
)
async def test_a_wrong_option_is_answered_with_status_400(caller, loopback, body, headers, named):
    """The answer has the shape of an OpenAI error, names the value, and nothing is sent."""
    reply = await caller.post(loopback, {**BODY, **body}, headers=headers)

    assert reply.status_code == 400
    assert named in reply.json()["error"]["message"]
    assert loopback.received == []


KEYS = [{"authorization": "Bearer one"}, {"authorization": "Bearer two"}]


@pytest.mark.parametrize(
    "others",
    [
        {"authorization": "Bearer two"},
        {"authorization": "Bearer one", "openai-organization": "org-2"},
        {"authorization": "Bearer one", "cookie": "session=2"},
        {"api-key": "one"},
        {"x-user-id": "2", "authorization": "Bearer one"},
        {"ocp-apim-subscription-key": "2", "authorization": "Bearer one"},
        {"x-gateway-provider": "2", "authorization": "Bearer one"},
        {},
    ],
)
async def test_other_credentials_share_nothing(caller, loopback, others):
    """Two keys, organisations, sessions or users never see each other's answers; the same ones do."""
    mine = {"authorization": "Bearer one"}
    sent = [mine, others, mine, others]

    replies = [await caller.post(loopback, headers=headers) for headers in sent]

    assert [source(reply) for reply in replies] == ["model", "model", "exact", "exact"]


async def test_headers_that_differ_between_equal_requests_keep_no_hit_away(caller, loopback):
    """Tracing, retries and idempotency say nothing about who asks, or whom."""
    for number in ("1", "2"):
        names = ("x-request-id", "traceparent", "idempotency-key", "x-stainless-retry-count", "user-agent")
        await caller.post(loopback, headers=dict.fromkeys(names, number))

    assert len(loopback.received) == 1


@pytest.mark.parametrize("tenant", ["acme", ""])
async def test_a_tenant_that_is_named_takes_the_place_of_the_key(caller, loopback, tenant):
    """Keys of one tenant share; the empty tenant lets all share. What an application stored itself is served too."""
    caller.options = {"tenant": tenant, "namespace": "faq"}
    caller.cache.put(BODY, "It is on its way.", tenant=tenant, namespace="faq")

    replies = [await caller.post(loopback, headers=headers) for headers in KEYS]

    assert [source(reply) for reply in replies] == ["exact", "exact"]
    assert replies[0].json()["choices"][0]["message"]["content"] == "It is on its way."
    assert text(b"".join(await caller.pieces(loopback))) == "It is on its way."


async def test_a_tenant_of_the_call_comes_before_that_of_the_transport(caller, loopback):
    """The call knows best, and its body before its headers."""
    caller.options = {"tenant": "acme"}
    await caller.post(loopback)

    other = await caller.post(loopback, headers={"x-cf-tenant": "other"})
    body = await caller.post(loopback, {**BODY, "compound": {"tenant": "acme"}}, headers={"x-cf-tenant": "third"})

    assert (source(other), source(body)) == ("model", "exact")


async def test_servers_share_nothing(caller, loopback):
    """The same model name on another server, or under another query, is another model."""
    other = Loopback()
    try:
        await caller.post(loopback)
        replies = [await caller.post(other), await caller.post(loopback, path="/chat/completions?api-version=2")]
    finally:
        other.close()

    assert [source(reply) for reply in replies] == ["model", "model"]
