"""`compound-fast --version`."""

from __future__ import annotations

from typing import Annotated

import typer

import compound_fast

__all__ = ["version"]


def print_version(is_asked: bool) -> None:
    """Print the version where it is asked for, and end."""
    if is_asked:
        typer.echo(f"compound-fast {compound_fast.__version__}")
        raise typer.Exit


def version(
    *,
    is_asked: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A router and a semantic cache in front of large language models."""
