"""Reading a configuration: one block of keys at a time, every key and value checked, every error with its place."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compound_fast.errors import ConfigError

if TYPE_CHECKING:
    import yaml

__all__ = ["Block", "nearest", "read_yaml"]

_MISSING = object()


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the rest of a sentence about an unknown `name`: the nearest known one, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"


class Block:
    """A mapping of a configuration file that knows where it stands.

    Parameters
    ----------
    value : object
        What the file holds here; anything but a mapping with text keys is refused.
    place : str
        Dotted path of the block, as in ``routing.rules[1].when``; empty for the whole file.
    source : str
        Name of the file, for messages.
    known : sequence of str or None
        The keys allowed here; None = any (names that the user chooses).
    """

    def __init__(self, value: object, *, place: str, source: str, known: Sequence[str] | None = None) -> None:
        self.place = place
        self.source = source
        if not isinstance(value, Mapping):
            raise self.error(None, f"is {_shown(value)}; a mapping of keys to values belongs here")
        self._values: dict[str, object] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise self.error(None, f"has the key {_shown(key)}; keys are text (quote it)")
            if known is not None and key not in known:
                raise self.error(key, f"is no key of configuration v1; {nearest(key, known)}")
            self._values[key] = item

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def error(self, key: str | None, what: str) -> ConfigError:
        """Return the error to raise about `key` of this block (None: the block itself)."""
        place = ".".join(part for part in (self.place, key) if part)
        return ConfigError(f"{self.source}: {place or 'the configuration'} {what}")

    def value(self, key: str, default: object = _MISSING) -> object:
        """Return what stands at `key`, unchecked; without a default the key is required."""
        found = self._values.get(key, default)
        if found is _MISSING:
            raise self.error(key, "is missing; it has no default")
        return found

    def block(self, key: str, known: Sequence[str] | None = None, default: object = _MISSING) -> Block:
        """Return the block at `key`."""
        place = f"{self.place}.{key}" if self.place else key
        return Block(self.value(key, default), place=place, source=self.source, known=known)

    def items(self, key: str, known: Sequence[str]) -> list[Block]:
        """Return the list of blocks at `key`; empty where the key is missing."""
        found = self.value(key, ())
        if not isinstance(found, Sequence) or isinstance(found, (str, bytes)):
            raise self.error(key, f"is {_shown(found)}; a list belongs here")
        place = f"{self.place}.{key}" if self.place else key
        return [
            Block(item, place=f"{place}[{position}]", source=self.source, known=known)
            for position, item in enumerate(found)
        ]

    def text(self, key: str, default: object = _MISSING) -> str:
        """Return the non-empty text at `key`."""
        found = self.value(key, default)
        if not isinstance(found, str) or not found:
            raise self.error(key, f"is {_shown(found)}; text belongs here")
        return found

    def optional_text(self, key: str) -> str | None:
        """Return the text at `key`; None where it is missing or null."""
        return None if self.value(key, None) is None else self.text(key)

    def choice(self, key: str, choices: Sequence[str], default: object = _MISSING) -> str:
        """Return the text at `key`, which must be one of `choices`."""
        found = self.text(key, default)
        if found not in choices:
            raise self.error(key, f"is {found!r}; {nearest(found, choices)}")
        return found

    def flag(self, key: str, default: object = _MISSING) -> bool:
        """Return the truth value at `key`."""
        found = self.value(key, default)
        if not isinstance(found, bool):
            raise self.error(key, f"is {_shown(found)}; true or false belongs here")
        return found

    def number(self, key: str, default: object = _MISSING, *, least: float, most: float) -> float:
        """Return the finite number at `key`, within [least, most]."""
        found = self.value(key, default)
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
            raise self.error(key, f"is {_shown(found)}; a number in [{least:g}, {most:g}] belongs here")
        if not least <= found <= most:
            raise self.error(key, f"is {found:g}, outside [{least:g}, {most:g}]")
        return float(found)

    def integer(self, key: str, default: object = _MISSING, *, least: int, most: int) -> int:
        """Return the whole number at `key`, within [least, most]."""
        found = self.value(key, default)
        if isinstance(found, bool) or not isinstance(found, int):
            raise self.error(key, f"is {_shown(found)}; a whole number in [{least}, {most}] belongs here")
        if not least <= found <= most:
            raise self.error(key, f"is {found}, outside [{least}, {most}]")
        return found


def read_yaml(path: Path) -> object:
    """Return what a YAML file holds.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, or writes one key twice (YAML would silently keep the last).
    """
    import yaml

    class UniqueKeys(yaml.SafeLoader):
        pass

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        loader.flatten_mapping(node)
        seen: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, (str, int, float, bool, type(None))) or key in seen:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"{path}:{line}: the key {_shown(key)} is written twice, or is no text")
            seen[key] = loader.construct_object(value_node, deep=True)
        return seen

    UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        text = path.read_text(encoding="utf-8")
        return yaml.load(text, Loader=UniqueKeys)  # noqa: S506 - a SafeLoader with one more check
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; a configuration is a YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{place}: is not YAML: {getattr(error, 'problem', None) or 'cannot be parsed'}") from error


def _shown(value: object) -> str:
    """How a message names a value: short, and never a whole block."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
