"""Tables on a terminal, in which no figure is ever cut."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table

__all__ = ["NARROWEST_LABEL", "print_table"]

NARROWEST_LABEL = 8
"""Fewest cells that a label is folded to."""


def print_table(
    console: Console,
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    labels: int = 1,
    bold: Collection[str] = (),
) -> None:
    """Print a table; where the terminal is narrow, labels fold, heads wrap, and after that it is wider than that.

    Parameters
    ----------
    console : Console
        Where to.
    title : str
        Stands above it.
    head : sequence of str
        A name for each column; none is shown where all are empty.
    rows : sequence of sequence of str
        The cells.
    labels : int, default 1
        How many columns, from the left, hold words; the others hold figures.
    bold : collection of str
        First cells of the rows to print bold.
    """
    table = Table(title=title, title_justify="left", title_style="bold", show_header=any(head))
    for at, name in enumerate(head):
        widest = max((len(row[at]) for row in rows), default=0)
        if at < labels:
            table.add_column(name, overflow="fold", min_width=min(widest, NARROWEST_LABEL))
        else:
            table.add_column(name, justify="right", overflow="fold", min_width=widest)
    for row in rows:
        table.add_row(*row, style="bold" if row[0] in bold else "")
    # A column is two blanks and a line wider than what it holds, and rich cuts what is wider than the console.
    least = sum((column.min_width or 0) + 3 for column in table.columns) + 1
    console.print(table, width=max(console.width, least), crop=False)
