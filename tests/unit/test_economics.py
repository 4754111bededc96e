"""The arithmetic of the support desk, and the command that shows it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compound_fast.cli import build_app
from compound_fast.cli.scenario import SCENARIO, Scenario, from_replay
from compound_fast.errors import ConfigError

REPLAY = {
    "served": {"exact": 10, "semantic": 10, "model": 60, "failed": 3},
    "models": {
        "a": {"tier": "weak", "requests": 30},
        "b": {"tier": "weak", "requests": 15},
        "c": {"tier": "strong", "requests": 15},
    },
}


def run_json(*arguments: str) -> dict[str, object]:
    """What the command prints with --json."""
    result = CliRunner().invoke(build_app(), ["economics", "--json", *arguments])
    assert result.exit_code == 0, result.output
    loaded: dict[str, object] = json.loads(result.stdout)
    return loaded


def test_the_scenario_costs_what_a_pencil_says() -> None:
    """33,000 dollars for everything to the large model; 2,310 + 3,500 + 1,650 with tiers; 30 % less with hits."""
    assert SCENARIO.baseline_usd == 1_000_000 * (500 * Fraction("0.03") + 300 * Fraction("0.06")) / 1000 == 33_000
    assert [SCENARIO.tier_usd(tier) for tier in range(3)] == [2_310, 3_500, 1_650]
    assert SCENARIO.routed_usd == 7_460
    assert SCENARIO.cached_usd == 23_100
    assert SCENARIO.cost_usd == 5_222
    assert round(SCENARIO.saving(SCENARIO.cost_usd), 2) == Fraction(84, 100)


def test_the_quoted_bill_takes_44_percent_hits() -> None:
    """At the hit rate that 4,200 dollars need, 4,200 dollars is the bill, exactly."""
    needed = SCENARIO.hit_rate_for(Fraction(4200))

    assert needed == 1 - Fraction(4200, 7460)
    assert round(float(needed), 2) == 0.44
    assert replace(SCENARIO, hit_rate=needed).cost_usd == 4200


def test_a_target_that_the_tiers_reach_needs_no_hits() -> None:
    """No hit is needed for a bill that is not below what the tiers cost; none suffices for a negative one."""
    assert SCENARIO.hit_rate_for(Fraction(7460)) == 0
    assert SCENARIO.hit_rate_for(Fraction(-1)) is None


def test_another_weak_share_keeps_the_ratio_of_the_others() -> None:
    """The rest is divided between medium and strong as before, and shares still add up to one."""
    other = SCENARIO.with_weak_share(Fraction(40, 100))

    assert other.shares == (Fraction(40, 100), Fraction(50, 100), Fraction(10, 100))
    assert sum(SCENARIO.with_weak_share(Fraction(1)).shares) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hit_rate": Fraction(30)}, "outside \\[0, 1\\]"),
        ({"shares": (Fraction(1, 2), Fraction(1, 2), Fraction(1, 2))}, "add up to 150%"),
        ({"shares": (Fraction(3, 2), Fraction(-1, 2), Fraction(0))}, "add up to"),
        ({"queries": -1}, "queries=-1"),
        ({"prices": ((Fraction(-1), Fraction(0)),) * 3}, "negative"),
        ({"shares": (Fraction(1),)}, "1 shares"),
    ],
)
def test_an_impossible_scenario_is_refused(changes: dict[str, object], message: str) -> None:
    """Shares, rates and counts outside their range raise, naming the value."""
    values = {name: getattr(SCENARIO, name) for name in Scenario.__dataclass_fields__}

    with pytest.raises(ConfigError, match=message):
        Scenario(**{**values, **changes})


def test_a_replay_gives_its_hit_share_and_tier_shares(tmp_path: Path) -> None:
    """20 hits of 80 answered requests, and 45 : 0 : 15 of what models served; failures count nowhere."""
    path = tmp_path / "replay.json"
    path.write_text(json.dumps(REPLAY))

    measured = from_replay(SCENARIO, path)

    assert measured.hit_rate == Fraction(1, 4)
    assert measured.shares == (Fraction(3, 4), Fraction(0), Fraction(1, 4))
    assert measured.queries == SCENARIO.queries


@pytest.mark.parametrize("content", [
    "", "[]", "{}", '{"served": {}, "models": {}}', '{"served": 1, "models": 2}', "[" * 100_000, "\x00\xff",
    json.dumps(REPLAY).replace("60", "1e400"), json.dumps(REPLAY).replace("60", "-60"),
    json.dumps(REPLAY).replace("60", "true"), json.dumps(REPLAY).replace('"strong"', '"huge"'),
    json.dumps(REPLAY).replace("30", "9" * 5000),
], ids=count())  # fmt: skip
def test_what_is_no_replay_is_refused(tmp_path: Path, content: str) -> None:
    """A file that `replay --json` did not write is named, with what to give instead."""
    path = tmp_path / "other.json"
    path.write_text(content, encoding="latin-1")

    with pytest.raises(ConfigError, match=r"other\.json: not the output of `compound-fast replay --json`"):
        from_replay(SCENARIO, path)


def test_the_command_shows_the_scenario_by_default() -> None:
    """Without options the figures are those of the well-known desk."""
    figures = run_json()

    assert (figures["baseline_cost_usd"], figures["cost_usd"]) == (33_000, 5_222)
    assert figures["saving"] == pytest.approx(0.8417575757)
    assert figures["hit_rate_for_target"] == pytest.approx(0.437, abs=0.0005)


def test_options_change_the_scenario(tmp_path: Path) -> None:
    """Every assumption has an option; a replay overrides hit rate and shares."""
    figures = run_json("--queries", "1000", "--hit-rate", "50%", "--shares", "100/0/0", "--prices", "1:1/1:1/2:2")
    assert (figures["baseline_cost_usd"], figures["cost_usd"]) == (1600, 400)

    path = tmp_path / "replay.json"
    path.write_text(json.dumps(REPLAY))
    assert run_json("--from-replay", str(path))["hit_rate"] == 0.25


def test_the_table_and_the_page_show_the_same_bill(tmp_path: Path) -> None:
    """33,000, 5,222 and 43.7 % stand in the tables and on the page."""
    page = tmp_path / "out.html"
    result = CliRunner().invoke(build_app(), ["economics", "--report", str(page)])

    assert result.exit_code == 0
    for shown in ("$33,000", "$5,222", "84.2%", "43.7%"):
        assert shown in result.stdout
        assert shown in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--hit-rate", "--prices", "--shares", "--target", "--queries", "--from-replay"])
@pytest.mark.parametrize("value", [
    "many", "-1", "nan", "inf", "1e400", "-1e999999999", "1e999999999", "1e-999999999", "9" * 5000, "1/2", "", "%",
    "1:1/1:1/1", "1e400:1/1:1/1:1", "1:-1/1:1/1:1", "30/30/nan", "/", "\x00",
])  # fmt: skip
def test_bad_options_are_refused_in_one_line(option: str, value: str) -> None:
    """A value that is no number, pair, share or file is one line and exit code 2, and nothing is printed."""
    result = CliRunner().invoke(build_app(), ["economics", option, value])

    assert isinstance(result.exception, ConfigError | SystemExit)
    assert result.exit_code != 0
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [("--prices", "1/2/3"), ("--shares", "50/50"), ("--hit-rate", "30"), ("--target", "-1"), ("--target", "nan")],
)
def test_a_bad_option_is_named(arguments: tuple[str, str]) -> None:
    """The message has the option, or what it stands for, and the value."""
    result = CliRunner().invoke(build_app(), ["economics", *arguments])

    assert isinstance(result.exception, ConfigError)
    assert arguments[0].removeprefix("--").replace("-", "_") in str(result.exception).replace("-", "_")


@pytest.mark.parametrize(
    "arguments", [["--hit-rate", "43.7%"], ["--queries", "900000000000"], ["--shares", "33.33/33.33/33.34"]]
)
@pytest.mark.parametrize("columns", [80, 40])
def test_no_figure_of_the_tables_is_cut(arguments: list[str], columns: int) -> None:
    """Whatever the width of the terminal, each bill stands in the table as it is."""
    report = run_json(*arguments)

    printed = CliRunner(env={"COLUMNS": str(columns)}).invoke(build_app(), ["economics", *arguments]).stdout

    assert "\N{HORIZONTAL ELLIPSIS}" not in printed
    for cell in report["sensitivity"]:
        assert re.search(rf"\$({cell['cost_usd']:,.0f}|{cell['cost_usd']:,.2f})(?!\S)", printed), cell


def test_the_tables_fit_into_80_columns() -> None:
    """At a hit rate that the tables have no row of, too."""
    printed = CliRunner(env={"COLUMNS": "80"}).invoke(build_app(), ["economics", "--hit-rate", "43.7%"]).stdout

    assert "43.7%" in printed
    assert max(len(line) for line in printed.splitlines() if line[:1] in "┏┃┡│└") <= 80


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--hit-rate", "144%", "'144%' is more than all requests; write 0% to 100%, or 0 to 1"),
        ("--hit-rate", "30", "'30' is more than all requests; write 0% to 100%, or 0 to 1; 30% was meant?"),
        ("--hit-rate", "-3%", "'-3%' is negative; write 0 or more"),
        ("--shares", "70/25/6", "'70/25/6' adds up to 101%, not 100%"),
        ("--shares", "70,25,5", "'70,25,5': 1 found, three are needed"),
        ("--shares", "40/30/20/10", "'40/30/20/10': 4 found, three are needed"),
        ("--prices", "1:2", "'1:2': 1 found, three are needed"),
    ],
)
def test_a_message_repeats_the_option_as_it_was_written(option: str, value: str, message: str) -> None:
    """The value stands in it as it was typed, and what to write instead."""
    result = CliRunner().invoke(build_app(), ["economics", f"{option}={value}"])

    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(f"{option} {message}")


def test_shares_may_carry_their_percent_signs() -> None:
    """70%/25%/5% is 70/25/5."""
    assert run_json("--shares", "70%/25%/5%") == run_json("--shares", "70/25/5")
