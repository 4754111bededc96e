"""What a cache refuses, and how it says so."""

from __future__ import annotations

from decimal import Decimal

import pytest

import compound_fast as cf


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"similarity_threshold": 1.7}, "similarity_threshold=1.7 is outside"),
        ({"similarity_threshold": float("nan")}, "similarity_threshold=nan is no number in"),
        ({"slot_similarity_threshold": "x"}, "slot_similarity_threshold='x' is no number in"),
        ({"similarity_threshold": 10**400}, "similarity_threshold=1000"),
        ({"max_bytes": 0}, "max_bytes=0"),
        ({"max_bytes": 65_535}, r"max_bytes=65535 is no whole number in \[65536, "),
        ({"max_bytes": 1.5}, "max_bytes=1.5"),
        ({"max_bytes": -1}, "max_bytes=-1"),
        ({"max_bytes": 2**70}, "max_bytes=1180591620717411303424 is no whole number in"),
        ({"max_bytes": True}, "max_bytes=True"),
        ({"max_bytes": 10**5000}, "max_bytes=a number of thousands of digits"),
        ({"ttl_s": 0}, "ttl_s=0"),
        ({"ttl_s": True}, "ttl_s=True"),
        ({"ttl_s": -1}, "ttl_s=-1"),
        ({"ttl_s": float("nan")}, "ttl_s=nan"),
        ({"ttl_s": float("inf")}, "ttl_s=inf"),
        ({"ttl_s": 10**400}, "ttl_s=1000"),
        ({"clock": 3}, "clock=3 is no ManualClock"),
        ({"policy": "fuzzy"}, "policy='fuzzy'"),
        ({"path": 7}, "path=7 is no path"),
        ({"path": ""}, "path='' is no path"),
        ({"path": "a\0b"}, "path=.* is no path"),
        ({"durability": "none"}, "durability='none'"),
        ({"durability": "sync"}, "durability='sync' without a path"),
        ({"stale_ttl_s": 0}, "stale_ttl_s=0"),
        ({"ttl_jitter": 1}, "ttl_jitter=1 is outside"),
        ({"tenant_share": 0}, "tenant_share=0"),
        ({"eviction": "fifo"}, "eviction='fifo'"),
        ({"tenant_share": 2}, "tenant_share=2 is outside"),
    ],
)
def test_a_wrong_argument_is_named_with_its_value(arguments: dict[str, object], words: str) -> None:
    """A cache that cannot be made as asked is an error that says why."""
    with pytest.raises(cf.ConfigError, match=words):
        cf.SemanticCache(**arguments)  # type: ignore[arg-type]


def test_a_wrong_call_raises_and_stores_nothing() -> None:
    """Wrong requests, responses and costs raise, and what was stored stays."""
    cache = cf.SemanticCache()
    cache.put("hi", "there")

    for request in (b"{}", b"not json", {"messages": []}, "lone \ud800 surrogate", 7):
        with pytest.raises(cf.TextError):
            cache.get(request)  # type: ignore[arg-type]
    with pytest.raises(cf.CacheError, match="no JSON form"):
        cache.put("hi", {"when": object()})
    with pytest.raises(cf.ConfigError, match="cost_usd=-1"):
        cache.put("hi", "x", cost_usd=-1)

    hit = cache.get("hi")
    assert hit is not None
    assert hit.response == "there"


@pytest.mark.parametrize(
    "cost", [1e12, "abc", float("nan"), float("inf"), -1, True, Decimal("sNaN"), Decimal("1e99999")]
)
def test_a_cost_that_is_no_price_is_refused_and_named(cost: object) -> None:
    """A cost is dollars from 0 on, as a number or a Decimal; None where it is not known."""
    with pytest.raises(cf.ConfigError, match=r"^cost_usd=.* is no price in .*; None = not known$"):
        cf.SemanticCache().put("hi", "x", cost_usd=cost)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({"score": float("nan")}, "no JSON form: it holds NaN"),
        ({"text": "\ud800"}, "lone surrogate"),
        ("\ud800", "lone surrogate"),
        ([1], "is a list; a str, a completion or its bytes"),
        (7, "is a int; a str"),
        (bytearray(b"{}"), "a bytearray, has no JSON form"),
        (b"plain text", "bytes that are not JSON; give its text as a str"),
        (b'{"score": NaN}', "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ('{"a": "b"}'.encode("utf-16"), "not JSON"),
        (b"[1]", "is a JSON list; an object or a string"),
    ],
)
def test_a_response_that_could_not_be_served_again_is_refused(response: object, words: str) -> None:
    """An answer is a text, a completion, or the JSON bytes of one of them; nothing of it stands in the message."""
    cache = cf.SemanticCache()
    with pytest.raises(cf.CacheError, match=words) as caught:
        cache.put("hi", response)  # type: ignore[arg-type]

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert len(cache) == 0


def test_a_completion_of_a_client_may_be_stored() -> None:
    """An answer of our own client is stored as the completion that the provider sent."""
    with cf.Client() as client:
        reply = client.chat.completions.create(messages=[{"role": "user", "content": "hi"}])
    cache = cf.SemanticCache()
    cache.put("hi", reply)

    hit = cache.get("hi")
    assert hit is not None
    assert hit.response == reply.to_dict()


@pytest.mark.parametrize("who", ["tenant", "namespace"])
@pytest.mark.parametrize(
    ("value", "words"), [("\ud800", "lone surrogate"), (3, "=3 is not text"), (None, "is not text")]
)
def test_a_tenant_or_namespace_is_text(who: str, value: object, words: str) -> None:
    """Who asks is text that has a UTF-8 form, in every method."""
    cache = cf.SemanticCache()
    calls = (cache.get, cache.explain, lambda request, **options: cache.put(request, "x", **options))
    for call in calls:
        with pytest.raises(cf.TextError, match=rf"^{who}.*{words}"):
            call("hi", **{who: value})  # type: ignore[operator]


@pytest.mark.parametrize("arguments", [{"ttl_s": 0}, {"sources": "x"}, {"max_age_s": -1}, {"cost_usd": -1}])
def test_a_wrong_argument_is_refused_before_anything_is_called(arguments):
    """Nobody pays for a call whose answer cannot be stored as asked."""
    with pytest.raises(cf.ConfigError):
        cf.SemanticCache().get_or_call("hi", pytest.fail, **arguments)
