"""The whole path in one call gives what its steps give."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import compound_fast as cf

WORDS = st.sampled_from(
    ["cancel", "track", "order", "12345678", "$50", "not", "on", "off", "please", "def f():", "why", "compare", "?"]
)


def body_of(text: str) -> bytes:
    """A body with one user turn."""
    return json.dumps({"messages": [{"role": "user", "content": text}]}).encode()


@given(st.lists(st.lists(WORDS, min_size=1, max_size=8).map(" ".join), min_size=1, max_size=12))
def test_one_call_decides_as_the_steps_do(texts: list[str]) -> None:
    """For any traffic, Engine.decide serves and routes exactly as get and route, asked one after the other."""
    router = cf.Router.from_config(cf.Config.default())
    cache = cf.SemanticCache(similarity_threshold=0.7)
    engine = cf.Engine(cache=cache, router=router)
    for number, text in enumerate(texts):
        body = body_of(text)
        hit = cache.get(body)

        decision = engine.decide(body)

        if hit is not None:
            assert decision.hit is not None
            assert decision.route is None
            assert (decision.kind, decision.hit.entry_id, decision.response) == (hit.kind, hit.entry_id, hit.response)
        else:
            route = router.route(body)
            assert decision.route is not None
            assert decision.response is None
            assert (decision.kind, decision.route.candidates) == ("route", route.candidates)
            assert decision.reasons == route.reasons
            cache.put(body, json.dumps(str(number)).encode())


def test_the_decision_carries_the_request_and_the_time_of_each_step() -> None:
    """What was read once is there to be stored, and every step says how long it took."""
    engine = cf.Engine(cache=None, router=cf.Router.from_config(cf.Config.default()))

    decision = engine.decide(body_of("Where is order 12345678?"), tenant="acme")

    assert (decision.request.tenant, decision.request.text) == ("acme", "Where is order 12345678?")
    assert list(decision.timings_us) == ["request", "cache", "route"]
    assert all(time >= 0 for time in decision.timings_us.values())


def test_a_bad_body_and_an_unknown_model_raise() -> None:
    """What cannot be decided is an error, not a default."""
    engine = cf.Engine(cache=cf.SemanticCache(), router=cf.Router.from_config(cf.Config.default()))

    with pytest.raises(cf.TextError, match="no `messages`"):
        engine.decide(b"{}")
    with pytest.raises(cf.NoCandidateError):
        engine.decide(b'{"model": "x", "messages": [{"role": "user", "content": "hi"}]}')


@pytest.mark.parametrize("arguments", [{"tenant": "\ud800"}, {"namespace": 3}, {"body": "secret"}, {"body": None}])
def test_a_wrong_argument_is_a_text_error_that_names_it(arguments: dict[str, object]) -> None:
    """Who asks is text, a body is bytes, and the message repeats no body."""
    engine = cf.Engine(cache=None, router=cf.Router.from_config(cf.Config.default()))

    with pytest.raises(cf.TextError, match=next(iter(arguments))) as caught:
        engine.decide(**{"body": body_of("hi"), **arguments})  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_an_engine_is_made_of_a_cache_and_a_router() -> None:
    """Anything else is refused when it is made."""
    with pytest.raises(cf.ConfigError, match="router=3 is no Router"):
        cf.Engine(None, 3)  # type: ignore[arg-type]
    with pytest.raises(cf.ConfigError, match="cache='x' is no SemanticCache"):
        cf.Engine("x", cf.Router.from_config(cf.Config.default()))  # type: ignore[arg-type]
