"""What is billed when, against a server that fails before, during and after its answer.

Prices: $1 and $2 per million tokens at "small", $10 and $20 at "large"; a reply of the server used 9 and 3 tokens.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from contextlib import nullcontext

import pytest

from compound_fast.config import Config, LedgerConfig
from compound_fast.errors import (
    CompoundFastError,
    ProviderConnectionError,
    ResponseValidationError,
    StreamInterruptedError,
)
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions
from loopback import USAGE, Loopback, answer, config, events, raw_answer, reset, silent, status, stream

SMALL_NANO = 9 * 1_000 + 3 * 2_000
LARGE_NANO = 9 * 10_000 + 3 * 20_000

BODY = to_body("Where is my order?")
AS_JSON = to_body({"messages": [{"role": "user", "content": "as JSON"}], "response_format": {"type": "json_object"}})
NO_USAGE = raw_answer(b'{"choices": []}')


def with_ledger(settings: Config, path) -> Config:
    """Return the same configuration with rows in a file."""
    return dataclasses.replace(settings, ledger=LedgerConfig(path=str(path)))


async def booked(settings: Config, body: bytes, path, *, streamed: bool = False, error: type[Exception] | None = None):
    """Send one request and return (what `compound` said, its row, the totals)."""
    path.unlink(missing_ok=True)
    compound = None
    async with Pipeline.from_config(with_ledger(settings, path)) as pipeline:
        with nullcontext() if error is None else pytest.raises(error):
            if streamed:
                compound = [chunk async for chunk in pipeline.stream(body)][-1].compound
            else:
                compound = (await pipeline.complete(body)).compound
        totals = pipeline.ledger.totals()
    (row,) = (json.loads(line) for line in path.read_text().splitlines())
    return compound, row, totals


@pytest.fixture
def rows(tmp_path):
    """The file of the ledger."""
    return tmp_path / "ledger.jsonl"


async def test_an_answer_that_validation_refused_is_paid_for(loopback, rows):
    """Two replies came with their usage, and both are billed; the entry is worth what the good one cost."""
    loopback.script = [answer("no JSON"), answer('{"fine": true}')]

    compound, row, totals = await booked(config(loopback), AS_JSON, rows)

    assert compound.attempts == 2
    assert compound.cost_nano_usd == row["cost_nano_usd"] == totals["cost_nano_usd"] == 2 * SMALL_NANO
    assert row["failed_cost_nano_usd"] == SMALL_NANO
    assert compound.baseline_nano_usd == SMALL_NANO
    assert any("attempt 1 failed" in reason and "it cost $0.000015000" in reason for reason in compound.reasons)


async def test_each_attempt_is_billed_at_its_own_models_price(loopback, second, rows):
    """Two refused replies of the small model, and one of the large."""
    loopback.script = [answer("no JSON")]
    second.script = [answer('{"fine": true}')]

    compound, row, _ = await booked(config(loopback, fallback=second), AS_JSON, rows)

    assert compound.model == "large"
    assert row["cost_nano_usd"] == 2 * SMALL_NANO + LARGE_NANO
    assert row["failed_cost_nano_usd"] == 2 * SMALL_NANO


async def test_a_hit_saves_what_the_answer_cost_and_not_the_failures_before_it(loopback, rows):
    """The entry's own cost is that of one good reply."""
    loopback.script = [answer("no JSON"), answer('{"fine": true}')]
    async with Pipeline.from_config(config(loopback)) as pipeline:
        await pipeline.complete(AS_JSON)
        hit = await pipeline.complete(AS_JSON)

    assert (hit.compound.served_from, hit.compound.saved_nano_usd) == ("exact", SMALL_NANO)


async def test_a_request_whose_every_answer_was_refused_costs_them_all(loopback, rows):
    """The failed row holds the money; it saved nothing."""
    loopback.script = [answer("no JSON")]

    _, row, totals = await booked(config(loopback), AS_JSON, rows, error=ResponseValidationError)

    assert (row["served_from"], row["attempts"], row["model"], row["provider"]) == ("failed", 2, "small", "first")
    assert row["cost_nano_usd"] == row["failed_cost_nano_usd"] == totals["cost_nano_usd"] == 2 * SMALL_NANO
    assert totals["unpriced"] == 0


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fault", "known"),
    [
        (status(500), True),
        (status(401), True),
        (status(429), True),
        (status(202), False),
        (reset, False),
        (NO_USAGE, False),
        (silent, False),
    ],
    ids=["500", "401", "429", "202", "hung up", "no usage", "silent"],
)
async def test_a_failure_is_free_only_where_the_provider_refused(loopback, rows, fault, known, streamed):
    """A server that took the request and said no more may bill it: the cost is unknown, and never zero."""
    loopback.script = [fault]

    limits = {"timeout_s": 1} if fault is silent else {}

    _, row, totals = await booked(config(loopback, **limits), BODY, rows, streamed=streamed, error=CompoundFastError)

    assert row["served_from"] == "failed"
    assert row["cost_nano_usd"] == (0 if known else None)
    assert totals["unpriced"] == (0 if known else 1)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_refused_connection_is_free_and_tried_again_in_a_stream_too(rows, streamed):
    """Nothing was sent, so nothing is billed; a stream fails as a plain call does."""
    _, row, totals = await booked(
        config(Loopback.closed()), BODY, rows, streamed=streamed, error=ProviderConnectionError
    )

    assert (row["error"], row["attempts"], row["cost_nano_usd"]) == ("ProviderConnectionError", 2, 0)
    assert totals["unpriced"] == 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_after_an_attempt_of_unknown_cost_has_an_unknown_cost(loopback, rows, streamed):
    """A sum with an unknown part is unknown; the totals leave out its baseline too, so that they compare."""
    loopback.script = [reset, stream(events("Hello")) if streamed else answer()]

    compound, row, totals = await booked(config(loopback), BODY, rows, streamed=streamed)

    assert (compound.cost_nano_usd, row["cost_nano_usd"], row["failed_cost_nano_usd"]) == (None, None, None)
    assert any("what it cost is unknown" in reason for reason in compound.reasons)
    assert row["baseline_nano_usd"] == SMALL_NANO
    assert (totals["unpriced"], totals["cost_nano_usd"], totals["baseline_nano_usd"]) == (1, 0, 0)


async def test_a_stream_whose_answer_is_refused_at_its_end_is_paid_for(loopback, rows):
    """All of it was written, and its usage says for how much."""
    loopback.script = [stream(events("no JSON"))]

    _, row, _ = await booked(config(loopback), AS_JSON, rows, streamed=True, error=ResponseValidationError)

    assert (row["served_from"], row["attempts"], row["cost_nano_usd"]) == ("failed", 1, SMALL_NANO)


@pytest.mark.parametrize(("usage", "cost"), [(USAGE, SMALL_NANO), (None, None)])
async def test_a_stream_that_broke_off_costs_what_its_usage_says(loopback, rows, usage, cost):
    """Without one nobody knows."""
    loopback.script = [stream(events("Hello", finish_reason=None, usage=usage, done=False))]

    _, row, _ = await booked(config(loopback), BODY, rows, streamed=True, error=StreamInterruptedError)

    assert (row["served_from"], row["cost_nano_usd"]) == ("failed", cost)


async def test_a_call_that_was_cancelled_has_an_unknown_cost(loopback, rows):
    """The request was on its way."""
    loopback.script = [silent]
    async with Pipeline.from_config(with_ledger(config(loopback), rows)) as pipeline:
        task = asyncio.create_task(pipeline.complete(BODY, CallOptions(cache="off")))
        while not loopback.received:  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert pipeline.ledger.totals()["unpriced"] == 1


async def test_a_missing_key_costs_nothing(loopback, rows, monkeypatch):
    """Nothing was sent."""
    monkeypatch.delenv("SHOP_KEY", raising=False)

    _, row, _ = await booked(config(loopback, api_key="env:SHOP_KEY"), BODY, rows, error=CompoundFastError)

    assert (row["error"], row["cost_nano_usd"]) == ("ConfigError", 0)
