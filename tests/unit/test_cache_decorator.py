"""`SemanticCache.cached`: functions that share their calls."""

from __future__ import annotations

import asyncio

import pytest

import compound_fast as cf


def test_a_decorated_function_is_called_once_for_each_request_and_tenant():
    """The decorator takes tenants by rule, keeps the name, and gives the bare answer."""
    cache = cf.SemanticCache()
    calls = []

    @cache.cached(tenant=lambda request: request["user"], tags=["d"])
    def ask(request):
        """Ask."""
        calls.append(request)
        return "there"

    asked = [{"user": user, "messages": [{"role": "user", "content": "hi"}]} for user in ("a", "b", "a")]

    assert [ask(request) for request in asked] == ["there"] * 3
    assert len(calls) == 2
    assert (ask.__name__, ask.__doc__) == ("ask", "Ask.")
    assert cache.invalidate(tag="d", tenant="b") == 1
    with pytest.raises(TypeError):
        ask(asked[0], "more")


async def test_a_decorated_coroutine_function_shares_its_calls():
    """Without arguments the decorator stands bare; tasks share one call."""
    cache = cf.SemanticCache()
    calls = []

    @cache.cached
    async def ask(request):
        calls.append(request)
        await asyncio.sleep(0.01)
        return {"text": "there"}

    answers = await asyncio.gather(*(ask("hi") for _ in range(10)))

    assert answers == [{"text": "there"}] * 10
    assert calls == ["hi"]
