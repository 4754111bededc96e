"""Writers of a cache folder are killed at random moments: tests/crash_cache.py, with fewer kills."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork, no SIGKILL")
def test_no_acknowledged_entry_is_lost_by_a_kill(root):
    """However a writer dies, the next one opens the folder and finds all that was acknowledged."""
    command = [sys.executable, str(root / "tests/crash_cache.py"), "--kills", "60"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
    assert "'acknowledged entries lost': 0" in done.stdout
