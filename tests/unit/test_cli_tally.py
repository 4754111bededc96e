"""What a replay keeps: constant in size, exact in sum."""

from __future__ import annotations

import random

from compound_fast.cli.tally import MOST_SPANS, Classes, LogHistogram, Tally
from compound_fast.types import CompoundInfo, ServedFrom


def info(served_from: ServedFrom = "model", *, entry_id: str | None = None, cost: int | None = 3) -> CompoundInfo:
    """What the path says about one request."""
    return CompoundInfo(
        served_from=served_from,
        model="m",
        provider="p",
        simulated=True,
        entry_id=entry_id,
        cost_nano_usd=cost,
        baseline_nano_usd=10,
        decision_us=50.0,
    )


def test_spans_stay_few_and_add_up() -> None:
    """However many requests, there are at most so many spans, and together they hold every request and every dollar."""
    tally = Tally()
    for number in range(5000):
        if number % 7 == 0:
            tally.failed(tally.spans[-1].cost_nano_usd if tally.spans else 0)
        else:
            tally.answered(info("exact" if number % 2 else "model"), 100.0)

    assert len(tally.spans) <= MOST_SPANS
    assert sum(span.requests for span in tally.spans) == 5000
    assert sum(span.served["failed"] for span in tally.spans) == 715
    assert tally.spans[-1].cost_nano_usd == 3 * 4285
    assert all(a.cost_nano_usd <= b.cost_nano_usd for a, b in zip(tally.spans, tally.spans[1:], strict=False))


def test_quantiles_are_right_to_within_a_bin() -> None:
    """The histogram's quantiles lie within its bin width of the sorted list's."""
    rng = random.Random(1)
    values = [rng.lognormvariate(8, 1.5) for _ in range(5000)]
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)

    for share in (0.01, 0.5, 0.9, 0.99):
        true = sorted(values)[int(share * len(values))]
        assert true / 1.22 <= histogram.quantile(share) <= true * 1.22


def test_durations_outside_the_range_count_in_the_outermost_bin() -> None:
    """Nothing is lost, and nothing raises."""
    histogram = LogHistogram()
    for us in (0.0, 1e-9, 1e30):
        histogram.add(us)

    assert (histogram.counts[0], histogram.counts[-1]) == (2, 1)
    assert LogHistogram().quantile(0.5) == 0.0


def test_a_hit_is_right_exactly_when_the_class_is_the_stored_one() -> None:
    """Hits of entries with another class are wrong; without a class nothing is judged."""
    classes = Classes(is_stored=lambda _: True)
    classes.note("a", info(entry_id="1"))
    classes.note("a", info("exact", entry_id="1"))
    classes.note("b", info("semantic", entry_id="1"))
    classes.note(None, info("semantic", entry_id="1"))
    classes.note("a", info("semantic", entry_id="never stored here"))

    assert (classes.right, classes.wrong, classes.seen) == (1, 1, True)


def test_classes_of_dropped_entries_are_forgotten() -> None:
    """The map follows the cache: it holds at most a few thousand more than the cache does."""
    classes = Classes(is_stored=lambda entry: int(entry) >= 49_900)
    for number in range(50_000):
        classes.note("a", info(entry_id=str(number)))

    assert len(classes._classes) <= 4196
    classes.note("a", info("exact", entry_id="49999"))
    assert classes.right == 1
