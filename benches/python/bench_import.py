"""``import compound_fast`` against ``import httpx``, in fresh interpreters.

``make bench-python``, or ``pytest benches/python/bench_import.py``. The cases take turns, so that a busy spell of the
machine meets all of them; CPU of the import statement alone, median and range of 15.

Two shared cores of an AMD EPYC, Python 3.11::

    CPU ms        median      least       most
                     2.4        2.3        4.3   import compound_fast
                   130.6      120.0      211.1   import compound_fast; compound_fast.Client
                   166.5      140.8      252.1   import httpx
                   136.9      120.7      203.2   import numpy

The first use of `Client` loads asyncio and the path, neither httpx nor numpy.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 15
STATEMENTS = (
    "import compound_fast",
    "import compound_fast; compound_fast.Client",
    "import httpx",
    "import numpy",
)
_TIMED = "import time; start = time.process_time(); {}; print(time.process_time() - start)"


def _measure(statement: str) -> float:
    """CPU milliseconds of `statement` in a fresh interpreter."""
    command = [sys.executable, "-c", _TIMED.format(statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 1e3


def test_import_costs_half_of_httpx_at_most(capsys):
    """Importing the package loads nothing heavy; the first use of a name loads what that name needs."""
    for statement in STATEMENTS:  # writes the .pyc files
        _measure(statement)
    taken: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for _ in range(ROUNDS):
        for statement in STATEMENTS:
            taken[statement].append(_measure(statement))
    medians = {statement: statistics.median(times) for statement, times in taken.items()}

    with capsys.disabled():
        print("\n\nCPU ms        median      least       most")
        for statement, times in taken.items():
            print(f"{medians[statement]:20.1f} {min(times):10.1f} {max(times):10.1f}   {statement}")
    assert medians["import compound_fast"] <= medians["import httpx"] / 2
