"""The command `compound-fast`. Typer and rich are imported here and below, and nowhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from compound_fast.errors import CompoundFastError

if TYPE_CHECKING:
    import typer

__all__ = ["build_app", "main"]


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    import typer

    from compound_fast.cli.check import check
    from compound_fast.cli.count import count
    from compound_fast.cli.economics import economics
    from compound_fast.cli.replay import replay
    from compound_fast.cli.version import version

    app = typer.Typer(
        name="compound-fast",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(version)
    for command in (replay, economics, count, check):  # one name a command
        app.command()(command)
    return app


def main() -> None:
    """Run the command; bad input is one line on standard error and exit code 2."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError:
        sys.stderr.write("compound-fast: typer and rich are missing; run: pip install 'compound-fast[cli]'\n")
        raise SystemExit(2) from None
    try:
        build_app()()
    except CompoundFastError as error:
        sys.stderr.write(f"compound-fast: {error}\n")
        raise SystemExit(2) from None
