"""The programs in examples/ run, and print what they are there to show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOWS = {
    "support_desk.py": ["semantic", "sim-medium", "1 of 5 from the cache; $0.0"],
    "knowledge_base.py": ["30 days. (from the cache)", "60 days. (1 answer was removed)", "2 calls for 3 questions"],
    "under_httpx.py": ["ann: where is order 1042    semantic", "bob: Where is order 1042?   model"],
}


@pytest.mark.parametrize("name", SHOWS)
def test_an_example_runs_and_shows_what_it_is_for(name, tmp_path):
    """In an empty folder, without a network or a warning; nothing is left behind."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert all(line in done.stdout for line in SHOWS[name]), done.stdout
    assert not list(tmp_path.iterdir())


def test_every_example_is_run_and_listed():
    """Each program of the folder stands in the test above and in the folder's README."""
    programs = {path.name for path in EXAMPLES.glob("*.py")} - {"make_support_traffic.py"}
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    assert programs == set(SHOWS)
    assert all(f"| `{name}` |" in listed for name in programs)
