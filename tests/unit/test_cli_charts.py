"""The charts: round axes, labels that do not touch, and text that cannot break the page."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compound_fast.cli import charts


@given(st.floats(0, 1e9), st.floats(1e-6, 1e9))
def test_ticks_cover_the_range_in_round_steps(low: float, width: float) -> None:
    """The first tick is not above the range, the last not below, and there are few."""
    assume(width > low * 1e-6)  # a narrower range is below what a float of that size resolves in ticks
    ticks = charts.nice_ticks(low, low + width)

    assert ticks[0] <= low + width * 1e-6
    assert ticks[-1] >= low + width * (1 - 1e-6)
    assert 2 <= len(ticks) <= 8


@given(st.lists(st.floats(0, 246), min_size=1, max_size=8))
def test_labels_are_moved_apart_and_keep_their_order(positions: list[float]) -> None:
    """No two labels are closer than a line of text, and the higher one stays higher."""
    moved = charts.spread(positions)

    ordered = [moved[at] for at in sorted(range(len(positions)), key=lambda at: positions[at])]
    assert all(after - before >= charts.LABEL_GAP - 1e-6 for before, after in pairwise(ordered))
    assert max(moved) <= charts.HEIGHT - charts.BOTTOM + 1e-6


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0"), (33000, "$33,000"), (5.5, "$5.50"), (0.442, "$0.442"), (0.00012345, "$0.000123")]
)
def test_money_has_the_decimals_it_needs(usd: float, text: str) -> None:
    """Three significant figures for small amounts, whole dollars for large ones."""
    assert charts.money(usd) == text


@pytest.mark.parametrize(("us", "text"), [(63.7, "63.7 µs"), (999, "999 µs"), (1500, "1.5 ms"), (2_500_000, "2.5 s")])
def test_durations_have_the_unit_that_suits_them(us: float, text: str) -> None:
    """Microseconds in, the unit of the reader out."""
    assert charts.duration(us) == text


def test_names_cannot_break_the_page() -> None:
    """A model may be called anything."""
    svg = charts.bar_chart(
        [charts.Bar(label="<b>&\"'", value=1.0)], title="<t>", description="&", value_format=charts.money
    )

    root = ElementTree.fromstring(svg)
    assert "<b>&\"'" in [text.text for text in root.iter("text")]


def test_one_request_is_enough_for_every_chart() -> None:
    """Charts of a single point, bin or count are drawn, and hold no NaN."""
    point = charts.Series(label="a", points=[(0, 0.0), (1, 0.0)], css="ours")
    one = charts.Distribution(label="a", edges=[1, 10], counts=[1], marks=[], css="ours")
    svgs = [
        charts.line_chart([point], title="t", description="d", x_title="x", x_format=str, y_format=str),
        charts.stacked_chart([(0, 1, [1.0])], [("a", "exact")], title="t", description="d", x_title="x", x_format=str),
        charts.histograms([one], title="t", description="d", x_title="x"),
        charts.histograms([], title="t", description="d", x_title="x"),
        charts.bar_chart([], title="t", description="d", value_format=str),
    ]

    for svg in svgs:
        ElementTree.fromstring(svg)
        assert "nan" not in svg.lower()
    assert math.isfinite(charts.nice_ticks(0, 0)[-1])
