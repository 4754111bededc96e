"""What the objects of the surface look like in a shell and in a log."""

from __future__ import annotations

import json

import pytest

import compound_fast as cf

PROMPT, KEY = "Where is the blue parcel?", "sk-secret-of-a-test"
MODELS = "['sim-weak', 'sim-medium', 'sim-strong']"


@pytest.fixture
def used() -> dict[str, object]:
    """One of each, after a request."""
    client = cf.Client()
    with client:
        client.chat.completions.create(messages=[{"role": "user", "content": PROMPT}])
    router = cf.Router.from_config(cf.Config.default())
    cache = cf.SemanticCache()
    engine = cf.Engine(cache=None, router=router)
    index = cf.VectorIndex(dim=3)
    index.add([1], [[1.0, 0.0, 0.0]])
    body = json.dumps({"messages": [{"role": "user", "content": PROMPT}]}).encode()
    cache.put(body, "answer")
    return {
        "Client": client,
        "AsyncClient": cf.AsyncClient(),
        "Pipeline": client.pipeline,
        "Ledger": client.pipeline.ledger,
        "SemanticCache": cache,
        "Router": router,
        "Engine": engine,
        "VectorIndex": index,
        "RouteDecision": router.route(PROMPT),
        "Decision": engine.decide(body),
        "hit": cf.Engine(cache=cache, router=router).decide(body),
    }


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("Client", f"Client(config='default.yaml', models={MODELS})"),
        ("AsyncClient", f"AsyncClient(config='default.yaml', models={MODELS})"),
        ("Pipeline", f"Pipeline(config='default.yaml', models={MODELS})"),
        ("Ledger", "Ledger(requests=1, cost_usd=0.0"),
        ("SemanticCache", "SemanticCache(entries=1, bytes="),
        ("Router", f"Router(models={MODELS}, rules=['long context', 'code'])"),
        ("Engine", f"Engine(cache=None, router=Router(models={MODELS}, "),
        ("VectorIndex", "VectorIndex(dim=3, kind='flat', entries=1)"),
        ("RouteDecision", 'RouteDecision(candidates=["sim-weak", "sim-medium", "sim-strong"], reasons=["complexity'),
        ("Decision", 'Decision(kind="route", route=RouteDecision(candidates=["sim-weak"'),
        ("hit", 'Decision(kind="exact", hit=CacheHit(kind="exact", similarity=1'),
    ],
)
def test_an_object_says_what_it_is(used, name, starts):
    """Its class, and what tells it from another one of the class; nothing of a prompt."""
    shown = repr(used[name])

    assert shown.startswith(starts)
    assert "parcel" not in shown


def test_a_closed_cache_says_that_it_is_closed():
    """Its repr does not raise, as every other use does."""
    cache = cf.SemanticCache()
    cache.close()

    assert repr(cache) == "SemanticCache(closed)"


def test_a_configuration_shows_no_key(monkeypatch):
    """A provider shows the name of the variable, and not what it holds."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    shown = repr(cf.Config.default().with_base_url("http://127.0.0.1/v1"))

    assert "env:OPENAI_API_KEY" in shown
    assert KEY not in shown
