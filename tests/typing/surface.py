"""What a user's type checker sees. Not run: mypy --strict reads it (test_types.py)."""

from __future__ import annotations

from typing import assert_type

import pydantic

import compound_fast as cf
from compound_fast._core import CacheHit, Request


class Turn(pydantic.BaseModel):
    """As the objects of OpenAI's SDK are made."""

    role: str
    content: str


def client() -> None:
    """An answer is a completion, a stream yields chunks, and a cost may be unknown."""
    with cf.Client() as client:
        reply = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hi"}])
        assert_type(reply, cf.ChatCompletion)
        assert_type(reply.choices[0].message.content, str | None)
        assert_type(reply.compound.cost_usd, float | None)
        assert_type(reply.usage.total_tokens, int)
        again = client.chat.completions.create(
            messages=[reply.choices[0].message, Turn(role="user", content="And?"), {"role": "user", "content": "Hi"}]
        )
        assert_type(again, cf.ChatCompletion)
        for chunk in client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}], stream=True):
            assert_type(chunk, cf.ChatCompletionChunk)


async def async_client() -> None:
    """The same, awaited."""
    async with cf.AsyncClient() as client:
        reply = await client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}])
        assert_type(reply, cf.ChatCompletion)


def rooms() -> None:
    """Each room alone."""
    cache = cf.SemanticCache(max_bytes=1 << 20)
    hit = cache.get("Hi", tenant="acme")
    assert_type(hit, cf.Hit | None)
    assert_type(cache.put("Hi", "Hello"), str | None)
    assert_type(cache.put("Hi", cf.Client().chat.completions.create(messages=[])), str | None)
    assert_type(cache.put("Hi", Turn(role="assistant", content="Hello")), str | None)
    assert_type(cf.Router([{"name": "m", "tier": "weak"}], policy={"rules": []}), cf.Router)
    router = cf.Router.from_config("compound.yaml")
    assert_type(router.route("Hi"), cf.RouteDecision)
    decision = cf.Engine(cache=cache, router=router).decide(b"{}")
    assert_type(decision, cf.Decision)
    assert_type(decision.response, bytes | None)


def wrong() -> None:
    """What a type checker has to refuse; an ignore that is not needed is an error of its own."""
    cf.SemanticCache(max_bytes="1 MB")  # type: ignore[arg-type]
    cf.SemanticCache(policy="loose")  # type: ignore[arg-type]
    cf.Client().chat.completions.create("Hi")  # type: ignore[call-overload]


def core(request: Request) -> CacheHit | None:
    """The extension is typed through its stub."""
    assert_type(request.input_tokens, int)
    return None
