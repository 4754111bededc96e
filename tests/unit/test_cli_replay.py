"""`compound-fast replay` on the embedded default: the real path, the real cache, simulated models."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from compound_fast.cli.replay import Replay, choose_config
from compound_fast.cli.report import replay_page
from compound_fast.cli.traffic import SAMPLE
from compound_fast.config import Config
from compound_fast.errors import ConfigError, TrafficError

DEFAULT = SAMPLE.parents[1] / "default.yaml"
KEYS = {
    "requests": int,
    "skipped": int,
    "simulated": bool,
    "served": dict,
    "wrong_hits": int,
    "right_hits": int,
    "wrong_per_hit": float,
    "tokens": dict,
    "cost_usd": float,
    "baseline_cost_usd": float,
    "saving": float,
    "models": dict,
    "decision_us": dict,
    "end_to_end_us": dict,
}


def lines(*rows: object) -> list[bytes]:
    """Traffic of these rows."""
    return [json.dumps(row).encode() + b"\n" for row in rows]


def run(traffic: list[bytes], config: Config | None = None, **options: object) -> Replay:
    """Replay `traffic` in this process."""
    one = Replay(config=config or Config.default(), **options)  # type: ignore[arg-type]
    asyncio.run(one.run(traffic))
    return one


def command(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user does, without a terminal."""
    code = "from compound_fast.cli import main; main()"
    environment = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], input=stdin, capture_output=True, env=environment, timeout=120
    )


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], str]:
    """Figures and page of one replay of the sample."""
    page = tmp_path_factory.mktemp("replay") / "out.html"
    done = command("replay", "--json", "--report", str(page))
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return json.loads(done.stdout), page.read_text(encoding="utf-8")


def test_json_has_the_fixed_keys(sample: tuple[dict[str, object], str]) -> None:
    """One object with the documented keys and types, and nothing else on standard output."""
    figures, _ = sample

    assert {key: type(figures[key]) for key in KEYS} == KEYS
    assert set(figures["served"]) == {"exact", "semantic", "model", "failed"}  # type: ignore[call-overload]
    assert set(figures["tokens"]) == {"input", "output", "saved"}  # type: ignore[call-overload]
    for name in ("decision_us", "end_to_end_us"):
        assert set(figures[name]) == {"p50", "p90", "p99"}  # type: ignore[call-overload]


def test_the_figures_of_the_sample_add_up(sample: tuple[dict[str, object], str]) -> None:
    """Every request was served from somewhere, models and sums agree, and saving is what it says."""
    figures, _ = sample
    served, models = figures["served"], figures["models"]
    assert isinstance(served, dict)
    assert isinstance(models, dict)

    assert sum(served.values()) == figures["requests"] == 1500
    assert served["failed"] == figures["skipped"] == 0
    assert sum(model["requests"] for model in models.values()) == served["model"]
    assert figures["right_hits"] + figures["wrong_hits"] == served["exact"] + served["semantic"]  # type: ignore[operator]
    assert figures["cost_usd"] == pytest.approx(sum(model["cost_usd"] for model in models.values()))
    assert figures["saving"] == pytest.approx(1 - figures["cost_usd"] / figures["baseline_cost_usd"])  # type: ignore[operator]
    assert served["exact"] > 150
    assert figures["simulated"] is True


def test_a_class_never_reaches_the_path() -> None:
    """With the classes permuted every request is served from the same tier and costs the same."""
    rows = [json.loads(line) for line in SAMPLE.read_bytes().splitlines()[:600]]
    classes = [row["cls"] for row in rows]
    permuted = [row | {"cls": cls} for row, cls in zip(rows, classes[::-1], strict=True)]

    one, other = run(lines(*rows)), run(lines(*permuted))

    assert [span.served for span in one.tally.spans] == [span.served for span in other.tally.spans]
    assert [span.cost_nano_usd for span in one.tally.spans] == [span.cost_nano_usd for span in other.tally.spans]
    assert one.classes.right > other.classes.right


def test_expiry_follows_the_arrival_times() -> None:
    """The clock is the traffic's: an answer past its time to live is asked for again; the clock never goes back."""
    text, day = {"text": "When do you open on Sunday?"}, 86_400_000

    served = run(lines(text | {"t_ms": 0}, text | {"t_ms": 60_000}, text | {"t_ms": 2 * day})).figures()["served"]
    assert (served["model"], served["exact"]) == (2, 1)

    served = run(lines(text | {"t_ms": 2 * day}, text | {"t_ms": 0}, text)).figures()["served"]
    assert (served["model"], served["exact"]) == (1, 2)


def test_tenants_do_not_share_answers() -> None:
    """The same words of another tenant are a miss."""
    text = "When do you open on Sunday?"

    served = run(lines({"text": text, "tenant": "a"}, {"text": text, "tenant": "b"})).figures()["served"]

    assert served["model"] == 2


def test_without_classes_right_and_wrong_are_unknown() -> None:
    """No class in the traffic, no verdict; the count of hits stands."""
    figures = run(lines({"text": "hello there"}, {"text": "hello there"})).figures()

    assert (figures["right_hits"], figures["wrong_hits"], figures["wrong_per_hit"]) == (None, None, None)
    assert figures["served"]["exact"] == 1


def test_bad_lines_are_reported_counted_and_skipped(tmp_path: Path) -> None:
    """Standard error names each bad line; the rest is replayed and the exit code is 0."""
    path = tmp_path / "traffic.jsonl"
    path.write_bytes(b'{"text": "a question"}\nnot json\n{"messages": [{"role": 5}]}\n{"text": "another question"}\n')

    done = command("replay", str(path), "--json")

    figures = json.loads(done.stdout)
    assert (done.returncode, figures["requests"], figures["skipped"]) == (0, 2, 2)
    assert [line.split(b":")[0] for line in done.stderr.splitlines()] == [b"line 2", b"line 3"]


def test_strict_stops_at_a_bad_line(tmp_path: Path) -> None:
    """Exit code 2, one line that names file, line and remedy, and no figures."""
    path = tmp_path / "traffic.jsonl"
    path.write_bytes(b'{"text": "a question"}\nnot json\n')

    done = command("replay", str(path), "--strict")

    assert (done.returncode, done.stdout) == (2, b"")
    message = done.stderr.decode().splitlines()
    assert len(message) == 1
    assert f"{path}: line 2: not JSON" in message[0]
    assert "--strict" in message[0]


def test_standard_input_is_read() -> None:
    """`-` replays what is piped in; blank input is no fault."""
    done = command("replay", "-", "--json", stdin=b'{"text": "a question"}\n')
    assert json.loads(done.stdout)["requests"] == 1

    done = command("replay", "-", "--json", stdin=b"")
    assert (done.returncode, json.loads(done.stdout)["requests"]) == (0, 0)


def test_nothing_but_bad_lines_is_a_failure() -> None:
    """Where no line is a request, the exit code says so; the figures are still printed."""
    done = command("replay", "-", "--json", stdin=b"a\nb\n")

    assert (done.returncode, json.loads(done.stdout)["skipped"]) == (1, 2)


def test_limit_stops_after_so_many_requests() -> None:
    """Only requests count towards the limit."""
    traffic = [b"oops\n", *lines(*({"text": f"question {number}"} for number in range(9)))]

    figures = run(traffic, limit=4).figures()

    assert (figures["requests"], figures["skipped"]) == (4, 1)


def test_failures_are_counted_by_kind() -> None:
    """A request that no model can take is a failure; the run goes on to its end."""
    default = Config.default()
    models = {name: replace(model, context_window=40) for name, model in default.models.items()}
    long = "which of these products is right for me? " * 40

    one = run(lines({"text": "one"}, {"text": long}), replace(default, models=models))

    figures = one.figures()
    assert (figures["requests"], figures["served"]["model"], figures["served"]["failed"]) == (2, 1, 1)
    assert one.failures == {"NoCandidateError": 1}
    assert one.last_failure.startswith("line 2: ")
    assert not one.has_nothing_answered


def test_when_every_request_fails_the_exit_code_says_so(tmp_path: Path) -> None:
    """Figures on standard output, one line about the failures on standard error, exit code 1."""
    path = tmp_path / "c.yaml"
    path.write_text(re.sub(r"context_window: \d+", "context_window: 1", DEFAULT.read_text()))

    done = command("replay", "--config", str(path), "--limit", "5", "--json")

    assert (done.returncode, json.loads(done.stdout)["served"]["failed"]) == (1, 5)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.decode().startswith("failed: 5 NoCandidateError")


def test_what_was_not_measured_is_no_zero(tmp_path: Path) -> None:
    """Where every request failed there is no baseline, no saving and no time to an answer: null, and a dash."""
    path = tmp_path / "c.yaml"
    page = tmp_path / "r.html"
    path.write_text(re.sub(r"context_window: \d+", "context_window: 1", DEFAULT.read_text()))
    arguments = ["replay", "--config", str(path), "--limit", "2"]

    figures = json.loads(command(*arguments, "--json").stdout)
    tables = command(*arguments, "--report", str(page)).stdout.decode()

    assert figures["cost_usd"] == 0.0  # nobody was asked
    assert (figures["baseline_cost_usd"], figures["saving"]) == (None, None)
    assert figures["end_to_end_us"] == {"p50": None, "p90": None, "p99": None}
    assert 0.5 < figures["decision_us"]["p50"] < 1e6  # that no model can take it is a decision too
    assert re.search(r"baseline: all to sim-strong +│ +- │", tables)
    assert re.search(r"saving +│ +- │", tables)
    assert re.search(r"end to end │ +- │ +- │ +- │", tables)
    assert "<figure>" not in page.read_text(encoding="utf-8")


def test_a_hit_is_no_request_of_unknown_cost() -> None:
    """A hit costs nothing, though its model and the baseline have no price."""
    default = Config.default()
    models = {name: replace(model, prices=None) for name, model in default.models.items()}

    figures = run(lines(*[{"text": "one"}] * 3), replace(default, models=models)).figures()

    assert (figures["served"]["exact"], figures["unpriced"]) == (2, 1)
    assert (figures["cost_usd"], figures["baseline_cost_usd"], figures["saving"]) == (None, None, None)


def test_a_page_draws_no_unknown_cost() -> None:
    """Without prices the page has no chart of costs, and names the one model whose price is unknown in what it has."""
    default = Config.default()
    traffic = lines({"text": "one"}, {"text": "prove that the square root of two is irrational, step by step " * 30})

    def headings(**prices: object) -> str:
        models = {name: replace(model, prices=prices.get(name)) for name, model in default.models.items()}
        one = run(traffic, replace(default, models=models))
        return replay_page(one.figures(), one.tally, traffic="t")

    assert "Cumulative cost" not in headings()
    assert "Cost by model" not in headings()
    some = headings(**{"sim-weak": default.models["sim-weak"].prices})
    assert "<h2>Cost by model</h2>" in some
    assert re.search(r"without sim-(medium|strong), of unknown price", some)


def test_a_replay_spends_no_books_but_its_own(tmp_path: Path) -> None:
    """The ledger of the configuration gets no row; the file of --ledger gets one a request."""
    books, rows, path = tmp_path / "books.jsonl", tmp_path / "rows.jsonl", tmp_path / "c.yaml"
    path.write_text(DEFAULT.read_text().replace("ledger: {path: null}", f"ledger: {{path: {str(books)!r}}}"))

    plain = command("replay", "--config", str(path), "--limit", "3")
    assert (plain.returncode, books.exists()) == (0, False)

    kept = command("replay", "--config", str(path), "--limit", "3", "--ledger", str(rows))
    assert (kept.returncode, books.exists()) == (0, False)
    assert [json.loads(row)["served_from"] for row in rows.read_text().splitlines()] == ["model"] * 3


def test_an_unknown_price_is_never_zero() -> None:
    """Without prices cost and saving are null, and the requests are counted as unpriced."""
    default = Config.default()
    models = {name: replace(model, prices=None) for name, model in default.models.items()}

    figures = run(lines({"text": "one"}), replace(default, models=models)).figures()

    assert figures["unpriced"] == 1
    assert (figures["cost_usd"], figures["baseline_cost_usd"], figures["saving"]) == (None, None, None)
    assert [model["cost_usd"] for model in figures["models"].values()] == [None]


def test_a_model_needs_a_server_and_has_no_price_of_ours() -> None:
    """The simulated models' names and prices are not passed off as a real server's."""
    with pytest.raises(ConfigError, match="needs --base-url"):
        choose_config(None, base_url=None, model="gpt-4o")

    config = choose_config(None, base_url="http://127.0.0.1:9/v1", model="gpt-4o")
    assert list(config.models) == ["gpt-4o"]
    assert config.models["gpt-4o"].prices is None


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["/nowhere/traffic.jsonl"], "/nowhere/traffic.jsonl"),
        (["--config", "/nowhere/c.yaml"], "/nowhere/c.yaml"),
        (["--report", "/nowhere/out.html"], "/nowhere"),
        (["--ledger", "/nowhere/rows.jsonl"], "--ledger /nowhere"),
        (["--ledger", "/"], "--ledger / is a folder"),
        (["--report", "/"], "--report / is a folder"),
    ],
)
def test_a_missing_file_is_named(arguments: list[str], part: str) -> None:
    """Exit code 2 and one line, before anything is sent."""
    done = command("replay", *arguments)

    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert part in done.stderr.decode()


def test_strict_raises_from_the_run() -> None:
    """The error of a strict run carries the line."""
    with pytest.raises(TrafficError) as caught:
        run([b"oops\n"], strict=True)

    assert caught.value.line == 1


def test_the_table_says_that_it_is_simulated() -> None:
    """In a pipe: tables, the label, and no progress bar."""
    done = command("replay", "--limit", "50")

    assert "Simulated models" in done.stdout.decode()
    assert "saving" in done.stdout.decode()
    assert done.stderr == b""


class _Page(HTMLParser):
    """Collects the attributes that could make a page load something, and the balance of its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [
            f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset", "action", "xlink:href")
        ]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing(sample: tuple[dict[str, object], str]) -> None:
    """Valid as XML too, every chart described in words, and no address of anything outside the file."""
    _, html = sample
    page = _Page()
    page.feed(html)

    assert page.open == []
    assert page.loads == []
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert not any(part in html for part in ("http:", "https:", "url(", "@import"))
    root = ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))
    charts = root.findall(".//svg")
    assert len(charts) == 4
    assert all(chart.findtext("title") and chart.findtext("desc") for chart in charts)


def test_the_page_shows_the_figures_of_json(sample: tuple[dict[str, object], str]) -> None:
    """Requests, shares, sums and models on the page are those of the same run's --json."""
    figures, html = sample
    served, models, tokens = figures["served"], figures["models"], figures["tokens"]
    assert isinstance(served, dict)
    assert isinstance(models, dict)
    assert isinstance(tokens, dict)
    root = ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))
    rows = {row.findtext("th"): [cell.text for cell in row.findall("td")] for row in root.findall(".//tbody/tr")}

    assert rows["exact hit"] == [f"{served['exact']:,}", f"{served['exact'] / 1500:.1%}"]
    assert rows["semantic hit"][0] == f"{served['semantic']:,}"
    assert rows["saving"] == [f"{figures['saving']:.1%}"]
    assert rows["tokens in / out"] == [f"{tokens['input']:,} / {tokens['output']:,}"]
    for name, model in models.items():
        assert rows[name][1:4] == [f"{model[key]:,}" for key in ("requests", "input_tokens", "output_tokens")]
    assert "Simulated models" in html
