"""The shell of a report: one HTML file with its own style, light and dark, that loads nothing and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from compound_fast.errors import ConfigError

__all__ = ["Figure", "Tile", "page", "table", "write"]

STYLE_SHEET = Path(__file__).with_name("page.css")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """A headline number: what it is, its value, and what it is measured against."""

    label: str
    value: str
    note: str
    css: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A chart with its heading and one line that says how to read it."""

    heading: str
    lead: str
    svg: str


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str) -> str:
    """A table whose first column holds the row's name; every other column is right-aligned; no `head`, no heads."""
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    head_html = f"<thead><tr>{heads}</tr></thead>" if head else ""
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>{head_html}<tbody>{body}</tbody></table></div>'
    )


def page(
    *,
    title: str,
    subtitle: str,
    badge: str | None,
    tiles: Sequence[Tile],
    figures: Sequence[Figure],
    tables: Sequence[str],
    notes: Sequence[str],
) -> str:
    """Put the parts together; `badge` is the label that no reader may miss."""
    style = STYLE_SHEET.read_text(encoding="utf-8")
    badge_html = f'<p class="badge">{escape(badge)}</p>' if badge else ""
    tiles_html = "".join(
        f'<div class="tile {tile.css}"><dt>{escape(tile.label)}</dt>'
        f"<dd><strong>{escape(tile.value)}</strong><span>{escape(tile.note)}</span></dd></div>"
        for tile in tiles
    )
    figures_html = "".join(
        f"<figure><figcaption><h2>{escape(one.heading)}</h2><p>{escape(one.lead)}</p></figcaption>{one.svg}</figure>"
        for one in figures
    )
    notes_html = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header><div><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></div>{badge_html}</header>
<dl class="tiles">{tiles_html}</dl>
<section class="figures">{figures_html}</section>
<section class="tables">{"".join(tables)}</section>
<footer><h2>How to read this</h2><ul>{notes_html}</ul></footer>
</main>
</body>
</html>
"""


def write(path: Path, html: str) -> None:
    """Write the page.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--report {path}: {error.strerror}; name a file in a folder that exists") from error
