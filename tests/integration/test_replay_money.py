"""What a replay says that requests cost where some of them failed, at a server that bills 9 and 3 tokens a reply."""

from __future__ import annotations

import asyncio
import dataclasses
import json

from compound_fast.cli.replay import Replay
from compound_fast.config import Config
from loopback import answer, config, silent, status

SMALL_NANO = 9 * 1_000 + 3 * 2_000  # at $1 and $2 per million tokens


def replayed(settings: Config, count: int) -> dict:
    """Return the figures of a replay of so many requests."""
    one = Replay(config=settings)
    asyncio.run(one.run([json.dumps({"text": f"question {number}"}).encode() + b"\n" for number in range(count)]))
    assert one.tally.spans[-1].cost_nano_usd == one._totals["cost_nano_usd"]
    assert one.tally.spans[-1].baseline_nano_usd == one._totals["baseline_nano_usd"]
    return one.figures()


def test_one_failure_of_unknown_cost_leaves_a_replay_its_money(loopback):
    """The sums are over the requests whose cost is known, and `unpriced` says how many are not."""
    loopback.script = [silent, answer()]

    figures = replayed(config(loopback, timeout_s=2), 3)

    assert (figures["served"]["failed"], figures["unpriced"]) == (1, 1)
    assert figures["cost_usd"] == figures["baseline_cost_usd"] == 2 * SMALL_NANO / 1e9
    assert figures["saving"] == 0.0


def test_a_replay_of_failures_alone_knows_its_cost_only_if_they_were_refused(loopback):
    """Refusals cost nothing; silence costs nobody knows what."""
    loopback.script = [status(401)]
    assert replayed(config(loopback), 2)["cost_usd"] == 0.0

    loopback.script = [silent]
    figures = replayed(config(loopback, timeout_s=1), 1)
    assert (figures["cost_usd"], figures["baseline_cost_usd"], figures["saving"]) == (None, None, None)


def test_a_replay_without_a_price_of_the_baseline_has_costs_and_no_saving(loopback, second):
    """What is known is given; what is not is null and never zero."""
    settings = config(loopback, fallback=second)
    models = {**settings.models, "large": dataclasses.replace(settings.models["large"], prices=None)}
    figures = replayed(dataclasses.replace(settings, models=models, baseline="large"), 1)

    assert figures["cost_usd"] == SMALL_NANO / 1e9
    assert (figures["baseline_cost_usd"], figures["saving"]) == (None, None)
