"""Imports go down only: the contract of pyproject.toml, held by import-linter, and the proof that it can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


def _lint(package_parent: Path, configuration: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sysconfig.get_path("scripts")) / "lint-imports"
    return subprocess.run(
        [str(command), "--no-logo", "--no-cache", "--config", str(configuration)],
        env={**os.environ, "PYTHONPATH": str(package_parent)},
        cwd=package_parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_go_down_only(root):
    """No module of the package imports one that stands above or beside it."""
    result = _lint(root / "python", root / "pyproject.toml")

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "expected"),
    [
        ("types.py", "import compound_fast.pipeline", "compound_fast.types -> compound_fast.pipeline"),
        ("cache.py", "import compound_fast.router", "compound_fast.cache -> compound_fast.router"),
        ("newroom.py", "", "newroom"),
    ],
    ids=["upwards", "sideways", "a room without a place"],
)
def test_a_wrong_import_is_found(root, tmp_path, module, line, expected):
    """An import that goes up or sideways, and a room that no layer names, break the contract."""
    shutil.copytree(
        root / "python/compound_fast",
        tmp_path / "compound_fast",
        ignore=shutil.ignore_patterns("__pycache__", "*.so", "data"),
    )
    for name in ("pipeline.py", "router.py", module):
        (tmp_path / "compound_fast" / name).touch()
    with (tmp_path / "compound_fast" / module).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")

    result = _lint(tmp_path, root / "pyproject.toml")

    assert result.returncode == 1
    assert expected in result.stdout


def test_the_extension_stands_at_the_bottom(root):
    """The errors import nothing, so that the extension can raise them however it is loaded."""
    source = (root / "python/compound_fast/errors.py").read_text(encoding="utf-8")

    assert not [line for line in source.splitlines() if line.lstrip().startswith(("import ", "from "))]


def test_import_reads_no_heavy_module():
    """Importing the package loads neither numpy, nor an HTTP client, nor YAML, nor asyncio, and starts no thread."""
    code = (
        "import sys, threading; before = set(sys.modules); import compound_fast; "
        "heavy = {'numpy', 'httpx', 'yaml', 'asyncio', 'importlib.metadata', 'typer', 'rich', 'socket'}; "
        "print(sorted(heavy & (set(sys.modules) - before)), threading.active_count())"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.split() == ["[]", "1"]
