"""What a replay came to, as tables and as the page of ``--report``; both show the figures of ``--json``."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from compound_fast.cli import charts
from compound_fast.cli.grid import print_table
from compound_fast.cli.page import Figure, Tile, page, table
from compound_fast.cli.tally import SERVED, LogHistogram, Span, Tally, join

__all__ = ["replay_page", "show"]

SIMULATED = "Simulated models: answers, costs and provider latencies are computed, not real"
MODEL_HEAD = ("model", "tier", "requests", "tokens in", "tokens out", "cost")
NAMES = {"exact": "exact hit", "semantic": "semantic hit", "model": "model", "failed": "failed"}


def amount(usd: float | None) -> str:
    """Dollars, or that they are unknown."""
    return "unknown" if usd is None else charts.money(usd)


def baseline_amount(figures: dict[str, Any]) -> str:
    """The cost at the baseline model; a dash where nothing was answered, so that there is none."""
    return amount(figures["baseline_cost_usd"]) if answered(figures) else "-"


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{part / whole:.1%}" if whole else "-"


def saving(figures: dict[str, Any]) -> str:
    """The saving in percent, or that it is unknown; a dash where there is nothing to save from."""
    if figures["saving"] is not None:
        return f"{figures['saving']:.1%}"
    return "-" if figures["baseline_cost_usd"] == 0 or not answered(figures) else "unknown"


def answered(figures: dict[str, Any]) -> int:
    """How many requests got an answer."""
    served: dict[str, int] = figures["served"]
    return sum(served.values()) - served["failed"]


def served_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Requests and share of each tier."""
    served, requests = figures["served"], figures["requests"]
    rows = [[NAMES[tier], f"{served[tier]:,}", share(served[tier], requests)] for tier in SERVED]
    return [*rows, ["all", f"{requests:,}", share(requests, requests)]]


def model_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Requests, tokens and cost of each model, cheapest tier first."""
    return [
        [
            name,
            model["tier"],
            f"{model['requests']:,}",
            f"{model['input_tokens']:,}",
            f"{model['output_tokens']:,}",
            amount(model["cost_usd"]),
        ]
        for name, model in by_tier(figures)
    ]


def by_tier(figures: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The models, cheapest tier first."""
    order = ("weak", "medium", "strong")
    return sorted(figures["models"].items(), key=lambda item: (order.index(item[1]["tier"]), item[0]))


def latency_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Percentiles of wall time."""
    names = {"decision_us": "decision", "end_to_end_us": "end to end"}
    return [
        [name, *(charts.duration(figures[key][quantile]) for quantile in ("p50", "p90", "p99"))]
        for key, name in names.items()
    ]


def sum_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Cost, baseline, tokens and hits, with what there is to say about each."""
    tokens = figures["tokens"]
    rows = [
        ["cost", amount(figures["cost_usd"])],
        [f"baseline: all to {figures['baseline']}", baseline_amount(figures)],
        ["saving", saving(figures)],
        ["tokens in / out", f"{tokens['input']:,} / {tokens['output']:,}"],
        ["tokens not sent, thanks to hits", f"{tokens['saved']:,}"],
    ]
    if figures["right_hits"] is not None:
        rows.append(["right / wrong hits", f"{figures['right_hits']:,} / {figures['wrong_hits']:,}"])
        wrong = "-" if figures["wrong_per_hit"] is None else f"{figures['wrong_per_hit']:.1%}"
        rows.append(["wrong per hit", wrong])
    if figures["unpriced"]:
        rows.append(["requests of unknown cost, in neither sum", f"{figures['unpriced']:,}"])
    if figures["skipped"]:
        rows.append(["bad lines, skipped", f"{figures['skipped']:,}"])
    return rows


def show(figures: dict[str, Any], *, traffic: str) -> None:
    """Print the figures as tables."""
    console = Console(highlight=False)
    console.print(f"[bold]{figures['requests']:,} requests[/] from {traffic}", soft_wrap=True)
    if figures["simulated"]:
        console.print(f"[yellow]{SIMULATED}[/]", soft_wrap=True)
    for title, head, rows in (
        ("Served from", ["", "requests", "share"], served_rows(figures)),
        ("Models", MODEL_HEAD, model_rows(figures)),
        ("In all", ("", ""), sum_rows(figures)),
        ("Wall time", ["", "p50", "p90", "p99"], latency_rows(figures)),
    ):
        if not rows:  # no model answered
            continue
        labels = 2 if head is MODEL_HEAD else 1
        print_table(console, title, head, rows, labels=labels, bold=("saving", "all"))


def replay_page(figures: dict[str, Any], tally: Tally, *, traffic: str) -> str:
    """The page of ``--report``."""
    served, requests = figures["served"], figures["requests"]
    hits = served["exact"] + served["semantic"]
    good = "" if figures["saving"] is None else "good"
    tiles = [
        Tile(label="Saving", value=saving(figures), note=f"against all to {figures['baseline']}", css=good),
        Tile(
            label="Cost",
            value=amount(figures["cost_usd"]),
            note=f"instead of {baseline_amount(figures)}" if answered(figures) else "nothing was answered",
        ),
        Tile(
            label="Served from cache",
            value=share(hits, requests),
            note=f"{served['exact']:,} exact, {served['semantic']:,} semantic",
        ),
        Tile(
            label="Decision",
            value=charts.duration(figures["decision_us"]["p50"]),
            note=f"median; p99 {charts.duration(figures['decision_us']['p99'])}",
        ),
    ]
    if figures["wrong_per_hit"] is not None:
        wrong = figures["wrong_hits"]
        note = f"{wrong:,} of {wrong + figures['right_hits']:,} hits"
        value = f"{figures['wrong_per_hit']:.1%}"
        tiles.insert(3, Tile(label="Wrong per hit", value=value, note=note, css="bad" if wrong else "good"))
    config = figures["config"]
    return page(
        title="Replay of recorded traffic",
        subtitle=f"{requests:,} requests from {traffic}; configuration {config}",
        badge="Simulated models" if figures["simulated"] else None,
        tiles=tiles,
        figures=plots(figures, tally) if answered(figures) else [],
        tables=[
            table(["tier", "requests", "share"], served_rows(figures), caption="Served from"),
            table([], sum_rows(figures), caption="In all"),
            *([table(MODEL_HEAD, model_rows(figures), caption="Models")] if figures["models"] else []),
            table(["wall time", "p50", "p90", "p99"], latency_rows(figures), caption="Latency"),
        ],
        notes=notes(figures),
    )


def plots(figures: dict[str, Any], tally: Tally) -> list[Figure]:
    """The charts of the page; none draws a cost that is unknown as nothing."""
    found = [hits_plot(figures, tally), latency_plot(figures, tally)]
    if figures["baseline_cost_usd"] is not None:
        found.insert(0, cost_plot(figures, tally))
    if any(model["cost_usd"] is not None for model in figures["models"].values()):
        found.insert(-1, models_plot(figures))
    return found


def ends(spans: list[Span]) -> list[int]:
    """How many requests had been sent at the end of each span."""
    total, found = 0, []
    for span in spans:
        total += span.requests
        found.append(total)
    return found


def cost_plot(figures: dict[str, Any], tally: Tally) -> Figure:
    """Cumulative cost against the baseline."""
    spans = join(tally.spans, -(-len(tally.spans) // 128))
    at = [0, *ends(spans)]
    cost = [0.0, *(span.cost_nano_usd / 1e9 for span in spans)]
    baseline = [0.0, *(span.baseline_nano_usd / 1e9 for span in spans)]
    svg = charts.line_chart(
        [
            charts.Series(label="baseline", points=list(zip(at, baseline, strict=True)), css="baseline"),
            charts.Series(label="this run", points=list(zip(at, cost, strict=True)), css="ours"),
        ],
        title="Cumulative cost",
        description=f"After {at[-1]:,} requests this run has cost {amount(figures['cost_usd'])}; the baseline "
        f"{baseline_amount(figures)}.",
        x_title="requests sent",
        x_format=lambda n: f"{n:,.0f}",
        y_format=charts.money,
    )
    lead = f"Dollars so far. Baseline: every request to {figures['baseline']}, at the same token counts."
    return Figure(heading="Cumulative cost", lead=lead, svg=svg)


def hits_plot(figures: dict[str, Any], tally: Tally) -> Figure:
    """Who served the requests, over the run."""
    spans = join(tally.spans, -(-len(tally.spans) // 48))
    stops = ends(spans)
    layers = [(name, css) for css, name in NAMES.items() if css != "failed" or figures["served"]["failed"]]
    bins = [
        (float(start), float(stop), [span.served[css] / span.requests for _, css in layers])
        for start, stop, span in zip([0, *stops], stops, spans, strict=False)
    ]
    served, requests = figures["served"], figures["requests"]
    svg = charts.stacked_chart(
        bins,
        layers,
        title="Hits over time",
        description="; ".join(f"{name} {share(served[css], requests)}" for name, css in layers) + " of all requests.",
        x_title="requests sent",
        x_format=lambda n: f"{n:,.0f}",
    )
    return Figure(heading="Hits over time", lead="Share of the requests that each tier served.", svg=svg)


def models_plot(figures: dict[str, Any]) -> Figure:
    """What each model cost."""
    bars = [
        charts.Bar(
            label=name,
            value=model["cost_usd"],
            note=f"{model['requests']:,} requests, {share(model['requests'], figures['served']['model'])}",
        )
        for name, model in by_tier(figures)
        if model["cost_usd"] is not None
    ]
    svg = charts.bar_chart(
        bars,
        title="Cost by model",
        description="; ".join(f"{bar.label} {charts.money(bar.value)} for {bar.note}" for bar in bars),
        value_format=charts.money,
    )
    lead = "Dollars, for what the cache did not answer"
    unknown = [name for name, model in by_tier(figures) if model["cost_usd"] is None]
    lead += f"; without {', '.join(unknown)}, of unknown price." if unknown else "."
    return Figure(heading="Cost by model", lead=lead, svg=svg)


def latency_plot(figures: dict[str, Any], tally: Tally) -> Figure:
    """Where the time went."""

    def row(label: str, histogram: LogHistogram, css: str, marks: list[tuple[str, float]]) -> charts.Distribution:
        return charts.Distribution(label=label, edges=histogram.edges, counts=histogram.counts, marks=marks, css=css)

    virtual = figures["simulated"]
    measured = [(key, [(q, figures[key][q]) for q in ("p50", "p99")]) for key in ("decision_us", "end_to_end_us")]
    provider = [(q, tally.provider_us.quantile(float(q[1:]) / 100)) for q in ("p50", "p99")]
    svg = charts.histograms(
        [
            row("decision", tally.decision_us, "ours", measured[0][1]),
            row("end to end", tally.end_to_end_us, "whole", measured[1][1]),
            row("provider, virtual" if virtual else "provider", tally.provider_us, "virtual", provider),
        ],
        title="Latency distribution",
        description="; ".join(
            f"{name} median {p50}, 99th percentile {p99}" for name, p50, _, p99 in latency_rows(figures)
        ),
        x_title="time, logarithmic",
    )
    lead = "Wall time of the decision and of the whole call; below it the provider's own time"
    return Figure(
        heading="Latency distribution",
        lead=f"{lead}, which is computed and not waited for." if virtual else f"{lead}.",
        svg=svg,
    )


def notes(figures: dict[str, Any]) -> list[str]:
    """What the figures mean."""
    found = []
    if figures["simulated"]:
        found.append(
            "Simulated: the models are not real. The lengths of their answers are drawn from a seeded distribution, "
            "the same for every model; cost is those tokens at the configured prices. Provider latency is virtual: "
            "computed, not waited for, and so not part of the end-to-end time."
        )
    found.append(
        f"Saving = 1 - cost / baseline. The baseline sends every request to {figures['baseline']} at the same token "
        "counts; a hit counts there with the tokens of the stored answer."
    )
    if figures["right_hits"] is not None:
        found.append("A hit is right exactly when the stored request and the new one carry the same class (cls).")
    else:
        found.append("The traffic carries no classes (cls), so right and wrong hits are not counted.")
    if figures["unpriced"]:
        given = "." if figures["saving"] is not None else "; no saving is given."
        found.append(
            f"What {figures['unpriced']:,} requests cost is unknown: a model without a price, or an attempt that broke "
            f"off, so that nobody knows what it used. Cost and baseline leave them out{given}"
        )
    found.append("Recorded requests name the model they were sent to; the replay asks which one routing would choose.")
    return found
