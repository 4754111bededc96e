"""What each order of eviction serves and saves, on recorded arrivals.

``python benches/quality/eviction.py [DATA]`` (DATA defaults to ``COMPOUND_FAST_DATA`` or ``../shared/data``).

The arrivals tell when a request came and how many tokens it and its answer had, and not what was asked. That is drawn
here, seeded: nine of ten requests come from as many kinds as there are arrivals, by Zipf's law with exponent 0.9, where
one in five thousand arrivals makes another kind the most popular; the tenth is never asked again. A kind keeps the size
and price of the first arrival that it was drawn for ($2.50 and $10 a million tokens of input and output). The budget is
a share of what all distinct answers would take. Hit ratio and share of the dollars saved, exact tier, in per cent.

Two shared cores of an AMD EPYC::

    arrivals                  budget             lru         s3-fifo      cost-aware
    azure_code                    2%     20.4 / 23.1     27.4 / 30.7     18.7 / 29.4
    azure_code                    5%     29.6 / 32.7     32.4 / 35.5     27.7 / 38.3
    azure_code                   15%     41.2 / 43.6     40.6 / 43.1     38.4 / 46.8
    azure_conv                    2%     24.8 / 24.5     28.2 / 27.9     26.5 / 28.1
    azure_conv                    5%     32.8 / 32.7     32.8 / 32.5     33.4 / 35.4
    azure_conv                   15%     42.3 / 42.3     40.7 / 40.8     41.8 / 43.6
    mooncake_conversation         2%     21.7 / 19.9     27.3 / 25.9     22.6 / 27.0
    mooncake_conversation         5%     30.3 / 28.8     32.1 / 30.9     30.9 / 35.2
    mooncake_conversation        15%     40.8 / 39.9     39.9 / 39.0     40.2 / 44.4
"""

from __future__ import annotations

import csv
import os
import random
import sys
from pathlib import Path

import compound_fast as cf

POLICIES = ("lru", "s3-fifo", "cost-aware")
ROOT = Path(__file__).resolve().parents[2]


def requests(path: Path, seed: int = 7) -> list[tuple[str, int, int, float]]:
    """Draw a request for every arrival: its text, time, bytes of the answer and price."""
    chance = random.Random(seed)
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [tuple(map(float, row)) for row in list(csv.reader(lines))[1:]]
    weights, total = [], 0.0
    for rank in range(1, len(rows) + 1):
        total += rank**-0.9
        weights.append(total)
    order = list(range(len(rows)))
    chance.shuffle(order)
    first: dict[str, tuple[int, float]] = {}
    drawn = []
    for number, (t_ms, inputs, outputs) in enumerate(rows):
        if number % 5_000 == 4_999:
            chance.shuffle(order)
        if chance.random() < 0.1:
            text = f"asked once {number}"
        else:
            (rank,) = chance.choices(range(len(rows)), cum_weights=weights)
            text = f"kind {order[rank]}"
        size, price = first.setdefault(text, (int(outputs) * 4, inputs * 2.5e-6 + outputs * 10e-6))
        drawn.append((text, int(t_ms), size, price))
    return drawn


def replay(drawn: list[tuple[str, int, int, float]], eviction: str, max_bytes: int) -> tuple[float, float]:
    """Return the hit ratio and the share of the dollars saved."""
    clock = cf.ManualClock(0)
    cache = cf.SemanticCache(max_bytes, None, policy="exact", eviction=eviction, clock=clock)
    hits, saved, spent = 0, 0.0, 0.0
    for text, t_ms, size, price in drawn:
        clock.set(t_ms)
        spent += price
        if cache.get(text) is not None:
            hits += 1
            saved += price
        else:
            cache.put(text, "x" * size, cost_usd=price)
    return 100 * hits / len(drawn), 100 * saved / spent


def main() -> None:
    """Print the table."""
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("COMPOUND_FAST_DATA", ROOT / "../shared/data"))
    files = sorted((data / "cache/arrivals").glob("arrivals_*.csv"))
    if not files:
        sys.exit(f"no arrivals under {data}; give the folder of the evaluation data")
    print(f"    {'arrivals':24}{'budget':>8}" + "".join(f"{policy:>16}" for policy in POLICIES))
    for path in files:
        drawn = requests(path)
        everything = cf.SemanticCache(1 << 33, None, policy="exact")
        everything.put_many([(text, "x" * size) for text, _, size, _ in drawn])
        whole = everything.stats()["bytes"]
        for share in (0.02, 0.05, 0.15):
            cells = [replay(drawn, policy, int(whole * share)) for policy in POLICIES]
            name = path.stem.removeprefix("arrivals_")
            print(f"    {name:24}{share:>8.0%}" + "".join(f"{hit:>9.1f} /{usd:>5.1f}" for hit, usd in cells))


if __name__ == "__main__":
    main()
