"""Checks of arguments that several rooms take: the message names the argument, its value and the allowed range."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping

from compound_fast.errors import ConfigError, TextError

__all__ = [
    "LARGEST_CACHE_BYTES",
    "LONGEST_TTL_S",
    "SHORTEST_TTL_S",
    "SMALLEST_CACHE_BYTES",
    "check_number",
    "check_path",
    "check_text",
    "check_texts",
    "is_number",
    "is_text",
    "shown",
]

LARGEST_CACHE_BYTES = 1 << 50
SMALLEST_CACHE_BYTES = 64 << 10  # a few answers, with what finding them takes
SHORTEST_TTL_S = 0.001  # the core counts in milliseconds
LONGEST_TTL_S = 3_155_760_000.0  # a hundred years


def shown(value: object) -> str:
    """How a message names a value: short, and never a whole block."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def is_number(value: object, *, least: float, most: float) -> bool:
    """Whether `value` is a number in [least, most]; True and NaN are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def is_text(value: str) -> bool:
    """Whether `value` can be written: it has a UTF-8 form, and no NUL, which ends a path."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def check_number(name: str, value: object, *, least: float, most: float, remedy: str = "") -> float:
    """Return the number `value` as a float.

    Raises
    ------
    ConfigError
        If it is no number in [least, most].
    """
    if not isinstance(value, (int, float)) or not is_number(value, least=least, most=most):
        what = "is outside" if is_number(value, least=-math.inf, most=math.inf) else "is no number in"
        raise ConfigError(f"{name}={shown(value)} {what} [{least:g}, {most:g}]{remedy and f'; {remedy}'}")
    return float(value)


def check_path(name: str, value: object) -> str | None:
    """Return the path `value` as text, ``~`` read as the home folder; None stays None.

    Raises
    ------
    ConfigError
        If it is no path.
    """
    if value is None:
        return None
    path = os.path.expanduser(os.fspath(value)) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or not is_text(path):
        raise ConfigError(f"{name}={shown(value)} is no path; give a str or an os.PathLike")
    return path


def check_text(name: str, value: object) -> str:
    """Return the text `value`.

    Raises
    ------
    TextError
        If it is no str, or one that has no UTF-8 form.
    """
    if not isinstance(value, str):
        raise TextError(f"{name}={shown(value)} is not text; give a str")
    try:
        value.encode()
    except UnicodeEncodeError:
        # The cause would hold the whole text.
        raise TextError(f"{name} holds a lone surrogate, which has no UTF-8 form; remove or replace it") from None
    return value


def check_texts(name: str, value: Iterable[str]) -> list[str]:
    """Return several texts as a list.

    Raises
    ------
    ConfigError
        If it is one str, which Python would take for a text a character.
    """
    if isinstance(value, (str, bytes)):
        raise ConfigError(f"{name} is one {type(value).__name__}; pass a list of texts, or call embed(text)")
    return list(value)
