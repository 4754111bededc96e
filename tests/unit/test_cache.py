"""The cache, as its users see it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

import pytest

import compound_fast as cf

COMPLETION = {"choices": [{"message": {"role": "assistant", "content": "There."}, "finish_reason": "stop"}]}


def test_a_response_comes_back_in_the_form_it_went_in() -> None:
    """Text, a completion object and JSON bytes are each served as they were stored."""
    cache = cf.SemanticCache()
    as_bytes = json.dumps(COMPLETION).encode()
    for number, response in enumerate(("There.", COMPLETION, as_bytes)):
        cache.put(f"question {number}", response)

    served = [cache.get(f"question {number}") for number in range(3)]

    assert [hit and hit.response for hit in served] == ["There.", COMPLETION, as_bytes]


def test_a_request_is_the_same_in_each_of_its_forms() -> None:
    """Text, messages, a body and its bytes are one request."""
    messages = [{"role": "user", "content": "Where is my order?"}]
    cache = cf.SemanticCache()
    cache.put("Where is my order?", "There.")

    for form in (messages, {"messages": messages, "stream": True}, json.dumps({"messages": messages}).encode()):
        hit = cache.get(form)
        assert hit is not None
        assert (hit.kind, hit.similarity) == ("exact", 1.0)


def test_another_wording_with_the_same_number_is_a_semantic_hit() -> None:
    """A request that means the same is served; one that differs by a digit, or by what is to be done, is not."""
    cache = cf.SemanticCache()
    cache.put("cancel purchase 150351613775", "Cancelled.", model="m", cost_usd=0.0123)

    hit = cache.get("please cancel the purchase 150351613775")

    assert hit is not None
    assert (hit.kind, hit.model, hit.cost_saved_usd) == ("semantic", "m", 0.0123)
    assert "similarity" in hit.explain()
    assert cache.get("please cancel the purchase 150351613776") is None
    assert cache.get("please track the purchase 150351613775") is None


def test_tenants_and_namespaces_share_nothing() -> None:
    """An entry is served to the tenant and namespace that stored it, in both tiers."""
    cache = cf.SemanticCache()
    cache.put("Where is order 12345678?", "There.", tenant="a", namespace="n")

    for tenant, namespace in (("b", "n"), ("a", ""), ("", "n"), ("an", "")):
        assert cache.get("Where is order 12345678?", tenant=tenant, namespace=namespace) is None
        assert cache.get("so where is order 12345678", tenant=tenant, namespace=namespace) is None
    assert cache.get("so where is order 12345678", tenant="a", namespace="n") is not None


def test_an_expired_entry_is_a_miss() -> None:
    """An entry past its TTL is never returned."""
    clock = cf.ManualClock(0)
    cache = cf.SemanticCache(ttl_s=10, clock=clock)
    cache.put("short", "1")
    cache.put("long", "2", ttl_s=60)

    clock.set(10_000)

    assert cache.get("short") is None
    hit = cache.get("long")
    assert hit is not None
    assert hit.age_s == 10.0


def test_the_byte_budget_holds_and_the_least_recently_served_goes_first() -> None:
    """However much is stored, the cache stays within its bytes, and keeps what was asked for last."""
    cache = cf.SemanticCache(max_bytes=70_000)
    for number in range(200):
        cache.put(f"question about thing {number}", "x" * 500)
        assert cache.get("question about thing 0") is not None

    stats = cache.stats()

    assert stats["bytes"] <= stats["max_bytes"] == 70_000
    assert stats["evicted"] + stats["entries"] == 200
    assert 10 < len(cache) < 60


def test_explain_says_what_refused_a_neighbour() -> None:
    """The nearest neighbours are shown with their similarity and the guard that refused them; nothing is counted."""
    cache = cf.SemanticCache()
    entry_id = cache.put("turn on the dark mode in the app", "On.")

    explanation = cache.explain("turn off the dark mode in the app")

    assert explanation["served_from"] is None
    assert explanation["candidates"][0]["entry_id"] == entry_id
    assert explanation["candidates"][0]["refused_by"] == "antonym"
    assert cache.stats()["lookups"] == 0


def test_the_exact_policy_compares_nothing_by_meaning() -> None:
    """With policy="exact" only the same request is a hit."""
    cache = cf.SemanticCache(policy="exact")
    cache.put("cancel purchase 150351613775", "Cancelled.")

    assert cache.get("cancel  purchase 150351613775") is not None
    assert cache.get("please cancel purchase 150351613775") is None
    assert cache.explain("please cancel purchase 150351613775")["compared_by_meaning"] is False


def test_clear_forgets_everything_and_ids_are_not_used_again() -> None:
    """After clear nothing is served, and a new entry has a new id."""
    cache = cf.SemanticCache()
    first = cache.put("hi", "1")

    cache.clear()

    assert (len(cache), cache.get("hi"), cache.stats()["bytes"]) == (0, None, 0)
    assert cache.put("hi", "1") != first


def test_an_error_never_shows_the_prompt() -> None:
    """The text of a request stays out of messages."""
    with pytest.raises(cf.TextError) as caught:
        cf.SemanticCache().get(b'{"messages": [{"role": "user", "content": "my secret" 7}]}')

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [{"compound": {"tenant": "a"}}, {"compound": None}])
def test_options_in_a_body_are_refused_and_not_overlooked(body: dict[str, object]) -> None:
    """A tenant that stands in the body would otherwise be no tenant at all."""
    request = {"messages": [{"role": "user", "content": "hi"}], **body}

    cache = cf.SemanticCache()
    for form in (request, json.dumps(request).encode()):
        for call in (cache.get, cache.explain, lambda asked: cache.put(asked, "x")):
            with pytest.raises(cf.TextError, match="pass tenant="):
                call(form)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loans between one hundred and five hundred dollars", "loans between two hundred and four hundred dollars"),
        ("three hundred and five thousand people", "five thousand three hundred people"),
        ("refund €1.000 to my card", "refund €1 to my card"),
        ("What is 5!", "What is 5"),
        ("What is !true", "What is true"),
        ("What is .5 plus 3", "What is 5 plus 3"),
        ("I spent $.50 on gum", "I spent $50 on gum"),
        ("Convert A$500 to euros", "Convert C$500 to euros"),
        ("Classify the sentiment: great day :)", "Classify the sentiment: great day :("),
        ("What is f'(x) for f = sin", "What is f(x) for f = sin"),
        ("split the string by ; please", "split the string by : please"),
        ("what does _ mean in python", "what does __ mean in python"),
        ("please use ./run here", "please use ../run here"),
        ("explain git commit -a", "explain git commit -m"),
        ("我打了他", "他打了我"),
        ("田中は佐藤を殴りましたか", "佐藤は田中を殴りましたか"),
        ("translate 我爱他 to english please", "translate 他爱我 to english please"),
        ("did the manager's assistant call", "did the assistant's manager call"),
        ("is it safe for kids under the age of two", "is it safe for kids over the age of two"),
        ("cancel it if it rains", "cancel it unless it rains"),
        ("block card 12345", "unblock card 12345"),
        ("was the payment of $500 received", "was the payment of $500 sent"),
    ],
)
def test_what_a_vector_barely_sees_is_no_hit(one: str, other: str) -> None:
    """Texts that differ in a sign, a number in words, the order of characters, or one small word share no answer."""
    for stored, asked in ((one, other), (other, one)):
        cache = cf.SemanticCache()
        cache.put(stored, "the answer")

        assert cache.get(stored) is not None
        assert cache.get(asked) is None


def test_a_tenant_has_its_share_and_requests_of_the_day_a_shorter_time() -> None:
    """tenant_share and stale_ttl_s reach the core, from the constructor and from a configuration."""
    clock = cf.ManualClock(0)
    settings = {"max_bytes": 400_000, "tenant_share": 0.25, "stale_ttl_s": 1, "ttl_s": 60}
    raw = {
        "version": 1,
        "models": {"m": {"provider": "p", "tier": "weak"}},
        "baseline": "m",
        "providers": {"p": {"kind": "simulated"}},
        "cache": settings,
    }
    configured = cf.SemanticCache.from_config(cf.Config.from_mapping(raw), clock=clock)
    for cache in (configured, cf.SemanticCache(clock=clock, **settings)):  # type: ignore[arg-type]
        clock.set(0)
        cache.put("a thing", "x", tenant="small")
        for number in range(300):
            cache.put(f"thing {number}", "x" * 500, tenant="loud")
        cache.put("what is on sale today", "x", tenant="small")

        assert cache.get("a thing", tenant="small") is not None
        assert len(list(cache.entries(tenant="loud"))) < 60
        clock.set(1_000)
        assert cache.get("what is on sale today", tenant="small") is None


@pytest.mark.parametrize(("eviction", "survives"), [("lru", False), ("s3-fifo", True), ("cost-aware", True)])
def test_what_is_asked_often_survives_a_burst_except_under_lru(eviction: Literal["lru"], survives: bool) -> None:
    """A burst of requests that are seen once pushes out what LRU served last, and nothing that the others know."""
    cache = cf.SemanticCache(max_bytes=300_000, policy="exact", eviction=eviction)
    for _ in range(5):
        for number in range(20):
            cache.get_or_call(f"often {number}", lambda: "x" * 300, cost_usd=0.01)

    for number in range(600):
        cache.put(f"once {number}", "x" * 300, cost_usd=0.001)

    hits = [hit is not None for hit in cache.get_many([f"often {number}" for number in range(20)])]
    assert all(hits) == survives
    assert cache.stats()["bytes"] <= 300_000


@pytest.mark.parametrize("use", ["get", "put", "len", "stats", "invalidate", "again"])
def test_a_closed_cache_says_so(tmp_path: Path, use: str) -> None:
    """What is put after close() would be gone with the process; closing twice is fine."""
    cache = cf.SemanticCache(path=tmp_path / "cache")
    cache.put("hi", "there")
    cache.close()
    calls = {
        "get": lambda: cache.get("hi"),
        "put": lambda: cache.put("hi", "there"),
        "len": lambda: len(cache),
        "stats": cache.stats,
        "invalidate": lambda: cache.invalidate(tag="x"),
    }

    if use == "again":
        cache.close()
    else:
        with pytest.raises(cf.CacheError, match="closed"):
            calls[use]()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_the_files_of_a_cache_are_their_owners_alone(tmp_path: Path) -> None:
    """Prompts and answers stand in them, in a folder that may have been there before."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    with cf.SemanticCache(path=folder) as cache:
        cache.put("my secret", "yours")
    with cf.SemanticCache(path=folder) as cache:
        assert cache.get("my secret") is not None

    held = {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir() if path.name != "lock"}
    assert held
    assert not any(held.values()), held


def test_the_numbers_say_who_asked_what_it_saved_and_how_long_it_took() -> None:
    """Hits and misses by tier and scope, money and tokens where they are known, and latencies by tier."""
    cache = cf.SemanticCache()
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    reply = {"choices": [{"message": {"content": "There."}}], "usage": usage}
    cache.put("cancel purchase 150351613775", reply, tenant="a", namespace="n", cost_usd=4e-8)
    cache.put("one thing", "unpriced")
    for request in ("cancel purchase 150351613775", "please cancel the purchase 150351613775"):
        assert cache.get(request, tenant="a", namespace="n") is not None
    assert cache.get("one thing") is not None
    assert cache.get("two things") is None

    stats = cache.stats()
    scopes = sorted(stats["scopes"], key=lambda scope: str(scope["tenant"]))
    counted = [tuple(scope[name] for name in ("lookups", "exact_hits", "semantic_hits", "misses")) for scope in scopes]
    assert [(scope["tenant"], scope["namespace"]) for scope in scopes] == [("", ""), ("a", "n")]
    assert counted == [(2, 1, 0, 1), (2, 1, 1, 0)]
    assert stats["other_scopes"]["lookups"] == 0
    assert (stats["saved_nano_usd"], stats["unpriced_hits"]) == (80, 1)
    assert (stats["tokens_saved"], stats["uncounted_hits"]) == (24, 1)
    for row in stats["latency_us"].values():
        assert 0 < row["p50"] <= row["p90"] <= row["p99"] < 1e6
    cache.clear()
    assert cache.stats()["saved_nano_usd"] == 80


def test_the_tokens_of_a_completion_are_kept_in_each_of_its_forms() -> None:
    """A dict, its bytes and an object of an SDK say what they took; a text, and a usage that cannot be, say nothing."""

    class Usage:
        prompt_tokens, completion_tokens = 7, 5

    class Reply:
        usage = Usage()

        def model_dump(self, **options: object) -> dict[str, object]:  # noqa: ARG002
            return dict(raw)

    raw = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
    silent = {"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": "x"}}
    saved = []
    for response in (raw, json.dumps(raw).encode(), Reply(), "text", silent):
        cache = cf.SemanticCache()
        cache.put("hi", response)
        cache.get("hi")
        saved.append((cache.stats()["tokens_saved"], cache.stats()["uncounted_hits"]))

    assert saved == [(12, 0), (12, 0), (12, 0), (0, 1), (0, 1)]


@pytest.mark.parametrize(
    ("stored", "asked", "guard"),
    [
        ("Who is the CEO of Apple?", "Who was the CEO of Apple?", "function"),
        ("Is the key on the table?", "Is the key under the table?", "function"),
        ("send the red one and the blue one", "send the red one or the blue one", "function"),
        ("cancel order 10423", "cancel order 10423 and refund it", "clause"),
    ],
)
def test_a_small_word_or_an_added_order_is_refused(stored, asked, guard) -> None:
    """Neither is served with the answer to the other, either way round."""
    for one, other in ((stored, asked), (asked, stored)):
        cache = cf.SemanticCache(similarity_threshold=0.5, slot_similarity_threshold=0.5)
        cache.put(one, "x")

        assert cache.get(other) is None
        assert cache.explain(other)["candidates"][0]["refused_by"] == guard
        assert cache.stats()[f"refused_{guard}"] == 1
