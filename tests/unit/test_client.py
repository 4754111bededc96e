"""The two clients: OpenAI's shape, one background loop, forks and notebooks."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import compound_fast as cf
from compound_fast.config import TIERS, LedgerConfig, SimulatedConfig

# Its models take ten minutes.
SLOW = replace(
    cf.Config.default(), simulated=SimulatedConfig(sleep=True, first_token_ms=dict.fromkeys(TIERS, 600_000.0))
)
ASK = {"messages": [{"role": "user", "content": "Where is my order?"}]}


@pytest.fixture
def client():
    """A client on the embedded configuration."""
    with cf.Client() as made:
        yield made


def test_create_returns_the_openai_shape_and_what_was_done(client):
    """The five lines of the front page."""
    reply = client.chat.completions.create(model="auto", **ASK)

    assert reply.choices[0].message.content.startswith("[simulated]")
    assert reply.compound.served_from == "model"
    assert reply.compound.cost_usd > 0
    assert reply.compound.reasons


def test_parameters_reach_the_body_and_extra_body_adds_to_it(client):
    """Named parameters are OpenAI's; others go through extra_body, `compound` too."""
    client.chat.completions.create(**ASK, temperature=0.5)
    same = client.chat.completions.create(**ASK, extra_body={"temperature": 0.5})
    other = client.chat.completions.create(**ASK, temperature=0.6)
    tenant = client.chat.completions.create(**ASK, temperature=0.5, extra_body={"compound": {"tenant": "a"}})

    assert same.compound.served_from == "exact"
    assert (other.compound.served_from, tenant.compound.served_from) == ("model", "model")


def test_a_misspelt_parameter_is_refused_and_the_nearest_is_named(client):
    """Nothing is dropped in silence."""
    with pytest.raises(TypeError, match=r"'temprature' \(did you mean 'temperature'"):
        client.chat.completions.create(**ASK, temprature=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"compound": {"tennant": "a"}}, "'tennant' is unknown"),
        ({"compound": {"cache": "never"}}, "none of default"),
        ({"compound": {"ttl_s": 0}}, "ttl_s=0"),
        ({"compound": "x"}, "compound='x' is no mapping"),
        ({"compound": ""}, "compound='' is no mapping"),
        ({"extra_body": {"compound": 3}}, "compound=3 is no mapping"),
        ({"extra_body": {"compound": {"tenant": 3}}, "compound": {"tenant": "a"}}, "tenant=3 is not text"),
        ({"extra_body": "x"}, "extra_body='x' is no mapping"),
        ({"stream": "yes"}, "stream='yes' is neither"),
        ({"messages": None}, "`messages` is not a list"),
        ({"messages": "secret"}, "`messages` is not a list"),
        ({"messages": ["secret"]}, r"messages\[0\] is not an object"),
        ({"messages": [{"role": "user", "content": "secret \ud800"}]}, "lone surrogate"),
        ({"model": 3}, "`model` is not a name"),
        ({"temperature": float("nan")}, "no JSON form"),
    ],
)
def test_a_wrong_argument_is_refused(client, arguments, message):
    """Each is an error of ours that names the value, and never the text of the request."""
    with pytest.raises((cf.ConfigError, cf.TextError), match=message) as caught:
        client.chat.completions.create(**{**ASK, **arguments})

    assert "secret" not in str(caught.value)


def test_options_in_the_body_are_taken_off_and_arguments_win(client):
    """`compound` may come in extra_body, as from other SDKs, and never reaches the request."""
    client.chat.completions.create(**ASK, compound={"tenant": "a"})
    inside = client.chat.completions.create(**ASK, extra_body={"compound": {"tenant": "a"}})
    other = client.chat.completions.create(**ASK, extra_body={"compound": {"tenant": "a"}}, compound={"tenant": "b"})
    none = client.chat.completions.create(**ASK, extra_body={"compound": None}, compound={})

    assert [reply.compound.served_from for reply in (inside, other, none)] == ["exact", "model", "model"]


def test_an_answer_may_stand_in_the_next_conversation(client):
    """The message that came back goes in again, without being taken apart."""
    question = {"role": "user", "content": "Where is my order?"}
    answer = client.chat.completions.create(messages=[question]).choices[0].message

    replies = [client.chat.completions.create(messages=[question, answer, question]) for _ in range(2)]

    assert [reply.compound.served_from for reply in replies] == ["model", "exact"]


def test_a_stream_is_iterated_and_may_be_left(client):
    """Chunks come one by one; leaving the block ends the call."""
    with client.chat.completions.create(**ASK, stream=True) as stream:
        first = next(stream)
    whole = list(client.chat.completions.create(**ASK, stream=True))

    assert first.choices[0].delta.role == "assistant"
    assert whole[-1].compound.served_from == "model"
    assert client.pipeline.ledger.totals()["requests"] == 2


def test_a_configuration_that_is_none_is_refused():
    """A client takes a Config, a path or nothing."""
    with pytest.raises(cf.ConfigError, match="got dict"):
        cf.Client({"version": 1})


async def test_the_client_works_inside_a_running_loop():
    """A notebook has a loop already; the client brings its own."""
    with cf.Client() as client:
        assert client.chat.completions.create(**ASK).compound.served_from == "model"


async def test_the_client_refuses_to_wait_for_itself(client):
    """A call from the client's own loop would never end."""

    async def inside():
        return client.chat.completions.create(**ASK)

    with pytest.raises(cf.ClientError, match="use AsyncClient"):
        client._loop.run(inside())


def test_threads_share_a_client(client):
    """Calls from many threads are answered, each once."""
    with ThreadPoolExecutor(8) as pool:
        asked = [{"messages": [{"role": "user", "content": f"item {number}"}]} for number in range(80)]
        replies = list(pool.map(lambda ask: client.chat.completions.create(**ask), asked))

    assert len({reply.id for reply in replies}) == 80
    assert client.pipeline.ledger.totals()["requests"] == 80


def test_threads_that_ask_first_at_the_same_time_share_one_loop(client):
    """However many begin at once, one thread is started."""
    together = threading.Barrier(8)

    def ask(_):
        together.wait()
        return client.chat.completions.create(**ASK)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))

    assert [thread.name for thread in threading.enumerate()].count("compound-fast") == 1


def begun(client: cf.Client, count: int) -> None:
    """Wait until so many calls are under way."""
    for _ in range(10_000):
        loop = client._loop._loop
        if loop is not None and len(asyncio.all_tasks(loop)) == count:
            return
        time.sleep(0.001)
    raise AssertionError("the calls did not begin")


def test_close_ends_the_thread_and_later_calls_are_refused(client):
    """Closing leaves no thread; what is asked then raises, and closing again does nothing."""
    client.chat.completions.create(**ASK)
    stream = client.chat.completions.create(**ASK, stream=True)
    client.close()

    client.close()
    stream.close()
    assert "compound-fast" not in {thread.name for thread in threading.enumerate()}
    for call in (lambda: client.chat.completions.create(**ASK, stream=True), lambda: next(stream), stream.__next__):
        with pytest.raises(cf.ClientError, match="the client is closed"):
            call()
    with pytest.raises(cf.ClientError, match="the client is closed"):
        client.chat.completions.create(**ASK)


def test_a_client_that_was_never_used_may_be_closed():
    """Closing closes the ledger's file, though no thread was started before."""
    client = cf.Client()
    client.close()

    with pytest.raises(cf.ClientError):
        client.chat.completions.create(**ASK)


def test_close_cancels_the_calls_of_other_threads():
    """A call that waits for a slow provider raises at once when its client is closed, and is booked as failed."""
    client = cf.Client(SLOW)
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(client.chat.completions.create, messages=[{"role": "user", "content": f"item {number}"}])
            for number in range(4)
        ]
        begun(client, 4)
        pool.submit(client.close)
        client.close()
        errors = [call.exception(timeout=10) for call in calls]

    assert [str(error) for error in errors] == ["the client was closed while the call was under way"] * 4
    assert all(isinstance(error, cf.ClientError) for error in errors)
    assert client.pipeline.ledger.totals()["served"]["failed"] == 4


@pytest.mark.parametrize("turn", range(10))
def test_calls_that_race_with_close_end(turn):
    """However a call and `close` fall together, the call returns an answer or raises; none waits for ever."""
    client = cf.Client()
    together = threading.Barrier(5)

    def ask(worker):
        together.wait(10)
        answered = 0
        while True:
            messages = [{"role": "user", "content": f"item {worker} {answered % 7}"}]
            try:
                if answered % 2:
                    list(client.chat.completions.create(messages=messages, stream=True))
                else:
                    client.chat.completions.create(messages=messages)
            except cf.ClientError:
                return answered
            answered += 1

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, worker) for worker in range(4)]
        together.wait(10)
        time.sleep(0.002 * turn)
        client.close()
        answers = [one.result(timeout=20) for one in asking]
    totals = client.pipeline.ledger.totals()

    assert sum(answers) <= totals["requests"] - totals["served"]["failed"]


def test_streams_that_are_open_at_close_are_booked():
    """What a provider had sent before the client was closed is in the books, for each stream that had begun."""
    client = cf.Client()
    first = client.chat.completions.create(**ASK, stream=True)
    other = client.chat.completions.create(messages=[{"role": "user", "content": "Where is it?"}], stream=True)
    unasked = client.chat.completions.create(**ASK, stream=True)
    for _ in range(3):
        next(first)
    next(other)
    dropped = client.chat.completions.create(messages=[{"role": "user", "content": "Who are you?"}], stream=True)
    next(dropped)
    del dropped
    client.close()

    totals = client.pipeline.ledger.totals()
    assert totals["served"] == {"exact": 0, "semantic": 0, "model": 3, "failed": 0}
    assert totals["cost_nano_usd"] > 0
    unasked.close()


def test_a_client_that_nobody_holds_ends_its_thread():
    """Letting go of a client is enough; a part of it that is still held goes on working."""
    before = set(threading.enumerate())
    create = cf.Client().chat.completions.create
    assert create(**ASK).compound.served_from == "model"
    (thread,) = set(threading.enumerate()) - before

    del create
    gc.collect()

    thread.join(timeout=10)
    assert not thread.is_alive()


def test_a_forked_child_goes_on_with_a_loop_of_its_own(client):
    """A pre-fork server may make its client before it forks."""
    client.chat.completions.create(**ASK)
    child = os.fork()
    if child == 0:
        try:
            reply = client.chat.completions.create(**ASK)
            os._exit(0 if reply.compound.served_from == "exact" else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.chat.completions.create(**ASK).compound.served_from == "exact"


def test_a_client_that_was_not_closed_is_closed_at_exit(tmp_path):
    """The process ends by itself and in silence, with a call under way and a stream open, and both are booked."""
    path = tmp_path / "rows.jsonl"
    code = f"""
import asyncio, sys, threading, time
from dataclasses import replace
import compound_fast as cf
from compound_fast.config import LedgerConfig, SimulatedConfig

ask = [{{"role": "user", "content": "x"}}]
slow = SimulatedConfig(sleep=True, first_token_ms=dict.fromkeys(("weak", "medium", "strong"), 600_000.0))
client = cf.Client(replace(cf.Config.default(), ledger=LedgerConfig(path={str(path)!r})))
stream = client.chat.completions.create(messages=ask, stream=True)
next(stream)
never_used = cf.Client()
waiting = cf.Client(replace(cf.Config.default(), ledger=LedgerConfig(path={str(path)!r}), simulated=slow))
def call():
    try:
        waiting.chat.completions.create(messages=ask)
    except cf.ClientError:
        pass
threading.Thread(target=call, daemon=True).start()
while waiting._loop._loop is None or not asyncio.all_tasks(waiting._loop._loop):
    time.sleep(0.001)
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=60, check=True)

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert ended.stderr == b""
    assert sorted((row["served_from"], row["finish_reason"]) for row in rows) == [("failed", None), ("model", None)]


async def test_the_async_client_streams_and_completes():
    """The same names, awaited."""
    async with cf.AsyncClient() as client:
        async with await client.chat.completions.create(**ASK, stream=True) as stream:
            chunks = [chunk async for chunk in stream]
        reply = await client.chat.completions.create(**ASK)

    assert reply.compound.served_from == "exact"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == reply.choices[0].message.content


async def test_a_closed_async_client_refuses_calls():
    """As with the other client, closing is for good."""
    client = cf.AsyncClient()
    await client.aclose()

    for stream in (False, True):
        with pytest.raises(cf.ClientError, match="the client is closed"):
            await client.chat.completions.create(**ASK, stream=stream)


async def test_an_async_stream_that_is_open_at_close_is_booked(tmp_path):
    """Closing ends it, before the ledger's file is closed."""
    path = tmp_path / "rows.jsonl"
    async with cf.AsyncClient(replace(cf.Config.default(), ledger=LedgerConfig(path=str(path)))) as client:
        stream = await client.chat.completions.create(**ASK, stream=True)
        await anext(aiter(stream))
        await client.chat.completions.create(**ASK, stream=True)

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["served_from"], row["finish_reason"]) for row in rows] == [("model", None)]
    assert [chunk async for chunk in stream] == []


async def test_async_calls_run_side_by_side():
    """Many calls at once on one client."""
    async with cf.AsyncClient() as client:
        replies = await asyncio.gather(*(client.chat.completions.create(**ASK) for _ in range(50)))

    assert sorted({reply.compound.served_from for reply in replies}) == ["exact", "model"]


def test_importing_the_package_loads_nothing_that_is_not_needed():
    """No numpy, HTTP client, event loop or metadata, and no thread, until a name is used."""
    code = """
import sys, threading
before = set(sys.modules)
import compound_fast
new = {name.partition(".")[0] for name in set(sys.modules) - before}
assert new == {"compound_fast"}, new
assert threading.active_count() == 1
assert "Client" in dir(compound_fast)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_public_name_exists():
    """Each name of `__all__` can be had, every error among them."""
    from compound_fast import errors

    assert set(errors.__all__) <= set(cf.__all__)
    for name in cf.__all__:
        assert getattr(cf, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Clientt'"):
        cf.Clientt  # noqa: B018
