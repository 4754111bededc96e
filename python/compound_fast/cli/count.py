"""`compound-fast count`: tokens, like `wc`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from compound_fast.errors import ConfigError
from compound_fast.tokens import TokenCount, count_tokens

__all__ = ["count"]


def count(
    files: Annotated[list[str] | None, typer.Argument(help="Files to count; '-' or none is standard input.")] = None,
    model: Annotated[str, typer.Option(help="The model that the count is for.")] = "gpt-4o",
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Count the tokens of files, like wc.

    One line a file and a total. A tilde before a count says that it is an estimate; standard error says of which kind.

    Example: compound-fast count --model gpt-4o README.md docs/*.md
    """
    if not model.strip():
        raise ConfigError(f"--model {model!r} names no model; leave it out, or give one, as in --model gpt-4o")
    names = files or ["-"]
    counts = [(name, count_tokens(_read(name), model=model)) for name in names]
    total = sum(found.tokens for _, found in counts)
    if json_output:
        rows = [{"file": name, **_fields(found)} for name, found in counts]
        typer.echo(json.dumps({"model": model, "files": rows, "total": total}, ensure_ascii=False))
        return
    if how := next((found.how for _, found in counts if not found.exact), None):
        typer.echo(f"compound-fast: no tokenizer for model {model!r} ships; the counts are {how}", err=True)
    width = max(8, len(str(total)) + 1)
    for name, found in counts:
        typer.echo(_line(found.tokens, found.exact, "" if files is None else name, width))
    if len(counts) > 1:
        typer.echo(_line(total, all(found.exact for _, found in counts), "total", width))


def _fields(found: TokenCount) -> dict[str, object]:
    return {"tokens": found.tokens, "exact": found.exact, "upper": found.upper, "how": found.how}


def _line(tokens: int, exact: bool, name: str, width: int) -> str:
    return f"{'' if exact else '~'}{tokens}".rjust(width) + (f" {name}" if name else "")


def _read(name: str) -> str:
    """The text of a file, or of standard input."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror or error}; give a file that can be read") from error
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: not UTF-8 at byte {error.start}; convert the file first") from error
