"""No answer leaves its scope, whoever asks at the same time: tests/soak_cache.py, with fewer operations."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("eviction", ["lru", "s3-fifo", "cost-aware"])
def test_no_answer_leaves_its_scope_while_entries_take_each_others_places(root, eviction):
    """Scopes that look alike ask the same questions of a full cache from four threads; each gets its own answers."""
    command = [sys.executable, str(root / "tests/soak_cache.py"), "--operations", "40000", "--eviction", eviction]
    command += ["--max-bytes", "2000000"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
    assert "'evicted': 0," not in done.stdout.splitlines()[-1]
    assert "'semantic hits': 0," not in done.stdout.splitlines()[-1]
