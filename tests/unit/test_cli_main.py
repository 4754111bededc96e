"""The command itself: help, missing dependencies, and `check`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import compound_fast
from compound_fast.cli import build_app
from compound_fast.errors import ConfigError

DEFAULT = Path(compound_fast.__file__).with_name("default.yaml")


@pytest.mark.parametrize("name", ["replay", "economics", "count", "check"])
def test_every_command_has_help_with_an_example_and_json(name: str) -> None:
    """--help shows how to call the command, and each has output for machines."""
    result = CliRunner().invoke(build_app(), [name, "--help"])

    assert result.exit_code == 0
    assert f"Example: compound-fast {name}" in result.stdout
    assert "--json" in result.stdout


def test_the_command_says_its_version() -> None:
    """--version is one line with the version of the package."""
    result = CliRunner().invoke(build_app(), ["--version"])

    assert (result.exit_code, result.stdout) == (0, f"compound-fast {compound_fast.__version__}\n")


def test_without_typer_the_command_says_what_to_install() -> None:
    """One line and exit code 2 where the extra is not installed."""
    code = "import sys; sys.modules['typer'] = None\nfrom compound_fast.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "compound-fast: typer and rich are missing; run: pip install 'compound-fast[cli]'"
    ]


@pytest.mark.parametrize("model", ["", " "])
def test_count_refuses_a_model_without_a_name(model: str, tmp_path) -> None:
    """Nothing is counted for a model that is not said, which an unset variable in a script would be."""
    text = tmp_path / "text"
    text.write_text("hello", encoding="utf-8")
    result = CliRunner().invoke(build_app(), ["count", "--model", model, str(text)])

    assert isinstance(result.exception, ConfigError)
    assert f"--model {model!r} names no model" in str(result.exception)


def test_economics_loads_no_http_client_and_no_numpy() -> None:
    """Only a replay needs the path."""
    code = (
        "import sys\nfrom compound_fast.cli import build_app\n"
        "build_app()(['economics', '--json'], standalone_mode=False)\n"
        "sys.exit(any(name in sys.modules for name in ('httpx', 'numpy', 'compound_fast.pipeline')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


def test_check_says_what_each_line_does() -> None:
    """A valid file is described key by key, in words and as JSON."""
    runner = CliRunner()

    shown = runner.invoke(build_app(), ["check", str(DEFAULT)])
    listed = json.loads(runner.invoke(build_app(), ["check", str(DEFAULT), "--json"]).stdout)

    assert shown.exit_code == 0
    assert "baseline" in shown.stdout
    assert {line["key"] for line in listed["lines"]} >= {"baseline"}
    assert all(line["does"] for line in listed["lines"])


def test_check_names_file_key_and_remedy(tmp_path: Path) -> None:
    """A misspelt key is one line on standard error, with the nearest known one, and exit code 2."""
    path = tmp_path / "c.yaml"
    path.write_text(re.sub("has_code: true", "has_coed: true", DEFAULT.read_text()))
    code = "from compound_fast.cli import main; main()"

    done = subprocess.run([sys.executable, "-c", code, "check", str(path)], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert all(part in done.stderr for part in (str(path), "has_coed", "has_code"))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("providers: {p: {kind: openai_compatibel}}", "did you mean 'openai_compatible'?"),
        ("providers: {p: {kind: openai_compatible}}", "base_url is missing"),
        ("providers: {p: {kind: simulated}}\nembedder: {kind: statick}", "did you mean 'static'?"),
    ],
)
def test_check_knows_what_each_kind_needs(tmp_path: Path, broken: str, words: str) -> None:
    """A kind that does not exist, or lacks what it needs, is found before anything is sent."""
    path = tmp_path / "compound.yaml"
    path.write_text(f"version: 1\nbaseline: m\nmodels: {{m: {{provider: p, tier: weak}}}}\n{broken}\n")

    done = CliRunner().invoke(build_app(), ["check", str(path)])

    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("ledger: {path: /nowhere/rows.jsonl}", "ledger.path is '/nowhere/rows.jsonl': there is no such folder"),
        ("ledger: {path: /}", "ledger.path is '/', which is a folder"),
        ("cache: {durability: sync}", "cache.durability is 'sync' without a path"),
    ],
)
def test_check_finds_what_would_fail_later(tmp_path: Path, block: str, words: str) -> None:
    """A ledger that cannot be opened, and a promise about a disk that nothing is written to."""
    path = tmp_path / "compound.yaml"
    path.write_text(
        "version: 1\nbaseline: m\nmodels: {m: {provider: p, tier: weak}}\n"
        f"providers: {{p: {{kind: simulated}}}}\n{block}\n"
    )

    done = CliRunner().invoke(build_app(), ["check", str(path)])

    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith(f"{path}: {words}")


def test_check_finds_a_key_that_is_not_set(tmp_path: Path) -> None:
    """The variable is named; with a key in it the file is valid, and the key is not shown."""
    path = tmp_path / "compound.yaml"
    path.write_text(
        "version: 1\nbaseline: m\nmodels: {m: {provider: p, tier: weak}}\n"
        "providers: {p: {kind: openai_compatible, base_url: 'http://127.0.0.1/v1', api_key: env:CF_KEY_OF_A_TEST}}\n"
    )
    arguments = ["check", str(path)]

    unset = CliRunner(env={"CF_KEY_OF_A_TEST": None}).invoke(build_app(), arguments)
    valid = CliRunner(env={"CF_KEY_OF_A_TEST": "sk-1234"}).invoke(build_app(), arguments)

    assert isinstance(unset.exception, ConfigError)
    place = f"{path}: providers.p.api_key: the environment variable CF_KEY_OF_A_TEST is not set"
    assert str(unset.exception).startswith(place)
    assert (valid.exit_code, "sk-1234" in valid.output) == (0, False)
