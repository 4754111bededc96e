"""What other thresholds and times to live would serve: right hits, and wrong ones, on traffic whose answers are known.

``python benches/quality/thresholds.py [DATA]`` (DATA defaults to ``COMPOUND_FAST_DATA`` or ``../shared/data``; without
it only the sample traffic that ships is read). Each request is looked up, and where it misses its class is stored as
the answer; a hit is right where the class is the request's own. The clock is the traffic's. Hits are in per cent of
the requests, wrong ones in per cent of the hits; "exact" is what the exact tier serves alone::

                        sample traffic     support stream     with twins      banking77
    exact alone              6.3 / 0.0         12.5 / 0.0     11.6 / 0.0      0.1 / 0.0
    0.95  0.70               6.9 / 0.0         16.9 / 0.4     15.8 / 0.6     13.1 / 3.3    the default
    0.90  0.70               7.3 / 0.0         17.1 / 0.9     16.0 / 1.1     23.0 / 4.3
    0.93  0.70               7.2 / 0.0         16.9 / 0.4     15.8 / 0.6     17.5 / 3.7
    0.97  0.70               6.8 / 0.0         16.8 / 0.4     15.7 / 0.6      7.7 / 2.9
    0.99  0.70               6.7 / 0.0         16.7 / 0.2     15.7 / 0.4      2.2 / 1.7
    0.95  0.50               6.9 / 0.0         17.3 / 0.4     16.2 / 0.7     13.1 / 3.3
    0.95  0.85               6.9 / 0.0         15.8 / 0.4     14.8 / 0.4     13.0 / 3.3
    0.95  0.95               6.9 / 0.0         14.7 / 0.4     13.7 / 0.4     12.8 / 3.3
    ttl_s=60                 0.4 / 0.0          8.1 / 0.4      7.6 / 0.8
    ttl_s=600                1.9 / 0.0         16.6 / 0.4     15.6 / 0.6
    ttl_s=3600               6.9 / 0.0         16.9 / 0.4     15.8 / 0.6                   the default
    ttl_s=21600             15.0 / 0.0         16.9 / 0.4     15.8 / 0.6
    ttl_s=86400             15.5 / 0.0         16.9 / 0.4     15.8 / 0.6
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import compound_fast as cf

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "python/compound_fast/data/support_traffic.jsonl"
STREAMS = ("support_dev", "support_dev_twins", "intents_banking77")
THRESHOLDS = (
    *((0.95, 0.70), (0.90, 0.70), (0.93, 0.70), (0.97, 0.70), (0.99, 0.70)),
    *((0.95, 0.50), (0.95, 0.85), (0.95, 0.95)),
)
"""Pairs of `similarity_threshold` and `slot_similarity_threshold`; the first is the default."""
TTLS_S = (60, 600, 3600, 6 * 3600, 24 * 3600)


def requests(path: Path) -> list[tuple[int, str, str, Any]]:
    """Read time, tenant, class and request of each line."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        time_ms, tenant, kind = row.pop("t_ms", 0), row.pop("tenant", ""), row.pop("cls")
        rows.append((time_ms, tenant, kind, row.get("text", row)))
    return rows


def run(rows: list[tuple[int, str, str, Any]], **options: Any) -> tuple[float, float]:
    """Serve the rows; the hits in per cent of the requests, and the wrong ones in per cent of the hits."""
    clock = cf.ManualClock(0)
    cache = cf.SemanticCache(1 << 30, clock=clock, **options)
    hits = wrong = 0
    for time_ms, tenant, kind, request in rows:
        clock.set(time_ms)
        hit = cache.get(request, tenant=tenant)
        if hit is None:
            cache.put(request, kind, tenant=tenant)
        else:
            hits += 1
            wrong += hit.response != kind
    return 100 * hits / len(rows), 100 * wrong / max(hits, 1)


def main() -> None:
    """Print one table a stream."""
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("COMPOUND_FAST_DATA", ROOT / "../shared/data"))
    paths = [SAMPLE, *(data / "cache/streams" / f"{name}.jsonl" for name in STREAMS)]
    for path in paths:
        if not path.exists():
            print(f"{path}: not there, passed over")
            continue
        rows = requests(path)
        print(f"{path.stem}: {len(rows)} requests")
        print("  exact alone         {:5.1f} / {:4.1f}".format(*run(rows, policy="exact")))
        for plain, slot in THRESHOLDS:
            found = run(rows, similarity_threshold=plain, slot_similarity_threshold=slot)
            print("  {:.2f}  {:.2f}          {:5.1f} / {:4.1f}".format(plain, slot, *found))
        if rows[-1][0] > 0:
            for ttl_s in TTLS_S:
                print("  ttl_s={:<12}  {:5.1f} / {:4.1f}".format(ttl_s, *run(rows, ttl_s=ttl_s)), flush=True)


if __name__ == "__main__":
    main()
