"""Identical requests under way at the same time are one call to the server: transports, pipelines and clients."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns

import pytest

import compound_fast as cf
from callers import BODY, STREAM, source
from compound_fast.config import LedgerConfig
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions
from flights import LIMIT_S
from flights import waiting as count_waiting
from loopback import answer, config, raw_answer, reset, status, stream

COUNT = 5
QUESTION = to_body("Where is my order?")


class Gate:
    """Holds the server's answers back until it is opened."""

    def __init__(self, loopback, behaviour) -> None:
        self._server = loopback
        self._opened = threading.Event()

        async def held(connection):
            await asyncio.to_thread(self._opened.wait, LIMIT_S)
            await behaviour(connection)

        loopback.script = [held]

    async def until(self, flights, *, waiting: int = 0, asked: int = 1) -> None:
        """Return once so many wait for others, and so many have asked the server."""
        for _ in range(LIMIT_S * 500):
            if len(self._server.received) == asked and count_waiting(flights) == waiting:
                return
            await asyncio.sleep(0.002)
        self._opened.set()
        raise AssertionError(f"{len(self._server.received)} asked, and {count_waiting(flights)} waited")

    async def open_when(self, flights, *, waiting: int = 0, asked: int = 1) -> None:
        """Let the answers through then."""
        await self.until(flights, waiting=waiting, asked=asked)
        self._opened.set()


def _in_threads(caller, loopback, body=BODY, **call):
    """Start `COUNT` threads, each with a client, and an event loop, of its own."""
    pool = ThreadPoolExecutor(COUNT)
    futures = [pool.submit(lambda: asyncio.run(caller.post(loopback, body, **call))) for _ in range(COUNT)]
    pool.shutdown(wait=False)
    return asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)


async def test_identical_calls_of_many_threads_are_one(caller, loopback):
    """One call goes to the server; the others get its body, and say that they share it."""
    gate = Gate(loopback, answer())
    calls = _in_threads(caller, loopback)
    await gate.open_when(caller.cache._http_flights, waiting=COUNT - 1)
    responses = await calls

    assert len(loopback.received) == 1
    assert {source(response) for response in responses} == {"model"}
    assert sum(response.headers.get("x-cf-shared") == "true" for response in responses) == COUNT - 1
    assert len({response.content for response in responses}) == 1
    assert len({response.headers.get("x-cf-entry-id") for response in responses} - {None}) == 1
    assert source(await caller.post(loopback)) == "exact"
    assert (caller.faults, caller.cache._http_flights._calls.by_key) == (0, {})


@pytest.mark.parametrize("module", ["httpx", "httpx2"])
async def test_identical_calls_of_many_tasks_are_one(module, loopback):
    """The tasks of one event loop wait without holding it up."""
    http = pytest.importorskip(module)
    cache = cf.SemanticCache()
    gate = Gate(loopback, answer())
    async with http.AsyncClient(transport=cf.CacheTransport(cache)) as client:
        url = loopback.base_url + "/chat/completions"
        calls = asyncio.gather(*(client.post(url, json=BODY) for _ in range(COUNT)))
        await gate.open_when(cache._http_flights, waiting=COUNT - 1)
        responses = await calls

    assert len(loopback.received) == 1
    assert len({response.content for response in responses}) == 1


@pytest.mark.parametrize(
    "behaviour",
    [answer(finish_reason="length"), status(500), raw_answer(b"no JSON"), reset],
    ids=["cut off", "status 500", "no JSON", "reset"],
)
async def test_who_waited_for_what_cannot_be_shared_calls_for_himself(caller, loopback, behaviour):
    """An answer that may not be stored, and a failure, are the leader's alone; the others ask all at once."""
    gate = Gate(loopback, behaviour)
    calls = _in_threads(caller, loopback)
    await gate.open_when(caller.cache._http_flights, waiting=COUNT - 1)
    outcomes = await asyncio.wait_for(calls, LIMIT_S)

    assert len(loopback.received) == COUNT
    assert len(caller.cache) == 0
    if behaviour is reset:
        assert all(isinstance(outcome, caller.http.TransportError) for outcome in outcomes)
    else:
        assert not any("x-cf-shared" in outcome.headers for outcome in outcomes)


@pytest.mark.parametrize("cache", ["no-store", "no-cache", "off"])
async def test_calls_that_say_what_the_cache_may_do_share_nothing(caller, loopback, cache):
    """Each of them asks the server."""
    gate = Gate(loopback, answer())
    calls = _in_threads(caller, loopback, headers={"x-cf-cache": cache})
    await gate.open_when(caller.cache._http_flights, asked=COUNT)

    assert {source(response) for response in await calls} == {"model"}


async def test_streams_share_nothing(caller, loopback):
    """Each of them asks the server."""
    gate = Gate(loopback, stream([b"data: [DONE]\n\n"]))
    calls = _in_threads(caller, loopback, STREAM)
    await gate.open_when(caller.cache._http_flights, asked=COUNT)

    assert all(response.status_code == 200 for response in await calls)


async def test_other_tenants_share_nothing(caller, loopback):
    """The same question of two tenants is two calls."""
    gate = Gate(loopback, answer())
    pool = ThreadPoolExecutor(2)
    futures = [
        pool.submit(lambda who=who: asyncio.run(caller.post(loopback, headers={"authorization": who}))) for who in "ab"
    ]
    calls = asyncio.gather(*map(asyncio.wrap_future, futures))
    await gate.open_when(caller.cache._http_flights, asked=2)

    assert {source(response) for response in await calls} == {"model"}
    pool.shutdown()


async def test_a_call_that_is_cancelled_hands_over(loopback):
    """Of those who wait for a task that is cancelled the next one asks the server, and the others wait for it."""
    httpx = pytest.importorskip("httpx")
    cache = cf.SemanticCache()
    gate = Gate(loopback, answer())
    async with httpx.AsyncClient(transport=cf.CacheTransport(cache)) as client:
        url = loopback.base_url + "/chat/completions"
        tasks = [asyncio.create_task(client.post(url, json=BODY)) for _ in range(4)]
        await gate.until(cache._http_flights, waiting=3)
        tasks[0].cancel()
        await gate.open_when(cache._http_flights, waiting=2, asked=2)
        responses = await asyncio.gather(*tasks[1:])

    assert [response.headers.get("x-cf-shared") for response in responses].count("true") == 2


async def test_a_pipeline_asks_once_and_books_everybody(loopback, tmp_path):
    """The others get a copy of the answer at no cost; totals and rows count them, and the tokens once."""
    rows = tmp_path / "ledger.jsonl"
    gate = Gate(loopback, answer())
    settings = dataclasses.replace(config(loopback), ledger=LedgerConfig(path=str(rows)))
    async with Pipeline.from_config(settings) as pipeline:
        calls = asyncio.gather(*(pipeline.complete(QUESTION) for _ in range(COUNT)))
        await gate.open_when(pipeline._shelf._flights, waiting=COUNT - 1)
        replies = await calls
        totals = pipeline.ledger.totals()

    (leader,) = [reply for reply in replies if not reply.compound.shared]
    others = [reply for reply in replies if reply.compound.shared]
    assert (len(loopback.received), len(others)) == (1, COUNT - 1)
    for reply in others:
        assert reply.choices == leader.choices
        assert reply.raw == leader.raw
        assert reply.raw is not leader.raw
        assert (reply.compound.served_from, reply.compound.cost_usd) == ("model", 0.0)
        assert reply.compound.entry_id == leader.compound.entry_id is not None
        assert reply.compound.cost_saved_usd == leader.compound.cost_usd is not None
    assert (totals["served"]["model"], totals["shared"], totals["cache_faults"]) == (COUNT, COUNT - 1, 0)
    assert totals["cost_nano_usd"] == leader.compound.cost_nano_usd
    assert totals["tokens"] == {"input": 9, "output": 3, "saved": 12 * (COUNT - 1)}
    booked = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert sorted(row["shared"] for row in booked) == [False, *[True] * (COUNT - 1)]


async def test_a_failure_of_a_pipeline_is_everybodys(loopback):
    """Who waited gets the leader's error, and asks no server that has just refused; all are booked as failed."""
    gate = Gate(loopback, status(400))
    async with Pipeline.from_config(config(loopback)) as pipeline:
        calls = asyncio.gather(*(pipeline.complete(QUESTION) for _ in range(COUNT)), return_exceptions=True)
        await gate.open_when(pipeline._shelf._flights, waiting=COUNT - 1)
        errors = await calls
        totals = pipeline.ledger.totals()
        asked = len(loopback.received)
        loopback.script = [answer()]
        after = await pipeline.complete(QUESTION)

    assert {type(error) for error in errors} == {type(errors[0])}
    assert isinstance(errors[0], cf.CompoundFastError)
    assert asked < COUNT
    assert (totals["served"]["failed"], totals["unpriced"]) == (COUNT, 0)
    assert after.compound.served_from == "model"


async def test_a_cut_off_answer_of_a_pipeline_is_the_leaders_alone(loopback):
    """The others ask for themselves, all at once."""
    gate = Gate(loopback, answer(finish_reason="length"))
    async with Pipeline.from_config(config(loopback)) as pipeline:
        calls = asyncio.gather(*(pipeline.complete(QUESTION) for _ in range(COUNT)))
        await gate.open_when(pipeline._shelf._flights, waiting=COUNT - 1)
        replies = await asyncio.wait_for(calls, LIMIT_S)

    assert len(loopback.received) == COUNT
    assert not any(reply.compound.shared for reply in replies)


async def test_a_cancelled_leader_of_a_pipeline_hands_over(loopback):
    """The next one asks, and the others wait for it; its own wait is no part of its decision."""
    gate = Gate(loopback, answer())
    async with Pipeline.from_config(config(loopback)) as pipeline:
        tasks = [asyncio.create_task(pipeline.complete(QUESTION)) for _ in range(4)]
        await gate.until(pipeline._shelf._flights, waiting=3)
        since = perf_counter_ns()
        await asyncio.sleep(0.2)
        waited_us = (perf_counter_ns() - since) / 1e3
        tasks[0].cancel()
        await gate.open_when(pipeline._shelf._flights, waiting=2, asked=2)
        replies = await asyncio.gather(*tasks[1:])

    (asked,) = [reply for reply in replies if not reply.compound.shared]
    assert len(replies) == 3
    assert asked.compound.decision_us < waited_us


@pytest.mark.parametrize("cache", ["no-store", "no-cache", "off"])
async def test_a_pipeline_shares_nothing_that_the_cache_may_not_have(loopback, cache):
    """Each request that says so asks the server."""
    gate = Gate(loopback, answer())
    async with Pipeline.from_config(config(loopback)) as pipeline:
        options = CallOptions(cache=cache)
        calls = asyncio.gather(*(pipeline.complete(QUESTION, options) for _ in range(COUNT)))
        await gate.open_when(pipeline._shelf._flights, asked=COUNT)
        replies = await calls

    assert not any(reply.compound.shared for reply in replies)


async def test_threads_share_a_call_through_one_client(loopback):
    """`Client` from many threads is one call, and each thread gets its answer."""
    gate = Gate(loopback, answer())
    with cf.Client(config(loopback)) as client, ThreadPoolExecutor(COUNT) as pool:

        def ask(_):
            messages = [{"role": "user", "content": "Where is my order?"}]
            return client.chat.completions.create(messages=messages)

        futures = [pool.submit(ask, number) for number in range(COUNT)]
        await gate.open_when(client.pipeline._shelf._flights, waiting=COUNT - 1)
        replies = await asyncio.gather(*map(asyncio.wrap_future, futures))

    assert len(loopback.received) == 1
    assert sum(reply.compound.shared for reply in replies) == COUNT - 1


async def test_an_sdk_under_the_pipeline_is_told_that_an_answer_is_shared(loopback):
    """What `wrap` puts under OpenAI's client goes the same way."""
    openai = pytest.importorskip("openai")
    gate = Gate(loopback, answer())
    async with cf.AsyncClient(config(loopback)) as ours:
        client = cf.wrap(openai.AsyncOpenAI(api_key="k", base_url=loopback.base_url, max_retries=0), ours)
        messages = [{"role": "user", "content": "Where is my order?"}]
        calls = asyncio.gather(*(client.chat.completions.create(model="auto", messages=messages) for _ in range(COUNT)))
        await gate.open_when(ours.pipeline._shelf._flights, waiting=COUNT - 1)
        replies = await calls
        await client.close()

    assert len(loopback.received) == 1
    assert sum(reply.compound["shared"] for reply in replies) == COUNT - 1
