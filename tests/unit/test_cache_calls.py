"""One call for all who ask the same: across threads and tasks, through errors, cancellation and re-entrance."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

import pytest

import compound_fast as cf
from flights import LIMIT_S, under_way, until, waiting


def _in_threads(count, work):
    """Run `work(number)` in `count` threads that start together, and return what each gave or raised."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait()
        try:
            return work(number)
        except Exception as error:  # noqa: BLE001 - handed to the test
            return error

    with ThreadPoolExecutor(count) as pool:
        return [future.result(LIMIT_S) for future in [pool.submit(run, number) for number in range(count)]]


async def _never():
    raise AssertionError("it was called, and not waited for")


def test_a_stored_answer_is_served_and_nothing_is_called():
    """After the first call the answer comes from the cache, in the form in which it was returned."""
    cache = cf.SemanticCache()
    first = cache.get_or_call("hi", lambda: {"choices": []}, tenant="a", model="m", cost_usd=0.5, sources=["kb@1"])
    second = cache.get_or_call("hi", pytest.fail, tenant="a")

    assert (first.served_from, first.shared, first.response, first.hit) == ("model", False, {"choices": []}, None)
    assert (second.served_from, second.shared, second.response) == ("exact", False, {"choices": []})
    assert second.entry_id == first.entry_id
    assert second.hit is not None
    assert (second.hit.model, second.hit.cost_saved_usd) == ("m", 0.5)
    assert cache.invalidate(source="kb@1") == 1


def test_threads_that_ask_the_same_share_one_call():
    """Of 40 threads with one request one calls; the others get its answer, each a copy of its own."""
    cache = cf.SemanticCache()
    calls = []

    def call():
        calls.append(threading.get_ident())
        until(lambda: waiting(cache._flights) >= 30)
        return {"answer": len(calls)}

    served = _in_threads(40, lambda _: cache.get_or_call("Where is my order?", call))

    assert len(calls) == 1
    assert all(one.response == {"answer": 1} for one in served)
    assert Counter((one.served_from, one.shared) for one in served)["model", False] == 1
    assert len({id(one.response) for one in served}) == 40
    assert len({one.entry_id for one in served}) == 1
    assert under_way(cache._flights) == []


def test_tasks_and_threads_share_one_call():
    """Tasks of two event loops and plain threads with one request make one call."""
    cache = cf.SemanticCache()
    calls = []

    async def acall():
        calls.append("task")
        while waiting(cache._flights) < 6:  # noqa: ASYNC110 - threads wait too, and set no event of a loop
            await asyncio.sleep(0.001)
        return "there"

    def call():
        calls.append("thread")
        until(lambda: waiting(cache._flights) >= 6)
        return "there"

    async def ask_twice():
        return await asyncio.gather(*(cache.aget_or_call("hi", acall) for _ in range(2)))

    served = _in_threads(7, lambda number: asyncio.run(ask_twice()) if number < 2 else [cache.get_or_call("hi", call)])

    flat = [one for several in served for one in several]
    assert len(calls) == 1
    assert [one.response for one in flat] == ["there"] * 9


def test_other_requests_and_other_tenants_do_not_wait():
    """Only identical requests share; what differs in scope or text has its own call, at the same time."""
    cache = cf.SemanticCache()
    barrier = threading.Barrier(3)

    def call():
        barrier.wait(LIMIT_S)  # breaks unless three calls are under way at once
        return "x"

    asked = [("hi", "a"), ("hi", "b"), ("ho", "a")]
    served = _in_threads(3, lambda number: cache.get_or_call(asked[number][0], call, tenant=asked[number][1]))

    assert [one.shared for one in served] == [False] * 3


def test_who_waits_for_a_call_that_fails_gets_its_error_and_the_next_one_calls_anew():
    """One failure is one call; nothing is stored, and the request can be asked again."""
    cache = cf.SemanticCache()
    calls = []

    def call():
        calls.append(1)
        until(lambda: waiting(cache._flights) >= 9)
        raise cf.CompoundFastError("no answer")

    outcomes = _in_threads(10, lambda _: cache.get_or_call("hi", call))

    assert len(calls) == 1
    assert len({id(outcome) for outcome in outcomes}) == 1
    assert isinstance(outcomes[0], cf.CompoundFastError)
    assert len(cache) == 0
    assert cache.get_or_call("hi", lambda: "there").response == "there"


@pytest.mark.parametrize("error", [StopIteration("over"), futures.CancelledError("given up")])
async def test_an_error_that_asyncio_has_its_own_use_for_reaches_the_tasks_that_wait(error):
    """A thread's call ends with it, and a task that waits gets it, and is neither cancelled nor left waiting."""
    cache = cf.SemanticCache()

    started = threading.Event()

    def call():
        started.set()
        until(lambda: waiting(cache._flights) >= 1)
        raise error

    leader = asyncio.create_task(asyncio.to_thread(_in_threads, 1, lambda _: cache.get_or_call("hi", call)))
    await asyncio.to_thread(started.wait, LIMIT_S)
    follower = asyncio.create_task(cache.aget_or_call("hi", _never))

    with pytest.raises(Exception, match=r"over|given up|StopIteration") as raised:
        await asyncio.wait_for(follower, LIMIT_S)
    assert error in (raised.value, raised.value.__cause__)  # a coroutine can raise no StopIteration itself
    assert await leader == [error]


async def test_a_cancelled_leader_hands_over_to_the_next_task():
    """When the task that calls is cancelled, one of those who wait calls, and the rest get its answer."""
    cache = cf.SemanticCache()
    started = asyncio.Event()
    calls = []

    async def acall():
        calls.append(1)
        if len(calls) == 1:
            started.set()
            await asyncio.sleep(LIMIT_S)
        return "there"

    leader = asyncio.create_task(cache.aget_or_call("hi", acall))
    await started.wait()
    others = [asyncio.create_task(cache.aget_or_call("hi", acall)) for _ in range(5)]
    await asyncio.sleep(0.01)

    leader.cancel()
    served = await asyncio.wait_for(asyncio.gather(*others), LIMIT_S)

    assert leader.cancelled() or (await asyncio.gather(leader, return_exceptions=True))
    assert len(calls) == 2
    assert [one.response for one in served] == ["there"] * 5
    assert under_way(cache._flights) == []


async def test_a_cancelled_follower_leaves_the_others_alone():
    """Who stops waiting stops only itself."""
    cache = cf.SemanticCache()
    may_end = asyncio.Event()

    async def acall():
        await may_end.wait()
        return "there"

    tasks = [asyncio.create_task(cache.aget_or_call("hi", acall)) for _ in range(4)]
    await asyncio.sleep(0.01)
    tasks[2].cancel()
    await asyncio.sleep(0.01)
    may_end.set()

    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), LIMIT_S)
    assert [isinstance(one, asyncio.CancelledError) for one in outcomes] == [False, False, True, False]


def test_an_interrupted_leader_hands_over():
    """A leader that ends by KeyboardInterrupt leaves no flight behind."""
    cache = cf.SemanticCache()

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get_or_call("hi", interrupt)

    assert cache.get_or_call("hi", lambda: "there").response == "there"


def test_a_call_that_asks_its_own_request_is_not_kept_waiting_for_itself():
    """Directly, and by way of another request, in one thread."""
    cache = cf.SemanticCache()

    def direct():
        return cache.get_or_call("hi", lambda: "inner").response

    def by_way():
        return cache.get_or_call("two", lambda: cache.get_or_call("one", lambda: "inner").response).response

    def ask(_):
        return cache.get_or_call("hi", direct).response, cache.get_or_call("one", by_way).response

    done = _in_threads(1, ask)

    assert done == [("inner", "inner")]


async def test_a_call_whose_tasks_ask_its_own_request_is_not_kept_waiting_for_itself():
    """In a child task, in a thread of asyncio's, and synchronously on the event loop."""
    cache = cf.SemanticCache()

    async def inner():
        return "inner"

    async def in_a_task():
        task = asyncio.create_task(cache.aget_or_call("task", inner))
        return (await task).response

    async def in_a_thread():
        return (await asyncio.to_thread(cache.get_or_call, "thread", lambda: "inner")).response

    async def on_the_loop():
        other = asyncio.create_task(asyncio.sleep(0))
        await other
        return "outer"

    for name, acall in (("task", in_a_task), ("thread", in_a_thread)):
        served = await asyncio.wait_for(cache.aget_or_call(name, acall), LIMIT_S)
        assert served.response == "inner"
    # A plain call on the event loop that would have to wait for a task of that very loop.
    leader = asyncio.create_task(cache.aget_or_call("loop", on_the_loop))
    await asyncio.sleep(0)
    assert cache.get_or_call("loop", lambda: "mine").response == "mine"
    assert (await leader).response == "outer"


def test_two_calls_that_ask_for_each_other_do_not_wait_for_ever():
    """A leads one request and asks the other, B the other way round: one of the two calls for itself."""
    cache = cf.SemanticCache()
    barrier = threading.Barrier(2)

    def ask(mine, other):
        def call():
            barrier.wait(LIMIT_S)
            return cache.get_or_call(other, lambda: f"{other} for {mine}").response

        return cache.get_or_call(mine, call).response

    done = _in_threads(2, lambda number: ask("one", "two") if number else ask("two", "one"))

    assert all(isinstance(one, str) for one in done), done


def test_an_answer_that_came_between_miss_and_call_is_served():
    """Who missed just before the answer was stored finds it, and does not call."""
    cache = cf.SemanticCache()
    missed, stored = threading.Event(), threading.Event()
    core = cache._core

    class Slow:
        """The core, with a pause between a miss and what follows it."""

        def __getattr__(self, name):
            return getattr(core, name)

        def get(self, *arguments):
            hit = core.get(*arguments)
            missed.set()
            stored.wait(LIMIT_S)
            return hit

    cache._core = Slow()  # type: ignore[assignment]

    def late(_):
        return cache.get_or_call("hi", lambda: pytest.fail("called"))

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(late, 0)
        missed.wait(LIMIT_S)
        cache.put("hi", "there")
        stored.set()
        served = future.result(LIMIT_S)

    assert (served.response, served.served_from) == ("there", "exact")
    stats = cache.stats()
    assert (stats["lookups"], stats["exact_hits"], stats["misses"]) == (1, 1, 0)


def test_no_cache_and_no_store_do_what_they_say():
    """no_cache asks anew and stores; no_store serves what is there and stores nothing."""
    cache = cf.SemanticCache()

    assert cache.get_or_call("hi", lambda: "1", no_store=True).entry_id is None
    assert cache.get_or_call("hi", lambda: "2").response == "2"
    assert cache.get_or_call("hi", lambda: "3", no_store=True).response == "2"
    assert cache.get_or_call("hi", lambda: "4", no_cache=True).response == "4"
    assert cache.get_or_call("hi", pytest.fail).response == "4"


def test_many_threads_and_loops_call_once_for_each_request():
    """Under load every request is called for once, and each answer is that of its own request."""
    cache = cf.SemanticCache(policy="exact")
    calls = Counter()
    lock = threading.Lock()

    def call(number):
        with lock:
            calls[number] += 1
        return f"answer {number}"

    async def acall(number):
        await asyncio.sleep(0)
        return call(number)

    async def ask_all():
        asked = [number for number in range(60) for _ in range(3)]
        served = await asyncio.gather(
            *(cache.aget_or_call(f"question {number}", lambda number=number: acall(number)) for number in asked)
        )
        return [one.response == f"answer {number}" for number, one in zip(asked, served, strict=True)]

    def work(number):
        if number % 2:
            return all(asyncio.run(ask_all()))
        asked = [cache.get_or_call(f"question {n}", lambda n=n: call(n)).response for n in range(60)]
        return asked == [f"answer {n}" for n in range(60)]

    assert _in_threads(12, work) == [True] * 12
    assert set(calls.values()) == {1}
    assert len(calls) == 60


async def _answer_later():
    return "later"


def test_a_coroutine_function_is_refused_with_its_remedy(recwarn):
    """`get_or_call` and `cached` await nothing, and say what does; nothing is stored and nobody is kept waiting."""
    cache = cf.SemanticCache()
    for call in (_answer_later, lambda: _answer_later()):
        with pytest.raises(cf.ConfigError, match=r"call returned a coroutine.* await cache\.aget_or_call"):
            cache.get_or_call("hi", call)
    with pytest.raises(cf.ConfigError, match="aget_or_call"):
        cache.get_or_call("hi", _answer_later, no_store=True)
    with pytest.raises(cf.ConfigError, match="aget_or_call"):
        cache.cached(lambda request: _answer_later())("hi")  # noqa: ARG005

    assert (len(cache), under_way(cache._flights), list(recwarn)) == (0, [], [])


async def test_a_plain_function_is_refused_where_a_coroutine_belongs():
    """`aget_or_call` names `get_or_call`."""
    cache = cf.SemanticCache()
    with pytest.raises(cf.ConfigError, match=r"acall returned a str.*get_or_call"):
        await cache.aget_or_call("hi", lambda: "now")

    assert (len(cache), under_way(cache._flights)) == (0, [])
