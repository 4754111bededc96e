"""Four kinds of chart as SVG text: lines, stacked shares, bars, histograms. Colours are classes of `page.css`.

A chart is at most `WIDTH` user units wide, so that its text keeps a readable size on a narrow screen. Every chart
carries a title and a description for readers who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

__all__ = [
    "Bar",
    "Distribution",
    "Series",
    "bar_chart",
    "duration",
    "histograms",
    "line_chart",
    "money",
    "nice_ticks",
    "stacked_chart",
]

WIDTH = 520
HEIGHT = 290
TOP, BOTTOM, LEFT = 14, 44, 58
LABEL_GAP = 15  # least distance between two direct labels


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One line: its label stands at its end."""

    label: str
    points: Sequence[tuple[float, float]]
    css: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One bar: `note` stands behind its value."""

    label: str
    value: float
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """Counts over bins that grow by a constant factor; `edges` has one more element than `counts`."""

    label: str
    edges: Sequence[float]
    counts: Sequence[int]
    marks: Sequence[tuple[str, float]]
    css: str


def money(usd: float) -> str:
    """Dollars, with as many decimals as the amount needs."""
    size = abs(usd)
    if size >= 100 or usd == 0:
        return f"${usd:,.0f}"
    if size >= 1:
        return f"${usd:,.2f}"
    return f"${usd:.{max(2, 2 - math.floor(math.log10(size)))}f}"


def duration(us: float | None) -> str:
    """A duration given in microseconds, in the unit that suits it; a dash for one that was not measured."""
    if us is None:
        return "-"
    if us < 1_000:
        return f"{us:.3g} µs"
    return f"{us / 1_000:.3g} ms" if us < 1_000_000 else f"{us / 1_000_000:.3g} s"


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover [low, high], about `count` of them."""
    if high <= low:
        high = low + 1
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def ticks_within(low: float, high: float) -> list[float]:
    """Round numbers inside [low, high]."""
    slack = (high - low) * 1e-9
    return [tick for tick in nice_ticks(low, high) if low - slack <= tick <= high + slack]


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    description: str,
    x_title: str,
    x_format: Callable[[float], str],
    y_format: Callable[[float], str],
    marker: tuple[float, float, str] | None = None,
) -> str:
    """Lines over a common axis from zero, each with its label at its end; `marker` is one named point."""
    right = 14 + 6.6 * max(len(one.label) for one in series)
    every = [point for one in series for point in one.points]
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    x_high = x_high if x_high > x_low else x_low + 1
    y_ticks = nice_ticks(0, max((y for _, y in every), default=1) or 1)

    def px(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - right)

    def py(y: float) -> float:
        return HEIGHT - BOTTOM - y / y_ticks[-1] * (HEIGHT - TOP - BOTTOM)

    parts = [_y_grid(y_ticks, py, y_format, right)]
    parts.append(_x_axis(ticks_within(x_low, x_high), px, x_format, x_title, right))
    for one in series:
        path = "M" + "L".join(f"{px(x):.1f} {py(y):.1f}" for x, y in one.points)
        parts.append(f'<path class="line {one.css}" d="{path}"/>')
    ends = spread([py(one.points[-1][1]) for one in series])
    for one, y in zip(series, ends, strict=True):
        at = px(one.points[-1][0]) + 7
        parts.append(f'<text class="direct {one.css}" x="{at:.1f}" y="{y + 4:.1f}">{escape(one.label)}</text>')
    if marker is not None:
        x, y, text = marker
        parts.append(f'<circle class="marker" cx="{px(x):.1f}" cy="{py(y):.1f}" r="4.5"/>')
        parts.append(f'<text class="direct" x="{px(x) + 9:.1f}" y="{py(y) - 9:.1f}">{escape(text)}</text>')
    return _svg(parts, title, description)


def stacked_chart(
    bins: Sequence[tuple[float, float, Sequence[float]]],
    layers: Sequence[tuple[str, str]],
    *,
    title: str,
    description: str,
    x_title: str,
    x_format: Callable[[float], str],
) -> str:
    """Shares that add up to one: `bins` are (from, to, one share per layer), `layers` are (label, css class)."""
    right = 14
    top = TOP + 18  # the legend's line
    x_low, x_high = bins[0][0], bins[-1][1]

    def px(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - right)

    def py(share: float) -> float:
        return HEIGHT - BOTTOM - share * (HEIGHT - top - BOTTOM)

    parts = []
    for start, end, shares in bins:
        base = 0.0
        for share, (label, css) in zip(shares, layers, strict=True):
            if share > 0:
                x, y, width, height = px(start), py(base + share), px(end) - px(start), py(base) - py(base + share)
                tip = f"{label}: {share:.0%} of {x_format(start)} to {x_format(end)}"
                parts.append(
                    f'<rect class="{css}" x="{x:.2f}" y="{y:.2f}" width="{max(width - 0.6, 0.4):.2f}"'
                    f' height="{height:.2f}"><title>{escape(tip)}</title></rect>'
                )
            base += share
    parts.append(_y_grid([0, 0.25, 0.5, 0.75, 1], py, lambda y: f"{y:.0%}", right))
    parts.append(_x_axis(ticks_within(x_low, x_high), px, x_format, x_title, right))
    parts.append(_legend(layers))
    return _svg(parts, title, description)


def bar_chart(bars: Sequence[Bar], *, title: str, description: str, value_format: Callable[[float], str]) -> str:
    """Horizontal bars from zero, with label, value and note in words."""
    row, bar_height = 66, 24
    height = max(row * len(bars) + 10, 60)
    longest = max((bar.value for bar in bars), default=0) or 1
    parts = []
    for number, bar in enumerate(bars):
        y = number * row + 10
        width = bar.value / longest * (WIDTH - 110)
        parts.append(f'<text class="direct" x="0" y="{y + 10}">{escape(bar.label)}</text>')
        parts.append(f'<text class="tick end" x="{WIDTH}" y="{y + 10}">{escape(bar.note)}</text>')
        parts.append(f'<rect class="bar" x="0" y="{y + 18}" width="{max(width, 1):.1f}" height="{bar_height}" rx="2"/>')
        text = value_format(bar.value)
        parts.append(f'<text class="direct" x="{max(width, 1) + 8:.1f}" y="{y + 35}">{escape(text)}</text>')
    return _svg(parts, title, description, height=height)


def histograms(rows: Sequence[Distribution], *, title: str, description: str, x_title: str) -> str:
    """Distributions of durations in microseconds, one below the other over one logarithmic axis."""
    filled = [row for row in rows if sum(row.counts)]
    row_height, label_height, right = 52, 22, 14
    height = max(len(filled), 1) * (row_height + label_height) + 50
    bins = [(edges, n) for row in filled for edges, n in zip(pairwise(row.edges), row.counts, strict=True)]
    used = [edge for edges, n in bins if n for edge in edges]
    low, high = math.floor(math.log10(min(used, default=1))), math.ceil(math.log10(max(used, default=10)))

    def px(us: float) -> float:
        return 8 + (math.log10(us) - low) / (high - low) * (WIDTH - 8 - right)

    base_line = height - BOTTOM
    parts = []
    for power in range(low, high + 1):
        x = px(10.0**power)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="{base_line}"/>')
        anchor = {low: " start", high: " end"}.get(power, " middle")
        at = f'x="{x:.1f}" y="{base_line + 17}"'
        parts.append(f'<text class="tick{anchor}" {at}>{duration(10.0**power)}</text>')
    for number, row in enumerate(filled):
        foot = 6 + (number + 1) * (row_height + label_height)
        peak = max(row.counts)
        bars = [
            f"M{px(start):.1f} {foot}V{foot - count / peak * row_height:.1f}H{px(end):.1f}V{foot}"
            for (start, end), count in zip(pairwise(row.edges), row.counts, strict=True)
            if count
        ]
        parts.append(f'<path class="area {row.css}" d="{"".join(bars)}"/>')
        parts.append(f'<line class="axis" x1="8" x2="{WIDTH - right}" y1="{foot}" y2="{foot}"/>')
        marks = " · ".join(f"{name} {duration(us)}" for name, us in row.marks)
        head = foot - row_height - 7
        where = "end" if px(_mean(row)) < WIDTH / 2 else "start"
        x = WIDTH - right if where == "end" else 8
        parts.append(
            f'<text class="direct {where}" x="{x}" y="{head}">{escape(row.label)}'
            f'<tspan class="tick" dx="8">{escape(marks)}</tspan></text>'
        )
    parts.append(f'<text class="axis-title middle" x="{WIDTH / 2}" y="{height - 6}">{escape(x_title)}</text>')
    return _svg(parts, title, description, height=height)


def spread(positions: Sequence[float]) -> list[float]:
    """Move labels apart until each is `LABEL_GAP` from the next, keeping their order."""
    order = sorted(range(len(positions)), key=lambda at: positions[at])
    moved = list(positions)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + LABEL_GAP)
    foot: float = HEIGHT - BOTTOM
    for at in reversed(order):
        moved[at] = min(moved[at], foot)
        foot = moved[at] - LABEL_GAP
    return moved


def _mean(row: Distribution) -> float:
    return math.exp(sum(math.log(edge) * n for edge, n in zip(row.edges, row.counts, strict=False)) / sum(row.counts))


def _y_grid(ticks: Sequence[float], py: Callable[[float], float], label: Callable[[float], str], right: float) -> str:
    parts = []
    for tick in ticks:
        css = "axis" if tick == 0 else "grid"
        y = f"{py(tick):.1f}"
        parts.append(f'<line class="{css}" x1="{LEFT}" x2="{WIDTH - right:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 8}" y="{py(tick) + 4:.1f}">{escape(label(tick))}</text>')
    return "".join(parts)


def _x_axis(
    ticks: Sequence[float], px: Callable[[float], float], label: Callable[[float], str], title: str, right: float
) -> str:
    foot = HEIGHT - BOTTOM
    parts = []
    for tick in ticks:
        x = px(tick)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{foot}" y2="{foot + 4}"/>')
        parts.append(f'<text class="tick middle" x="{x:.1f}" y="{foot + 18}">{escape(label(tick))}</text>')
    middle = (LEFT + WIDTH - right) / 2
    parts.append(f'<text class="axis-title middle" x="{middle:.1f}" y="{HEIGHT - 6}">{escape(title)}</text>')
    return "".join(parts)


def _legend(layers: Sequence[tuple[str, str]]) -> str:
    parts, x = [], float(LEFT)
    for label, css in layers:
        parts.append(f'<rect class="{css}" x="{x:.1f}" y="6" width="11" height="11" rx="2"/>')
        parts.append(f'<text class="direct" x="{x + 16:.1f}" y="16">{escape(label)}</text>')
        x += 34 + 6.8 * len(label)
    return "".join(parts)


def _svg(parts: Sequence[str], title: str, description: str, *, height: float = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )
