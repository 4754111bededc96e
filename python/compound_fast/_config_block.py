"""Reading a configuration: one block of keys at a time, every key and value checked, every error with its place."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from compound_fast._arguments import is_number, is_text, shown
from compound_fast.errors import ConfigError

if TYPE_CHECKING:
    import yaml

__all__ = ["Block", "nearest", "ranged", "read_yaml"]

LARGEST_FILE = 256 << 10
"""Most bytes of a configuration; hundreds of models take less."""

MOST_ALIASES = 100
"""Most uses of YAML anchors: each may repeat a whole block, and blocks hold aliases in turn."""

_MISSING = object()
T = TypeVar("T")


def ranged(default: T, least: float, most: float) -> T:
    """Return a field of a dataclass, with the range in which a configuration may set it: see `Block.options`."""
    made: T = field(default=default, metadata={"least": least, "most": most})
    return made


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
        Name of the file, for messages; empty for arguments of a call.
    known : sequence of str or None
        The keys allowed here; None = any (names that the user chooses).
    """

    def __init__(self, value: object, *, place: str, source: str, known: Sequence[str] | None = None) -> None:
        self.place = place
        self.source = source
        if not isinstance(value, Mapping):
            raise self.error(None, f"is {shown(value)}; a mapping of keys to values belongs here")
        self._values: dict[str, object] = {}
        for key, item in value.items():
            if not isinstance(key, str) or not is_text(key):
                raise self.error(None, f"has the key {shown(key)}; keys are text (quote it)")
            if known is not None and key not in known:
                raise self.error(key, f"is no key of configuration v1; {nearest(key, known)}")
            self._values[key] = item

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def error(self, key: str | None, what: str) -> ConfigError:
        """Return the error to raise about `key` of this block (None: the block itself)."""
        place = ".".join(part for part in (self.place, key and key[:60]) if part)
        file = f"{self.source}: " if self.source else ""
        return ConfigError(f"{file}{place or 'the configuration'} {what}")

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
            raise self.error(key, f"is {shown(found)}; a list belongs here")
        place = f"{self.place}.{key}" if self.place else key
        return [
            Block(item, place=f"{place}[{position}]", source=self.source, known=known)
            for position, item in enumerate(found)
        ]

    def text(self, key: str, default: object = _MISSING) -> str:
        """Return the non-empty text at `key`."""
        found = self.value(key, default)
        if not isinstance(found, str) or not is_text(found) or not found:
            raise self.error(key, f"is {shown(found)}; text belongs here")
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
            raise self.error(key, f"is {shown(found)}; true or false belongs here")
        return found

    def number(self, key: str, default: object = _MISSING, *, least: float, most: float) -> float:
        """Return the finite number at `key`, within [least, most]."""
        found = self.value(key, default)
        if not isinstance(found, (int, float)) or not is_number(found, least=-math.inf, most=math.inf):
            raise self.error(key, f"is {shown(found)}; a number in [{least:g}, {most:g}] belongs here")
        if not least <= found <= most:
            raise self.error(key, f"is {shown(found)}, outside [{least:g}, {most:g}]")
        return float(found)

    def integer(self, key: str, default: object = _MISSING, *, least: int, most: int) -> int:
        """Return the whole number at `key`, within [least, most]."""
        found = self.value(key, default)
        if isinstance(found, bool) or not isinstance(found, int):
            raise self.error(key, f"is {shown(found)}; a whole number in [{least}, {most}] belongs here")
        if not least <= found <= most:
            raise self.error(key, f"is {shown(found)}, outside [{least}, {most}]")
        return found

    def plain(self, key: str, kind: type[T]) -> T:
        """Return the block at `key` as the dataclass `kind`, whose fields are its keys."""
        known = [one.name for one in fields(cast("type[Any]", kind))]
        return kind(**self.block(key, known, {}).options(kind))

    def options(self, kind: type[Any], prefix: str = "") -> dict[str, Any]:
        """Return what stands here for the fields of the dataclass `kind`, checked; the rest keep their defaults.

        A field's default says what kind of value belongs there, and its metadata in which range: ``least`` and
        ``most``, or ``choices``. A field without a default, and one whose default is made, is left to the caller.

        Parameters
        ----------
        kind : type
            A dataclass.
        prefix : str, default ""
            What the names of its fields begin with beyond the keys here; the other fields are left out.
        """
        found: dict[str, Any] = {}
        for one in fields(kind):
            key = one.name.removeprefix(prefix)
            if not one.name.startswith(prefix) or key not in self or one.default is MISSING:
                continue
            match one.default:
                case bool():
                    found[one.name] = self.flag(key)
                case int():
                    found[one.name] = self.integer(key, **one.metadata)
                case float():
                    found[one.name] = self.number(key, **one.metadata)
                case None if one.metadata:
                    found[one.name] = None if self.value(key) is None else self.number(key, **one.metadata)
                case None:
                    found[one.name] = self.optional_text(key)
                case _:
                    found[one.name] = self.choice(key, **one.metadata)
        return found


def read_yaml(path: Path) -> object:
    """Return what a YAML file holds.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, or writes one key twice (YAML would silently keep the last).
    """
    import yaml

    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a path that no file can have
        raise ConfigError(f"{str(path)!a}: cannot be read: {error}") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigError(f"{path}: has more than {LARGEST_FILE:,} bytes; a configuration is a small YAML file")
    try:
        return yaml.load(raw.decode(), Loader=_loader(path))  # noqa: S506 - a SafeLoader with further checks
    except ConfigError:
        raise
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; a configuration is a YAML file") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply; a configuration has a handful of levels") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{place}: is not YAML: {getattr(error, 'problem', None) or 'cannot be parsed'}") from None
    except ValueError as error:  # such as a date in the 13th month
        raise ConfigError(f"{path}: holds a value that YAML cannot read: {error}") from None


def _loader(path: Path) -> type[yaml.SafeLoader]:
    """Return a loader that refuses a key written twice and a bomb of aliases, and merges (``<<``) as YAML says."""
    import yaml

    def fault(mark: yaml.Mark, problem: str) -> ConfigError:
        return ConfigError(f"{path}:{mark.line + 1}: {problem}")

    class Loader(yaml.SafeLoader):
        aliases = 0

        def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                self.aliases += 1
                if self.aliases > MOST_ALIASES:
                    raise fault(self.get_mark(), f"more than {MOST_ALIASES} aliases (*NAME); write the values out")
            return super().compose_node(parent, index)

    def mapping(loader: Loader, node: yaml.MappingNode) -> dict[Any, Any]:
        # SafeLoader joins merged and own keys into one list, where an override looks like a key written twice, and
        # merges of merges grow without bound.
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            value = loader.construct_object(value_node, deep=True)
            if key_node.tag == "tag:yaml.org,2002:merge":
                for block in value if isinstance(value, list) else [value]:
                    if not isinstance(block, dict):
                        raise fault(value_node.start_mark, "<< merges a mapping, or a list of mappings")
                    merged = {**block, **merged}
                continue
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, (str, int, float, bool, type(None))) or key in own:
                raise fault(key_node.start_mark, f"the key {shown(key)} is written twice, or is no text")
            own[key] = value
        return {**merged, **own}

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader
