"""Executes the code of the documents: README, CONTRIBUTING, docs/ and the docstrings of the package.

Every ``python`` block runs, in order, in one namespace a page and in an empty folder. Every ``yaml`` block is a
configuration, or a part of one, and is loaded. ``<!--- skip: next "reason" -->`` leaves one block out.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import yaml
from sybil import Example, Sybil
from sybil.parsers.doctest import DocTestParser
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parent


def _load_yaml(example: Example) -> None:
    """Load a block as a configuration; a block without ``models`` stands in for one part of the embedded default."""
    from compound_fast.config import Config

    part = yaml.safe_load(example.parsed)
    whole = yaml.safe_load((ROOT / "python/compound_fast/default.yaml").read_text(encoding="utf-8"))
    mapping = part if "models" in part and "baseline" in part else _merged(whole, part)
    Config.from_mapping(mapping, source=f"{Path(example.path).name}:{example.line}")


def _merged(whole: dict[str, object], part: dict[str, object]) -> dict[str, object]:
    for key, value in part.items():
        old = whole.get(key)
        # A part may add models or providers, or change some keys of a block; the rest stays as the default has it.
        whole[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return whole


def _enter(namespace: dict[str, object]) -> None:
    """Go to an empty folder: an example reads no file but those it wrote, and leaves none."""
    stack = contextlib.ExitStack()
    stack.callback(os.chdir, Path.cwd())
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    os.chdir(folder)
    namespace["_leave"] = stack.close


def _leave(namespace: dict[str, object]) -> None:
    namespace.pop("_leave")()  # type: ignore[operator]


_markdown = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("yaml", _load_yaml), SkipParser()],
    patterns=["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/*/*.md"],
    setup=_enter,
    teardown=_leave,
)
_docstrings = Sybil(parsers=[DocTestParser()], patterns=["python/compound_fast/*.py", "python/compound_fast/*/*.py"])

pytest_collect_file = (_markdown + _docstrings).pytest()
