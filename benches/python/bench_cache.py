"""The cache from Python: text to hit, put, and a semantic look-up among 10,000, beside a dictionary and a numpy scan.

``make bench-python``, or ``pytest benches/python/bench_cache.py``. Each figure is the time of one call by the clock on
the wall. The rivals run in the same session: a dictionary that finds the answer by its text (no scope, no expiry, no
budget), and a scan of the same vectors by numpy, embedding included, which is what a cache on numpy does.

Two shared cores of an AMD EPYC under other load, Python 3.11, microseconds::

                                            least     median
    test_exact_hit_of_a_short_text            7.9        8.7
    test_exact_hit_of_a_body_of_4_kb         21.3       22.9
    test_exact_hit_of_a_dictionary            0.2        0.2
    test_put[memory]                         11.6       12.4
    test_put[interval]                       15.0       19.8
    test_put[sync]                            317      3,944    the disk's own time
    test_semantic_look_up_with_a_number      10.6       12.0
    test_semantic_look_up                     532      2,477    a plain scan; the medians are disturbed by other load
    test_semantic_look_up_by_numpy            125        245
"""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

import compound_fast as cf

ENTRIES = 10_000
ROUNDS = 2_000
WORDS = tuple(f"{first}{last}" for first in ("gold", "water", "moon", "hand", "book", "stone") for last in (
    "light", "work", "fall", "mark", "stand", "case", "ware", "shop"
))  # fmt: skip


def _question(number: int) -> str:
    chance = random.Random(number)
    return f"Where do I find {' '.join(chance.choice(WORDS) for _ in range(6))} and what does it mean for me?"


def _body(number: int) -> bytes:
    """A body of 4 KB."""
    system, text = "You answer customers of a shop. " * 90, f"{_question(number)} " * 8
    messages = [{"role": "system", "content": system}, {"role": "user", "content": f"{text}{number}"}]
    return json.dumps({"model": "auto", "messages": messages}).encode()[:8_000]


def _numbers(first: int):
    number = first
    while True:
        yield number
        number += 1


def _run(benchmark, call, argument):
    numbers = _numbers(0)
    benchmark.pedantic(call, setup=lambda: ((argument(next(numbers)),), {}), rounds=ROUNDS, warmup_rounds=50)


@pytest.fixture(scope="module")
def filled():
    """A cache of 10,000 questions without slots, all in one partition."""
    cache = cf.SemanticCache(1 << 30, None)
    cache.put_many([(_question(number), "x" * 600) for number in range(ENTRIES)])
    return cache


@pytest.mark.benchmark(group="text to hit, exact")
def test_exact_hit_of_a_short_text(benchmark, filled):
    """A request that is text alone, stored before."""
    _run(benchmark, filled.get, lambda number: _question(number % ENTRIES))

    assert filled.stats()["exact_hits"] >= ROUNDS


@pytest.mark.benchmark(group="text to hit, exact")
def test_exact_hit_of_a_body_of_4_kb(benchmark):
    """JSON bytes with a system prompt, stored before."""
    cache = cf.SemanticCache(1 << 30, None)
    bodies = [_body(number) for number in range(500)]
    cache.put_many([(body, "x" * 600) for body in bodies])
    _run(benchmark, cache.get, lambda number: bodies[number % 500])

    assert cache.stats()["misses"] == 0
    assert 3_500 < len(bodies[0]) < 4_600


@pytest.mark.benchmark(group="text to hit, exact")
def test_exact_hit_of_a_dictionary(benchmark):
    """The baseline."""
    stored = {_question(number): "x" * 600 for number in range(ENTRIES)}
    _run(benchmark, stored.get, lambda number: _question(number % ENTRIES))


@pytest.mark.benchmark(group="put")
@pytest.mark.parametrize("kept", ["memory", "interval", "sync"])
def test_put(benchmark, tmp_path, kept):
    """A new request with a number, and an answer of 600 bytes."""
    options = {} if kept == "memory" else {"path": tmp_path, "durability": kept}
    with cf.SemanticCache(1 << 30, None, **options) as cache:
        _run(
            benchmark,
            lambda text: cache.put(text, "x" * 600),
            lambda number: f"Where is parcel {number + 10**5} of mine?",
        )

        assert len(cache) == ROUNDS + 50


@pytest.mark.benchmark(group="semantic look-up among 10,000")
def test_semantic_look_up(benchmark, filled):
    """A request in other words, compared with all 10,000, its embedding included."""
    _run(benchmark, filled.get, lambda number: _question(number + 10**6))


@pytest.mark.benchmark(group="semantic look-up among 10,000")
def test_semantic_look_up_with_a_number(benchmark):
    """A request that carries an order number, among 10,000 that do: only those of the same number are compared."""
    cache = cf.SemanticCache(1 << 30, None)
    cache.put_many([(f"Where is parcel {number + 10**5} of mine?", "x" * 600) for number in range(ENTRIES)])
    _run(benchmark, cache.get, lambda number: f"please tell me where parcel {number % ENTRIES + 10**5} of mine is")


@pytest.mark.benchmark(group="semantic look-up among 10,000")
def test_semantic_look_up_by_numpy(benchmark):
    """The rival: one product of a matrix and a vector, with the same embedder."""
    embedder = cf.StaticEmbedder()
    vectors = embedder.embed_batch([_question(number) for number in range(ENTRIES)])

    def look_up(text):
        similarities = vectors @ embedder.embed(text)
        best = int(np.argmax(similarities))
        return best if similarities[best] >= 0.95 else None

    _run(benchmark, look_up, lambda number: _question(number + 10**6))
