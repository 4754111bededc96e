"""Documents against the code: docs/configuration.md names every key with its default, and examples are executed."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from compound_fast.config import Config
from compound_fast.errors import ConfigError

_ROW = re.compile(r"^\| `([a-zA-Z_.\[\]]+)` \| .+? \| ?(.*?) ?\| .+ \|$", re.MULTILINE)
_SMALLEST = {
    "version": 1,
    "providers": {"p": {"kind": "simulated"}},
    "models": {"m": {"provider": "p", "tier": "weak"}},
    "baseline": "m",
}
_RULE = {"name": "r", "when": {"has_code": True}, "use": "m"}
# Where a block of the tables stands in a mapping: its path there, and what has to be there for it to be read.
_BLOCKS = {
    "": ([], {}),
    "models.NAME": (["models", "m"], {}),
    "models.NAME.price": (["models", "m", "price"], {"input": 1, "output": 1}),
    "routing": (["routing"], {}),
    "routing.rules[]": (["routing", "rules", 0], _RULE),
    "routing.rules[].when": (["routing", "rules", 0, "when"], {"has_code": True}),
    "routing.thresholds": (["routing", "thresholds"], {}),
    "cache": (["cache"], {}),
    "embedder": (["embedder"], {}),
    "providers.NAME": (["providers", "p"], {}),
    "ledger": (["ledger"], {}),
    "simulated": (["simulated"], {}),
    "simulated.output_tokens": (["simulated", "output_tokens"], {}),
    "simulated.first_token_ms": (["simulated", "first_token_ms"], {}),
    "simulated.ms_per_token": (["simulated", "ms_per_token"], {}),
}


def _documented(root) -> dict[str, str]:
    """Every key of the tables with what the table gives as its default."""
    return dict(_ROW.findall((root / "docs/configuration.md").read_text(encoding="utf-8")))


def _with(block: str, key: str, value: object) -> dict[str, object]:
    """The smallest configuration, with one key of one block set."""
    mapping = copy.deepcopy(_SMALLEST)
    path, needed = _BLOCKS[block]
    at = mapping
    for step, following in zip(path, [*path[1:], ""][: len(path)], strict=True):
        if isinstance(step, int):
            if not at:
                at.append(copy.deepcopy(_RULE))
            at = at[step]
        else:
            at = at.setdefault(step, [] if isinstance(following, int) else {})
    at.update({**needed, **at, key: value})
    return mapping


@pytest.mark.parametrize("block", _BLOCKS)
def test_every_key_is_documented_and_no_other(root, block):
    """The tables of docs/configuration.md name the keys that the code knows, block by block."""
    with pytest.raises(ConfigError, match="known: ") as refused:
        Config.from_mapping(_with(block, "qqqqq", 0))
    known = set(str(refused.value).partition("known: ")[2].split(", "))
    documented = {
        key.rpartition(".")[2] for key in _documented(root) if key.rpartition(".")[0] == block and not key.endswith("]")
    }

    assert documented == known


def test_defaults_are_as_documented(root):
    """Writing a documented default changes nothing."""
    plain = Config.from_mapping(_SMALLEST)
    checked = 0
    for key, default in _documented(root).items():
        if not default.startswith("`"):
            continue
        block, _, name = key.rpartition(".")
        written = Config.from_mapping(_with(block, name, yaml.safe_load(default.strip("`"))))
        assert written == plain, key
        checked += 1

    assert checked > 25


def test_a_block_that_fails_fails_its_document(root, tmp_path):
    """An example that raises and a YAML block with an unknown key are failed tests."""
    (tmp_path / "conftest.py").write_text((root / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    default = tmp_path / "python/compound_fast/default.yaml"
    default.parent.mkdir(parents=True)
    default.write_text((root / "python/compound_fast/default.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "README.md").write_text(
        "```python\nassert 1 == 2\n```\n\n```yaml\ncache: {max_byte: 1}\n```\n\n```python\nassert 1 == 1\n```\n",
        encoding="utf-8",
    )

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", "README.md"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "2 failed, 1 passed" in result.stdout
    assert "max_bytes" in result.stdout


def test_the_report_in_the_readme_is_what_replay_prints(root):
    """README shows the report of the sample traffic as the command prints it, wall times aside.

    After a change that moves a figure on purpose, paste the output of ``compound-fast replay`` into README.md.
    """
    shown = re.search(r"```text\n(.+?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)

    printed = subprocess.run(
        [str(Path(sysconfig.get_path("scripts")) / "compound-fast"), "replay"],
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown is not None
    assert _without_times(shown[1]) == _without_times(printed.stdout)


def _without_times(report: str) -> list[str]:
    """The lines of a report before its wall times, without trailing blanks."""
    return [line.rstrip() for line in report.partition("Wall time")[0].strip().splitlines()]


def test_every_relative_link_leads_somewhere(root):
    """A link of a document to a file of the project, or to a heading in one, finds it."""
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("examples/*.md")]
    broken = []
    for document in documents:
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", document.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            if not target.is_file() or (anchor and anchor not in _anchors(target)):
                broken.append(f"{document.relative_to(root)}: {link}")

    assert len(documents) > 10
    assert not broken


def _anchors(document: Path) -> set[str]:
    """The anchors of the headings of a Markdown file."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
