"""The path of a request on simulated models: tiers, tenants, streams, books."""

from __future__ import annotations

import asyncio
import copy
import json

import pytest
import yaml

from compound_fast._core import ManualClock
from compound_fast.config import Config
from compound_fast.errors import (
    CacheError,
    CacheLockedError,
    NoCandidateError,
    ProviderStatusError,
    TextError,
)
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions

QUESTION = to_body("Where is my order?")


def body(text: str = "Where is my order?", **more: object) -> bytes:
    """Return a body with one user turn."""
    return to_body({"messages": [{"role": "user", "content": text}], **more})


@pytest.fixture(scope="module")
def default_values(root):
    """The embedded configuration, as a mapping to change."""
    return yaml.safe_load((root / "python/compound_fast/default.yaml").read_text())


@pytest.fixture
def pipeline():
    """A pipeline on the embedded configuration."""
    return Pipeline.from_config(Config.default())


async def text_of(chunks) -> str:
    """Return what a stream said."""
    return "".join([choice.delta.content or "" async for chunk in chunks for choice in chunk.choices])


async def test_a_new_request_goes_to_a_model_and_the_same_one_to_the_cache(pipeline):
    """The second time costs nothing, and says what was saved."""
    first = await pipeline.complete(QUESTION)
    again = await pipeline.complete(QUESTION)

    assert (first.compound.served_from, again.compound.served_from) == ("model", "exact")
    assert again.choices == first.choices
    assert again.compound.cost_nano_usd == 0
    assert again.compound.saved_nano_usd == first.compound.cost_nano_usd > 0
    assert again.compound.entry_id == first.compound.entry_id
    assert again.compound.provider == "cache"


async def test_cost_and_baseline_are_the_usage_at_the_two_prices(pipeline):
    """The arithmetic is integers: tokens times nano-dollars per million."""
    reply = await pipeline.complete(QUESTION)

    usage, compound = reply.usage, reply.compound
    assert compound.model == "sim-weak"
    assert compound.cost_nano_usd == usage.prompt_tokens * 150 + usage.completion_tokens * 600
    assert compound.baseline_nano_usd == usage.prompt_tokens * 2500 + usage.completion_tokens * 10_000


async def test_a_hit_has_the_baseline_of_its_own_question_and_the_stored_answer(pipeline):
    """What a hit would have cost counts the request's own input and the stored output."""
    first = await pipeline.complete(QUESTION)
    again = await pipeline.complete(QUESTION)

    assert again.compound.baseline_nano_usd == first.compound.baseline_nano_usd


async def test_two_tenants_never_share_an_entry(pipeline):
    """An answer made for one tenant, or namespace, is not served to another."""
    await pipeline.complete(QUESTION, CallOptions(tenant="a", namespace="n"))

    for options in (CallOptions(tenant="b", namespace="n"), CallOptions(tenant="a"), CallOptions(namespace="n")):
        assert (await pipeline.complete(QUESTION, options)).compound.served_from == "model"
    assert (await pipeline.complete(QUESTION, CallOptions(tenant="a", namespace="n"))).compound.served_from == "exact"


@pytest.mark.parametrize(
    ("cache", "served", "stored"),
    [("default", "exact", 1), ("no-cache", "model", 1), ("no-store", "exact", 1), ("off", "model", 1)],
)
async def test_the_cache_option_says_what_the_cache_may_do(pipeline, cache, served, stored):
    """no-cache and off look nothing up; a new request is stored under default and no-cache only."""
    await pipeline.complete(QUESTION)
    reply = await pipeline.complete(QUESTION, CallOptions(cache=cache))
    await pipeline.complete(body("What do you sell?"), CallOptions(cache=cache))

    assert reply.compound.served_from == served
    assert len(pipeline.cache) == stored + (cache in ("default", "no-cache"))


async def test_an_expired_answer_is_not_served():
    """A lifetime given with the call counts from the answer's birth, on the pipeline's clock."""
    clock = ManualClock(0)
    pipeline = Pipeline.from_config(Config.default(), clock=clock)
    await pipeline.complete(QUESTION, CallOptions(ttl_s=10))

    clock.set(9_000)
    assert (await pipeline.complete(QUESTION)).compound.served_from == "exact"
    clock.set(11_000)
    assert (await pipeline.complete(QUESTION)).compound.served_from == "model"


async def test_a_named_model_is_asked_alone_and_an_unknown_one_is_an_error(pipeline):
    """The name decides; an unknown name lists the known ones and is booked as failed."""
    reply = await pipeline.complete(body(model="sim-strong"))

    assert reply.compound.model == "sim-strong"
    with pytest.raises(NoCandidateError, match="sim-weak"):
        await pipeline.complete(body(model="gpt-9"))
    assert pipeline.ledger.totals()["served"] == {"exact": 0, "semantic": 0, "model": 1, "failed": 1}


async def test_a_body_that_is_no_request_raises_and_is_not_booked(pipeline):
    """Wrong arguments raise; they are no request."""
    with pytest.raises(TextError):
        await pipeline.complete(b"{}")
    assert pipeline.ledger.totals()["requests"] == 0


async def test_a_stream_says_what_a_plain_call_says(pipeline):
    """Chunks add up to the completion; the last one alone carries `compound`."""
    off = CallOptions(cache="off")
    plain = await pipeline.complete(QUESTION, off)
    chunks = [chunk async for chunk in pipeline.stream(QUESTION, off)]

    assert "".join(c.choices[0].delta.content or "" for c in chunks) == plain.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason] == ["stop"]
    assert [chunk.compound for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].compound.cost_nano_usd == plain.compound.cost_nano_usd
    assert chunks[-1].compound.latency_ms == plain.compound.latency_ms


async def test_a_hit_replays_as_a_stream_and_a_stream_is_stored(pipeline):
    """What was streamed is served to a plain call, and what was not is replayed in chunks."""
    streamed = await text_of(pipeline.stream(QUESTION))
    plain = await pipeline.complete(QUESTION)
    asked = body(stream_options={"include_usage": True})
    replayed = [chunk async for chunk in pipeline.stream(asked)]

    assert plain.compound.served_from == "exact"
    assert plain.choices[0].message.content == streamed
    assert replayed[-1].compound.served_from == "exact"
    assert replayed[-1].usage == plain.usage
    assert "".join(choice.delta.content or "" for chunk in replayed for choice in chunk.choices) == streamed


async def test_a_stream_that_was_left_is_booked_and_not_stored(pipeline):
    """Half an answer is paid for, and never served."""
    chunks = pipeline.stream(QUESTION)
    await anext(chunks)
    await anext(chunks)
    await chunks.aclose()

    totals = pipeline.ledger.totals()
    assert len(pipeline.cache) == 0
    assert totals["served"]["model"] == 1
    assert totals["tokens"]["output"] > 0


async def test_leaving_after_the_last_chunk_books_nothing_twice(pipeline):
    """A caller who stops at the finish reason has had the whole answer."""
    async for chunk in pipeline.stream(QUESTION):
        if chunk.compound is not None:
            break

    assert pipeline.ledger.totals()["requests"] == 1
    assert len(pipeline.cache) == 1


async def test_a_cut_answer_is_not_stored(pipeline):
    """finish_reason "length" is returned, and asked anew the next time."""
    first = await pipeline.complete(body(max_tokens=3))
    again = await pipeline.complete(body(max_tokens=3))

    assert first.choices[0].finish_reason == "length"
    assert (first.compound.entry_id, again.compound.served_from) == (None, "model")


async def test_json_is_given_where_json_is_asked_for(pipeline):
    """The simulated provider keeps to the response format."""
    reply = await pipeline.complete(body(response_format={"type": "json_object"}))

    assert json.loads(reply.choices[0].message.content)["answer"].startswith("[simulated]")


async def test_simulated_answers_depend_on_the_question_and_not_on_the_model_or_the_run():
    """Two runs agree, and every model gives the same length; latency goes by tier."""
    replies = [
        await Pipeline.from_config(Config.default()).complete(body(model=model))
        for model in ("sim-weak", "sim-weak", "sim-strong")
    ]

    weak, same, strong = replies
    assert weak.choices == same.choices == strong.choices
    assert weak.usage == strong.usage
    assert weak.compound.latency_ms == same.compound.latency_ms < strong.compound.latency_ms
    assert weak.compound.simulated


async def test_simulated_lengths_are_about_what_the_usage_says(pipeline):
    """Words are single tokens, so that our own count of the text is near the drawn one."""
    from compound_fast import Tokenizer

    for number in range(20):
        reply = await pipeline.complete(body(f"What about item {number}?"), CallOptions(cache="off"))
        counted = Tokenizer.get("o200k_base").count(reply.choices[0].message.content)
        assert abs(counted - reply.usage.completion_tokens) <= 4


async def test_an_unknown_price_stays_unknown(default_values):
    """Cost and baseline are None, and the request is counted as unpriced."""
    values = copy.deepcopy(default_values)
    for model in values["models"].values():
        del model["price"]
    pipeline = Pipeline.from_config(Config.from_mapping(values))
    reply = await pipeline.complete(QUESTION)

    assert reply.compound.cost_usd is None
    assert reply.compound.baseline_nano_usd is None
    assert pipeline.ledger.totals()["unpriced"] == 1
    again = await pipeline.complete(QUESTION)
    assert (again.compound.cost_usd, again.compound.cost_saved_usd) == (0.0, None)


async def test_without_a_cache_every_request_goes_to_a_model(default_values):
    """`cache.enabled: false` builds none."""
    values = {**default_values, "cache": {"enabled": False}}
    pipeline = Pipeline.from_config(Config.from_mapping(values))

    replies = [await pipeline.complete(QUESTION) for _ in range(2)]
    assert pipeline.cache is None
    assert {reply.compound.served_from for reply in replies} == {"model"}


class _BrokenCore:
    """Stands for a cache with an I/O fault, which no cache in memory has."""

    def get(self, request):  # noqa: ARG002
        raise CacheError("the disk is gone")

    def fingerprint(self, request):  # noqa: ARG002
        return 1

    def get_again(self, request):  # noqa: ARG002
        raise CacheError("the disk is gone")

    def put(self, request, response, **more):  # noqa: ARG002
        raise CacheError("the disk is gone")


async def test_a_fault_of_the_cache_is_a_counted_and_logged_miss(pipeline, caplog):
    """The request is answered by a model; the log holds no text of it."""
    pipeline.cache._core = _BrokenCore()
    reply = await pipeline.complete(QUESTION)

    assert reply.compound.served_from == "model"
    assert pipeline.ledger.totals()["cache_faults"] == 3
    assert "the disk is gone" in caplog.text
    assert "order" not in caplog.text


async def test_something_else_stored_under_a_request_is_a_miss(pipeline):
    """An object that is no completion is not served as one; a text is."""
    pipeline.cache.put(QUESTION, {"answer": 42})
    assert (await pipeline.complete(QUESTION, CallOptions(cache="no-store"))).compound.served_from == "model"

    pipeline.cache.put(QUESTION, "On its way.")
    reply = await pipeline.complete(QUESTION)
    assert (reply.choices[0].message.content, reply.compound.served_from) == ("On its way.", "exact")


async def test_many_tasks_at_once_are_booked_exactly(pipeline):
    """A thousand concurrent requests over fifty texts: every one is counted once, and the costs add up."""
    bodies = [body(f"What does item {number % 50} cost?") for number in range(1000)]
    replies = await asyncio.gather(*(pipeline.complete(text) for text in bodies))

    totals = pipeline.ledger.totals()
    assert totals["requests"] == 1000
    assert sum(totals["served"].values()) == 1000
    assert totals["served"]["exact"] == 950
    assert totals["cost_nano_usd"] == sum(reply.compound.cost_nano_usd for reply in replies)
    assert totals["baseline_nano_usd"] == sum(reply.compound.baseline_nano_usd for reply in replies)


async def test_times_are_measured(pipeline):
    """The decision is a part of the whole, and virtual latency is in neither."""
    reply = await pipeline.complete(QUESTION)
    totals = pipeline.ledger.totals()

    assert reply.compound.decision_us > 0
    assert totals["decision_us"]["p50"] <= totals["end_to_end_us"]["p50"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_two_answers_are_given_where_two_are_asked_for(pipeline, streamed):
    """`n` is kept to, in one piece and as a stream; both are billed, stored, and served again."""
    two = body(n=2)
    if streamed:
        chunks = [chunk async for chunk in pipeline.stream(two)]
        first_compound = chunks[-1].compound
    else:
        first_compound = (await pipeline.complete(two)).compound
    again = await pipeline.complete(two)

    assert again.compound.served_from == "exact"
    assert again.compound.saved_nano_usd == first_compound.cost_nano_usd > 0
    assert [choice.index for choice in again.choices] == [0, 1]
    assert again.choices[0].message.content != again.choices[1].message.content


async def test_more_answers_than_a_server_gives_are_refused(pipeline):
    """The simulated provider answers 400, as a real one does."""
    with pytest.raises(ProviderStatusError, match=r"n=129 is outside 1\.\.128"):
        await pipeline.complete(body(n=129, model="sim-weak"))


async def test_a_closed_pipeline_leaves_its_cache_folder_to_the_next_one(default_values, tmp_path):
    """What one pipeline stored in a folder the next one serves; the folder is locked while one is open."""
    values = copy.deepcopy(default_values)
    values["cache"]["path"] = str(tmp_path / "cache")
    config = Config.from_mapping(values)

    async with Pipeline.from_config(config) as first:
        await first.complete(QUESTION)
        with pytest.raises(CacheLockedError):
            Pipeline.from_config(config)
    async with Pipeline.from_config(config) as second:
        answer = await second.complete(QUESTION)

    assert answer.compound.served_from == "exact"
