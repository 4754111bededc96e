"""The whole path of a request in process: parse, look up, route, dispatch, validate, store, meter.

``make bench-python``, or ``pytest benches/python/bench_path.py``. The provider is simulated and adds no delay. Every
request is distinct unless the case says otherwise. CPU is the time of the whole process (`time.process_time`), so it
holds for a busy machine as well; each figure includes entering and leaving the event loop once, as a caller does.

The baseline in the same run, `test_no_path`, reads the body, makes up an answer and checks nothing.

Two shared cores of an AMD EPYC, Python 3.11, microseconds::

                                  least     median        IQR
    test_no_path                     39         41          1
    test_exact_hit                   80         84          3
    test_miss[with slots]           180        196         35
    test_miss[without slots]        227        252         53    compared with up to 2,050 stored requests
    test_stream_of_a_miss           277        492        218    grows with the answer: a chunk is 8 words
    test_miss_wall[with slots]      178        189         18
    test_miss_wall[without slots]   213        237         45
"""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from compound_fast.config import Config
from compound_fast.pipeline import Pipeline

ROUNDS = 2_000
LIMIT_S = 300e-6
"""What the path may cost in CPU on the median."""

cpu = pytest.mark.benchmark(timer=time.process_time, group="path, CPU")
wall = pytest.mark.benchmark(timer=time.perf_counter, group="path, wall")


@pytest.fixture
def pipeline(loop):
    """The path on the embedded configuration."""
    pipeline = Pipeline.from_config(Config.default())
    yield pipeline
    loop.run_until_complete(pipeline.aclose())


def _run(benchmark, loop, complete, bodies):
    benchmark.pedantic(
        lambda body: loop.run_until_complete(complete(body)),
        setup=lambda: ((next(bodies),), {}),
        rounds=ROUNDS,
        warmup_rounds=50,
    )


@cpu
@pytest.mark.parametrize("kind", ["with slots", "without slots"])
def test_miss(benchmark, loop, pipeline, bodies, kind):
    """A request that nobody asked before goes to a model and is stored; without slots it is compared with all."""
    _run(benchmark, loop, pipeline.complete, bodies(kind))

    assert pipeline.ledger.totals()["served"]["model"] == ROUNDS + 50
    assert benchmark.stats.stats.median <= LIMIT_S


@wall
@pytest.mark.parametrize("kind", ["with slots", "without slots"])
def test_miss_wall(benchmark, loop, pipeline, bodies, kind):
    """The same by the clock on the wall."""
    _run(benchmark, loop, pipeline.complete, bodies(kind))


@cpu
def test_exact_hit(benchmark, loop, pipeline, bodies):
    """A request of the very same text is served from the cache."""
    stream = bodies("with slots")
    known = [next(stream) for _ in range(ROUNDS + 50)]
    for body in known:
        loop.run_until_complete(pipeline.complete(body))
    _run(benchmark, loop, pipeline.complete, iter(known))

    assert pipeline.ledger.totals()["served"]["exact"] == ROUNDS + 50
    assert benchmark.stats.stats.median <= LIMIT_S


@cpu
def test_stream_of_a_miss(benchmark, loop, pipeline, bodies):
    """A streamed answer costs more with its length: one chunk for each piece of text."""

    async def read(body):
        return [chunk async for chunk in pipeline.stream(body)]

    _run(benchmark, loop, read, bodies("with slots"))


@cpu
def test_no_path(benchmark, loop, bodies):
    """The baseline: the body is read and an answer made up."""

    async def answer(body):
        request = json.loads(body)
        await asyncio.sleep(0)
        return json.loads(json.dumps({"model": request["model"], "choices": [{"message": {"content": "a" * 700}}]}))

    _run(benchmark, loop, answer, bodies("with slots"))
