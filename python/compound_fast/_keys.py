"""API keys: read, and checked, in one place."""

from __future__ import annotations

import os
import re

from compound_fast.errors import ConfigError

__all__ = ["check_key", "read_key"]


def read_key(variable: str, *, place: str) -> str:
    """Return the key that an environment variable holds; `place` is the configuration key that names the variable.

    Raises
    ------
    ConfigError
        If the variable is not set, or holds what no key is.
    """
    key = os.environ.get(variable)
    if not key:
        raise ConfigError(f"{place}: the environment variable {variable} is not set; set it to the key")
    return check_key(key, named=f"{place}: the environment variable {variable}")


def check_key(key: str, *, named: str) -> str:
    """Return `key`, which goes into an HTTP header as it is; the error says where it came from and not what it is.

    HTTP libraries refuse a header with a line break or a letter beyond ASCII by an error that quotes the header, so
    nothing of the kind may reach them.

    Raises
    ------
    ConfigError
        If it is empty, or holds anything but visible ASCII characters.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ConfigError(
            f"{named} is no key: it is empty, or holds a blank, a line break or a character that is not ASCII; "
            "set it to the key alone"
        )
    return key
