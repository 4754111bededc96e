"""The OpenAI-compatible provider against a real server that misbehaves as gateways in the field were seen to."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time

import pytest

from compound_fast.config import Config
from compound_fast.errors import (
    AllCandidatesFailedError,
    ConfigError,
    ProviderConnectionError,
    ProviderStatusError,
    ProviderTimeoutError,
    RateLimitedError,
    ResponseValidationError,
)
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions
from loopback import Loopback, answer, completion, config, raw_answer, reset, silent, status, stream

BODY = to_body({"model": "auto", "messages": [{"role": "user", "content": "Where is my secret parcel?"}]})
NO_STORE = CallOptions(cache="off")


async def ask(settings: Config, body: bytes = BODY, options: CallOptions = NO_STORE):
    """Send one request and return (completion, totals)."""
    async with Pipeline.from_config(settings) as pipeline:
        return await pipeline.complete(body, options), pipeline.ledger.totals()


async def test_the_provider_gets_the_body_with_its_own_model_name_and_the_key(loopback, monkeypatch):
    """What the caller wrote goes upstream, but for the model's name; the key comes from the environment."""
    monkeypatch.setenv("SHOP_KEY", "key-of-the-shop")
    body = to_body({"messages": [{"role": "user", "content": "Grüße"}], "temperature": 0.5})

    await ask(config(loopback, api_key="env:SHOP_KEY"), body)

    (received,) = loopback.received
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == "Bearer key-of-the-shop"
    assert received.body == {
        "messages": [{"role": "user", "content": "Grüße"}],
        "temperature": 0.5,
        "model": "real-1",
    }


async def test_no_key_is_sent_where_none_is_configured(loopback):
    """A local server is asked without an Authorization header."""
    await ask(config(loopback))

    assert "authorization" not in loopback.received[0].headers


async def test_a_key_that_is_not_in_the_environment_is_named(loopback, monkeypatch):
    """A missing key is a configuration error before anything is sent."""
    monkeypatch.delenv("SHOP_KEY", raising=False)

    with pytest.raises(ConfigError, match="environment variable SHOP_KEY is not set"):
        await ask(config(loopback, api_key="env:SHOP_KEY"))
    assert loopback.received == []


async def test_an_answer_costs_what_its_usage_says(loopback):
    """9 tokens at $1 and 3 at $2 per million are 15,000 nano-dollars."""
    reply, totals = await ask(config(loopback))

    assert (reply.choices[0].message.content, reply.model) == ("Hello there.", "real-1")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (9, 3)
    assert reply.compound.cost_nano_usd == 15_000
    assert reply.compound.latency_ms > 0
    assert totals["cost_nano_usd"] == 15_000


async def test_usage_that_the_provider_left_out_is_counted_here_and_said(loopback):
    """Without usage the tokens are our own count, and the reasons say so."""
    loopback.script = [answer("Hello there.", usage=None)]

    reply, _ = await ask(config(loopback))

    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens == 3
    assert any("counted here" in reason for reason in reply.compound.reasons)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
async def test_a_refusal_is_asked_once_and_keeps_its_status(loopback, code):
    """A status that another try cannot change is never retried, nor turned into another."""
    loopback.script = [status(code, b'{"error": {"message": "bad key sk-1234", "code": "some_code"}}')]

    with pytest.raises(ProviderStatusError, match=rf"{code} \(some_code\)") as caught:
        await ask(config(loopback))

    assert len(loopback.received) == 1
    assert caught.value.status_code == code
    assert "sk-1234" not in str(caught.value)


async def test_a_refusal_falls_back_to_the_next_candidate(loopback, second):
    """A provider whose key is wrong does not stop another from answering."""
    loopback.script = [status(401)]

    reply, totals = await ask(config(loopback, fallback=second))

    assert reply.compound.model == "large"
    assert reply.compound.attempts == 2
    assert any("attempt 1 failed: first answered 401" in reason for reason in reply.compound.reasons)
    assert totals["served"]["model"] == 1


@pytest.mark.parametrize("fault", [status(500), status(503), reset, raw_answer(b"{"), raw_answer(b'{"choices": []}')])
async def test_a_passing_fault_is_tried_once_more(loopback, fault):
    """A server error, a broken connection and an answer that is none may pass: the second try counts."""
    loopback.script = [fault, answer()]

    reply, _ = await ask(config(loopback))

    assert reply.compound.attempts == 2
    assert len(loopback.received) == 2


async def test_a_fault_that_stays_is_asked_twice_and_no_more(loopback):
    """One retry, then the error."""
    loopback.script = [status(500)]

    with pytest.raises(ProviderStatusError):
        await ask(config(loopback))
    assert len(loopback.received) == 2


@pytest.mark.parametrize(
    "body", [b"<html>", b"[1]", b'{"choices": []}', b'{"choices": [{"index": 0}]}', b'{"error": {"message": "x"}}']
)
async def test_a_200_that_is_no_answer_falls_back(loopback, second, body):
    """Broken JSON and an answer without choices are failures of the provider, and another one is asked."""
    loopback.script = [raw_answer(body)]

    reply, _ = await ask(config(loopback, fallback=second))

    assert reply.compound.model == "large"


async def test_a_200_that_is_no_answer_is_an_error_where_nobody_else_can_answer(loopback):
    """The fault keeps its own kind, and its message does not quote the answer."""
    loopback.script = [raw_answer(b"this is the secret parcel")]

    with pytest.raises(ResponseValidationError) as caught:
        await ask(config(loopback))
    assert "secret" not in str(caught.value)


async def test_all_candidates_failing_names_every_attempt(loopback, second):
    """When nobody answers, the error holds one fault an attempt, and the ledger one failed request."""
    loopback.script = [status(401)]
    second.script = [status(500)]

    async with Pipeline.from_config(config(loopback, fallback=second)) as pipeline:
        with pytest.raises(AllCandidatesFailedError) as caught:
            await pipeline.complete(BODY)
        totals = pipeline.ledger.totals()

    assert [error.status_code for error in caught.value.errors] == [401, 500, 500]
    assert totals["served"]["failed"] == 1
    assert totals["cost_nano_usd"] == 0


async def test_retry_after_is_waited_for(loopback):
    """A 429 that says when to come back is asked again then."""
    loopback.script = [status(429, b"{}", "retry-after: 1"), answer()]

    started = time.monotonic()
    reply, _ = await ask(config(loopback))

    assert reply.compound.attempts == 2
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("retry_after", ["3600", "7"])
async def test_a_retry_after_beyond_the_budget_is_not_waited_for(loopback, retry_after):
    """Waiting past the cap, or past the time left, would only be a slower failure; the header is kept."""
    loopback.script = [status(429, b"{}", f"retry-after: {retry_after}")]

    started = time.monotonic()
    with pytest.raises(RateLimitedError) as caught:
        await ask(config(loopback))

    assert caught.value.retry_after_s == float(retry_after)
    assert len(loopback.received) == 1
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "value", ["Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 -0000", "soon", "-1", "Wed, 99 Oct", ""]
)
async def test_a_retry_after_date_is_understood(loopback, value):
    """The header may hold a date; one in the past asks for no wait, and what is none asks for the usual one."""
    loopback.script = [status(429, b"{}", f"retry-after: {value}"), answer()]

    reply, _ = await ask(config(loopback))

    assert reply.compound.attempts == 2


async def test_a_silent_server_costs_the_time_configured_and_no_more(loopback):
    """The total covers every retry: one second means one second."""
    loopback.script = [silent]

    started = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        await ask(config(loopback, timeout_s=1))

    assert 0.9 <= time.monotonic() - started < 3


async def test_a_dripping_answer_costs_the_time_configured_and_no_more(loopback):
    """A server that sends a byte now and then is not waited for longer than one that is silent."""
    loopback.script = [stream([b" "] * 100, pause_s=0.1)]

    started = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        await ask(config(loopback, timeout_s=1))
    assert time.monotonic() - started < 3


async def test_nobody_listening_is_a_connection_error():
    """A refused connection names the provider, and the key of its to look at."""
    with pytest.raises(ProviderConnectionError, match=r"to first failed .*; check its base_url"):
        await ask(config(Loopback.closed()))


async def test_cancelling_a_call_closes_it_upstream(loopback):
    """A caller that leaves does not keep the provider busy; the request is booked as failed."""
    loopback.script = [silent]

    async with Pipeline.from_config(config(loopback)) as pipeline:
        task = asyncio.create_task(pipeline.complete(BODY))
        while not loopback.received:  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await asyncio.to_thread(loopback.hung_up.wait, 2)
        assert pipeline.ledger.totals()["served"]["failed"] == 1


async def test_one_pipeline_serves_several_event_loops(loopback):
    """Connections belong to a loop; a second loop gets its own instead of an error."""
    pipeline = Pipeline.from_config(config(loopback))

    async def once() -> str:
        try:
            return (await pipeline.complete(BODY, NO_STORE)).compound.served_from
        finally:
            for provider in pipeline._providers.values():
                await provider.aclose()

    served = await asyncio.gather(*(asyncio.to_thread(asyncio.run, once()) for _ in range(3)))

    assert served == ["model"] * 3


async def test_with_base_url_sends_every_model_to_one_server(loopback, monkeypatch):
    """The embedded configuration runs against a server given on the command line."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = Config.default().with_base_url(loopback.base_url, model="real-9")

    reply, _ = await ask(settings)

    assert reply.compound.simulated is False
    assert loopback.received[0].body["model"] == "real-9"


async def test_two_hundred_calls_at_once_all_get_their_own_answer(loopback):
    """Concurrent calls share one pool of connections and mix nothing up."""
    loopback.script = [answer()]
    async with Pipeline.from_config(config(loopback, timeout_s=60)) as pipeline:
        replies = await asyncio.gather(*(pipeline.complete(to_body(f"item {n}"), NO_STORE) for n in range(200)))
        totals = pipeline.ledger.totals()

    assert {reply.compound.attempts for reply in replies} == {1}
    assert sorted(received.body["messages"][0]["content"] for received in loopback.received) == sorted(
        f"item {n}" for n in range(200)
    )
    assert totals["cost_nano_usd"] == 200 * 15_000


async def test_an_answer_cut_by_length_is_returned_and_not_stored(loopback):
    """Only a whole answer is served again."""
    loopback.script = [answer("cut", finish_reason="length")]

    async with Pipeline.from_config(config(loopback)) as pipeline:
        replies = [await pipeline.complete(BODY) for _ in range(2)]

    assert [reply.compound.served_from for reply in replies] == ["model", "model"]
    assert replies[0].compound.entry_id is None


async def test_json_that_was_asked_for_and_is_none_is_a_failure(loopback):
    """With `response_format` an answer that does not parse is asked for again."""
    body = to_body({"messages": [{"role": "user", "content": "as JSON"}], "response_format": {"type": "json_object"}})
    loopback.script = [answer("no JSON"), answer('{"fine": true}')]

    reply, _ = await ask(config(loopback), body)

    assert json.loads(reply.choices[0].message.content) == {"fine": True}
    assert dataclasses.asdict(reply.usage)["prompt_tokens"] == completion()["usage"]["prompt_tokens"]
