"""The books: totals in memory, one row a request on disk."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest

from compound_fast._core import ManualClock
from compound_fast.config import Config, LedgerConfig
from compound_fast.errors import ConfigError
from compound_fast.ledger import Ledger, LedgerRow
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body
from compound_fast.types import CallOptions, Usage

ROW = LedgerRow(
    served_from="model", model="sim-weak", provider="simulated", tenant="a", namespace="", input_tokens=10,
    output_tokens=20, cost_nano_usd=13_500, baseline_nano_usd=225_000, decision_us=12.5, end_to_end_us=80.25,
)  # fmt: skip


def config_at(path) -> Config:
    """Return the embedded configuration with a ledger at `path`."""
    return dataclasses.replace(Config.default(), ledger=LedgerConfig(path=str(path)))


async def test_every_request_leaves_a_row_without_its_text(tmp_path):
    """A row says who, what it cost and from where; never what was asked or answered."""
    path = tmp_path / "ledger.jsonl"
    async with Pipeline.from_config(config_at(path), clock=ManualClock(1234)) as pipeline:
        for _ in range(2):
            await pipeline.complete(to_body("Where is my secret parcel?"), CallOptions(tenant="acme"))

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["served_from"] for row in rows] == ["model", "exact"]
    assert {(row["tenant"], row["at_ms"], row["finish_reason"]) for row in rows} == {("acme", 1234, "stop")}
    assert rows[1]["cost_nano_usd"] == 0
    assert "secret" not in path.read_text()
    assert "[simulated]" not in path.read_text()


def test_totals_agree_with_the_rows(tmp_path):
    """The sums in memory are those of the file."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(config_at(path))
    for _ in range(3):
        ledger.record(ROW)
    ledger.close()

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    totals = ledger.totals()
    assert totals["cost_nano_usd"] == sum(row["cost_nano_usd"] for row in rows) == 40_500
    assert totals["tokens"]["output"] == 60


def test_rows_are_appended_to_what_is_there(tmp_path):
    """A second run adds to the file."""
    path = tmp_path / "ledger.jsonl"
    for _ in range(2):
        ledger = Ledger(config_at(path))
        ledger.record(ROW)
        ledger.close()

    assert len(path.read_text().splitlines()) == 2


def test_a_path_that_cannot_be_opened_is_a_configuration_error(tmp_path):
    """The path and the reason are named."""
    with pytest.raises(ConfigError, match="No such file or directory"):
        Ledger(config_at(tmp_path / "missing" / "ledger.jsonl"))


def test_a_full_disk_loses_rows_and_not_requests(caplog):
    """A row that cannot be written is counted, and logged once."""
    ledger = Ledger(config_at("/dev/full"))
    for _ in range(2):
        ledger.record(ROW)
    ledger.close()

    totals = ledger.totals()
    assert (totals["requests"], totals["rows_lost"]) == (2, 2)
    assert len(caplog.records) == 1


def test_a_forked_child_and_its_parent_write_whole_rows(tmp_path):
    """Two processes append to one file; no row is doubled, lost or mixed."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(config_at(path))
    ledger.record(ROW)
    child = os.fork()
    for _ in range(200):
        ledger.record(ROW)
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    ledger.close()

    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 401


def test_cached_input_is_priced_as_such():
    """Tokens that the provider had cached cost their own price."""
    ledger = Ledger(Config.default())

    assert ledger.cost_nano("sim-weak", Usage(1_000_000, 0, 400_000)) == 600_000 * 150 + 400_000 * 75


def test_text_that_is_no_utf8_loses_no_row(tmp_path):
    """A lone surrogate, which a provider may send as a finish reason, is written as JSON's own escape."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(config_at(path))
    ledger.record(dataclasses.replace(ROW, tenant="Grüße", finish_reason="\ud800"))
    ledger.close()

    row = json.loads(path.read_text(encoding="utf-8"))
    assert (row["tenant"], row["finish_reason"]) == ("Grüße", "\ud800")


def test_a_request_of_unknown_cost_is_in_neither_sum():
    """Cost and baseline of the totals are over the same requests."""
    ledger = Ledger(Config.default())
    ledger.record(ROW)
    ledger.record(dataclasses.replace(ROW, cost_nano_usd=None))

    totals = ledger.totals()
    assert (totals["cost_nano_usd"], totals["baseline_nano_usd"], totals["unpriced"]) == (13_500, 225_000, 1)
