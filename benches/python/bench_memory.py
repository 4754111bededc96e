"""Resident memory of ``compound-fast replay`` as the traffic grows: what is beyond the cache's budget must not grow.

``make bench-python``, or ``pytest benches/python/bench_memory.py``. The traffic is generated: one request in four
repeats an earlier one, so hits, misses and evictions all run. The embedded configuration's cache is full well before
20,000 requests.

Two shared cores of an AMD EPYC, Python 3.11::

     20,000 requests:   70.0 MiB resident at most,   4.4 s CPU; 3909 exact, 0 semantic, 16091 model, 0 failed
    100,000 requests:   70.1 MiB resident at most,  22.2 s CPU; 19581 exact, 0 semantic, 80419 model, 0 failed
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SIZES = (20_000, 100_000)
COMMAND = Path(sysconfig.get_path("scripts")) / "compound-fast"


def _write_traffic(path: Path, requests: int) -> None:
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(requests):
            asked = number if draw.random() < 0.75 else draw.randrange(max(0, number - 2_000), number + 1)
            text = f"Where is my order {100_000 + asked}, and when will it arrive at the house of my neighbour?"
            file.write(json.dumps({"text": text, "t_ms": number * 250}) + "\n")


# A peak outlives `exec`, so a child of this process would report the test runner's. It is a child of a small one.
_CHILD = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _replay(path: Path) -> tuple[dict[str, object], float, float]:
    """The report, the peak resident size in MiB and the CPU seconds of one replay."""
    command = [sys.executable, "-S", "-c", _CHILD, COMMAND, "replay", path, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report, end = json.JSONDecoder().raw_decode(done.stdout)
    peak, cpu_s = done.stdout[end:].split()
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return report, int(peak) / unit, float(cpu_s)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_traffic(tmp_path, capsys):
    """Five times the requests take at most 5 % more memory."""
    peaks = {}
    for requests in SIZES:
        _write_traffic(tmp_path / "traffic.jsonl", requests)
        report, peaks[requests], cpu_s = _replay(tmp_path / "traffic.jsonl")
        assert report["requests"] == requests
        with capsys.disabled():
            served = ", ".join(f"{count} {tier}" for tier, count in report["served"].items())
            print(
                f"\n{requests:8,} requests: {peaks[requests]:6.1f} MiB resident at most, {cpu_s:5.1f} s CPU; {served}"
            )

    small, large = (peaks[requests] for requests in SIZES)
    assert large <= small * 1.05
