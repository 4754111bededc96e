"""`compound-fast economics`: a month's bill, from assumptions or from what a replay measured."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from compound_fast._arguments import shown
from compound_fast.cli import charts
from compound_fast.cli.grid import print_table
from compound_fast.cli.page import Figure, Tile, page, table, write
from compound_fast.cli.scenario import SCENARIO, TIERS, Scenario, from_replay, percent
from compound_fast.errors import ConfigError

__all__ = ["economics"]

TIER_HEAD = ("tier", "share", "a query", "without cache")
SMALLEST, LARGEST = Decimal("1e-12"), Decimal("1e15")

NOTES = (
    "A query costs its input tokens at the input price plus its output tokens at the output price. The sums are exact.",
    "A hit counts as free, and hits are taken to fall on all tiers alike; if easy ones repeat more, it saves less.",
    "The cost of wrong hits and of weaker answers is not in these figures.",
)


def economics(
    *,
    queries: Annotated[int, typer.Option(help="Requests in a month.")] = SCENARIO.queries,
    input_tokens: Annotated[int, typer.Option(help="Input tokens of a request.")] = SCENARIO.input_tokens,
    output_tokens: Annotated[int, typer.Option(help="Output tokens of a request.")] = SCENARIO.output_tokens,
    shares: Annotated[str, typer.Option(help="Percent to the weak/medium/strong tier.")] = "70/25/5",
    prices: Annotated[
        str, typer.Option(help="Dollars per 1,000 tokens, INPUT:OUTPUT for weak/medium/strong.")
    ] = "0.003:0.006/0.01:0.03/0.03:0.06",
    hit_rate: Annotated[str, typer.Option(help="Share of the requests that the cache answers.")] = "30%",
    replayed: Annotated[
        Path | None,
        typer.Option("--from-replay", help="Take hit rate and shares from the output of `replay --json`."),
    ] = None,
    target: Annotated[str, typer.Option(help="A bill in dollars: how many hits does it need?")] = "4200",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write one HTML page with the plot.")] = None,
) -> None:
    """Compute a month's bill, with and without us.

    Everything to the strong model, against tiers and a cache.
    Without options it is the well-known support desk: a million queries, 500 tokens in and 300 out.

    Example: compound-fast economics --hit-rate 44% --shares 80/15/5
    """
    scenario = Scenario(
        queries=queries,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        shares=tier_shares(shares),
        prices=tuple(price(pair) for pair in by_tier(prices, "--prices", "0.003:0.006/0.01:0.03/0.03:0.06")),
        hit_rate=rate(hit_rate),
    )
    source = "assumed hit rate and tier shares"
    if replayed is not None:
        scenario = from_replay(scenario, replayed)
        source = f"hit rate and tier shares measured in {replayed.name}"
    target_usd = number(target, "--target")
    if report is not None:
        write(report, economics_page(scenario, target_usd, source))
    if as_json:
        typer.echo(json.dumps(figures(scenario, target_usd), indent=2))
    else:
        show(scenario, target_usd, source)


def number(text: str, option: str) -> Fraction:
    """A number from 0 on or a percentage, exactly.

    Raises
    ------
    ConfigError
        If it is neither, or beyond all sense.
    """
    cleaned = text.strip()
    try:
        # By way of Decimal, which keeps an exponent: Fraction would write 1e999999999 out.
        found = Decimal(cleaned.removesuffix("%"))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ConfigError(f"{option} {shown(text)} is not a number; write for example 0.3 or 30%")
    if found < 0:
        raise ConfigError(f"{option} {shown(text)} is negative; write 0 or more")
    if found > LARGEST or 0 < found < SMALLEST:
        raise ConfigError(f"{option} {shown(text)} is above {LARGEST:.0e}, or closer to 0 than {SMALLEST:.0e}")
    return Fraction(found) / (100 if cleaned.endswith("%") else 1)


def rate(text: str) -> Fraction:
    """The share of the requests that the cache answers.

    Raises
    ------
    ConfigError
        If it is no number from 0 to 1 and no percentage up to 100%.
    """
    found = number(text, "--hit-rate")
    if found > 1:
        meant = f"; {text.strip()}% was meant?" if found <= 100 and "%" not in text else ""
        raise ConfigError(f"--hit-rate {shown(text)} is more than all requests; write 0% to 100%, or 0 to 1{meant}")
    return found


def by_tier(text: str, option: str, example: str) -> list[str]:
    """The parts of an option that has one for each tier.

    Raises
    ------
    ConfigError
        If there are not as many parts as tiers.
    """
    parts = text.split("/")
    if len(parts) != len(TIERS):
        raise ConfigError(
            f"{option} {shown(text)}: {len(parts)} found, three are needed, for the weak, the medium and the "
            f"strong tier, with slashes between, as in {example}"
        )
    return parts


def tier_shares(text: str) -> tuple[Fraction, ...]:
    """How much goes to each tier.

    Raises
    ------
    ConfigError
        If it is not three percentages that add up to 100.
    """
    parts = by_tier(text, "--shares", "70/25/5")
    shares = tuple(number(part, "--shares") / (1 if "%" in part else 100) for part in parts)
    if sum(shares) != 1:
        raise ConfigError(
            f"--shares {shown(text)} adds up to {percent(sum(shares, Fraction()))}, not 100%; "
            "write percentages, as in 70/25/5"
        )
    return shares


def price(text: str) -> tuple[Fraction, Fraction]:
    """A pair of prices.

    Raises
    ------
    ConfigError
        If it is not two numbers with a colon between them.
    """
    price_in, colon, price_out = text.partition(":")
    if not colon:
        raise ConfigError(f"--prices {shown(text)} is not INPUT:OUTPUT; write for example 0.003:0.006")
    return number(price_in, "--prices"), number(price_out, "--prices")


def bills(scenario: Scenario) -> list[tuple[str, Fraction]]:
    """The bill, one measure at a time."""
    return [
        ("everything to the strong model", scenario.baseline_usd),
        (f"cache alone, {percent(scenario.hit_rate)} hits", scenario.cached_usd),
        (f"tiers alone, {mix_label(scenario)}", scenario.routed_usd),
        ("tiers and cache", scenario.cost_usd),
    ]


def saves(scenario: Scenario, cost_usd: Fraction) -> str:
    """What a bill saves against the baseline, in words; nothing for the baseline itself."""
    saved = scenario.saving(cost_usd)
    return f"saves {percent(saved, 1)}" if saved else ""


def grid(scenario: Scenario) -> tuple[list[Fraction], list[Scenario]]:
    """Hit rates and tier shares around the scenario: the axes of the sensitivity."""
    rates = sorted({Fraction(tenth, 10) for tenth in range(7)} | {scenario.hit_rate})
    weak_shares = (scenario.shares[0] + Fraction(step, 100) for step in (-20, -10, 0, 10, 20))
    return rates, [scenario.with_weak_share(weak) for weak in weak_shares if 0 <= weak <= 1]


def cost_at(scenario: Scenario, hit_rate: Fraction) -> Fraction:
    """The bill at another hit rate."""
    return replace(scenario, hit_rate=hit_rate).cost_usd


def figures(scenario: Scenario, target_usd: Fraction) -> dict[str, Any]:
    """Everything that is shown, for machines; money in dollars."""
    needed = scenario.hit_rate_for(target_usd)
    rates, mixes = grid(scenario)
    return {
        "queries": scenario.queries,
        "input_tokens": scenario.input_tokens,
        "output_tokens": scenario.output_tokens,
        "hit_rate": float(scenario.hit_rate),
        "tiers": {
            tier: {
                "share": float(scenario.shares[at]),
                "query_usd": float(scenario.query_usd(at)),
                "cost_usd": float(scenario.tier_usd(at)),
            }
            for at, tier in enumerate(TIERS)
        },
        "baseline_cost_usd": float(scenario.baseline_usd),
        "cache_only_cost_usd": float(scenario.cached_usd),
        "tiers_only_cost_usd": float(scenario.routed_usd),
        "cost_usd": float(scenario.cost_usd),
        "saving": float(scenario.saving(scenario.cost_usd)),
        "target_usd": float(target_usd),
        "hit_rate_for_target": None if needed is None else float(needed),
        "sensitivity": [
            {"shares": [float(s) for s in mix.shares], "hit_rate": float(rate), "cost_usd": float(cost_at(mix, rate))}
            for mix in mixes
            for rate in rates
        ],
    }


def dollars(usd: Fraction) -> str:
    """An amount in whole dollars, with cents below ten."""
    return f"${float(usd):,.2f}" if usd < 10 else f"${round(usd):,}"


def mix_label(scenario: Scenario) -> str:
    """Tier shares, as in "70/25/5"."""
    return "/".join(percent(share).removesuffix("%") for share in scenario.shares)


def target_sentence(scenario: Scenario, target_usd: Fraction) -> str:
    """What it takes to reach the target."""
    needed = scenario.hit_rate_for(target_usd)
    if needed is None:
        return f"No hit rate brings the bill to {dollars(target_usd)}."
    if needed == 0:
        return f"The tiers alone cost no more than {dollars(target_usd)}."
    return f"A bill of {dollars(target_usd)} needs {percent(needed, 1)} hits."


def tier_rows(scenario: Scenario) -> list[list[str]]:
    """Share and cost of each tier."""
    return [
        [
            tier,
            percent(scenario.shares[at]),
            charts.money(float(scenario.query_usd(at))),
            dollars(scenario.tier_usd(at)),
        ]
        for at, tier in enumerate(TIERS)
    ]


def bill_rows(scenario: Scenario) -> list[list[str]]:
    """Bill and saving of each measure."""
    rows = []
    for label, cost in bills(scenario):
        saved = scenario.saving(cost)
        rows.append([label, dollars(cost), percent(saved, 1) if saved else ""])
    return rows


def sensitivity(scenario: Scenario) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table: a row for each hit rate, a column for each mix of tiers."""
    rates, mixes = grid(scenario)
    head = ["hits", *map(mix_label, mixes)]
    return head, [[percent(rate), *(dollars(cost_at(mix, rate)) for mix in mixes)] for rate in rates]


def show(scenario: Scenario, target_usd: Fraction, source: str) -> None:
    """Print the bill and its sensitivity as tables."""
    console = Console(highlight=False)
    console.print(
        f"[bold]{scenario.queries:,} queries a month[/], {scenario.input_tokens:,} tokens in and "
        f"{scenario.output_tokens:,} out; {source}",
        soft_wrap=True,
    )
    print_table(console, "The bill", ["", "a month", "saving"], bill_rows(scenario))
    print_table(console, "Tiers", TIER_HEAD, tier_rows(scenario))
    head, rows = sensitivity(scenario)
    print_table(console, "The bill by hits and weak/medium/strong", head, rows, bold=[percent(scenario.hit_rate)])
    console.print(target_sentence(scenario, target_usd))


def economics_page(scenario: Scenario, target_usd: Fraction, source: str) -> str:
    """The page of ``--report``."""
    rates, mixes = grid(scenario)
    lines = [
        charts.Series(
            label=mix_label(mix),
            points=[(float(rate), float(cost_at(mix, rate))) for rate in rates],
            css="s2" if mix.shares == scenario.shares else f"s{at}",
        )
        for at, mix in enumerate(mixes)
    ]
    here = (float(scenario.hit_rate), float(scenario.cost_usd), dollars(scenario.cost_usd))
    sensitivity_chart = charts.line_chart(
        lines,
        title="Monthly bill by hit rate",
        description=f"{len(mixes)} mixes of tiers, hit rates 0 to {percent(max(rates))}; the scenario costs {here[2]}.",
        x_title="cache hit rate",
        x_format=lambda rate: f"{rate:.0%}",
        y_format=charts.money,
        marker=here,
    )
    steps = charts.bar_chart(
        [charts.Bar(label=label, value=float(cost), note=saves(scenario, cost)) for label, cost in bills(scenario)],
        title="Monthly bill, one measure at a time",
        description="; ".join(f"{label} {dollars(cost)}" for label, cost in bills(scenario)),
        value_format=lambda usd: f"${usd:,.0f}",
    )
    head, rows = sensitivity(scenario)
    saved = scenario.saving(scenario.cost_usd)
    return page(
        title="Unit economics of a support desk",
        subtitle=f"{scenario.queries:,} queries a month, {scenario.input_tokens:,} tokens in and "
        f"{scenario.output_tokens:,} out; {source}",
        badge=None,
        tiles=[
            Tile(label="Saving", value=percent(saved, 1), note="tiers and cache", css="good"),
            Tile(label="Bill", value=dollars(scenario.cost_usd), note=f"instead of {dollars(scenario.baseline_usd)}"),
            Tile(label="Hit rate", value=percent(scenario.hit_rate), note="of all requests"),
            Tile(label="Tiers", value=mix_label(scenario), note="weak / medium / strong"),
        ],
        figures=[
            Figure(heading="One measure at a time", lead="Dollars a month.", svg=steps),
            Figure(
                heading="How much hangs on hits and tiers",
                lead="Dollars a month by hit rate; one line for each mix of weak/medium/strong.",
                svg=sensitivity_chart,
            ),
        ],
        tables=[
            table(head, rows, caption="Bill by hits and weak/medium/strong"),
            table(TIER_HEAD, tier_rows(scenario), caption="Tiers"),
        ],
        notes=[target_sentence(scenario, target_usd), *NOTES],
    )
