"""The two clients: OpenAI's shape, one background loop, forks and notebooks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import compound_fast as cf

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
    ("options", "message"),
    [({"tennant": "a"}, "'tennant' is unknown"), ({"cache": "never"}, "none of default"), ({"ttl_s": 0}, "ttl_s=0")],
)
def test_a_wrong_compound_option_is_refused(client, options, message):
    """Options of our own are checked as a configuration is."""
    with pytest.raises(cf.ConfigError, match=message):
        client.chat.completions.create(**ASK, compound=options)


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

    with pytest.raises(RuntimeError, match="use AsyncClient"):
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


def test_close_ends_the_thread_and_the_client_may_be_used_again():
    """Closing leaves no thread; a later call starts one anew."""
    client = cf.Client()
    client.chat.completions.create(**ASK)
    client.close()
    assert "compound-fast" not in {thread.name for thread in threading.enumerate()}

    assert client.chat.completions.create(**ASK).compound.served_from == "exact"
    client.close()


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


def test_a_client_that_was_not_closed_does_not_hold_up_the_end():
    """The process ends by itself, with nothing on standard error."""
    code = (
        "import compound_fast as cf; cf.Client().chat.completions.create(messages=[{'role': 'user', 'content': 'x'}])"
    )
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=60, check=True)

    assert ended.stderr == b""


async def test_the_async_client_streams_and_completes():
    """The same names, awaited."""
    async with cf.AsyncClient() as client:
        async with await client.chat.completions.create(**ASK, stream=True) as stream:
            chunks = [chunk async for chunk in stream]
        reply = await client.chat.completions.create(**ASK)

    assert reply.compound.served_from == "exact"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == reply.choices[0].message.content


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
