"""The types that we ship: the stub of the extension, and what a user's type checker sees."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALLOWED = "tests/typing/stubtest_allowlist.txt"

pytestmark = pytest.mark.slow


def test_the_stub_is_the_extension(root, tmp_path):
    """Every name and signature of ``_core.pyi`` is in the built module, and the other way round."""
    result = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "compound_fast._core", f"--allowlist={root / ALLOWED}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_user_sees_precise_types(root, tmp_path):
    """Code written against the public names passes ``mypy --strict``, and its mistakes are found."""
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(root / "tests/typing/surface.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
