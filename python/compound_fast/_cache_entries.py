"""What is done to the entries of a cache as a whole: invalidate, walk through, write out, read in."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from compound_fast import _core
from compound_fast._arguments import check_number, check_text, shown
from compound_fast.errors import CacheError, CompoundFastError, ConfigError
from compound_fast.request import to_json, to_request

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from compound_fast._core import Cache, Request
    from compound_fast._core import CacheEntry as StoredEntry
    from compound_fast.types import JsonObject

__all__ = ["CacheEntry", "Entries", "check_names"]

#: The default of `min_similarity`: the same in other words.
NEAR_ENOUGH = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """An entry of a cache, without its request and answer.

    Attributes
    ----------
    entry_id : str
        128-bit hex; never used for another entry.
    model : str
        Who wrote the answer; "" where that was not said.
    tenant, namespace : str
        For whom it was made.
    writer : str
        Who stored it; "" where that was not said.
    sources, tags : tuple of str
        What it was made from, and names to find it by.
    age_s : float
        Seconds since it was made.
    bytes : int
        What it takes in memory: answer, request and provenance; its vector and its places in the tables left out.
    """

    entry_id: str
    model: str
    tenant: str
    namespace: str
    writer: str
    sources: tuple[str, ...]
    tags: tuple[str, ...]
    age_s: float
    bytes: int


class Entries:
    """The part of `SemanticCache` that tends its entries."""

    _core: Cache

    def __repr__(self) -> str:
        """Say what it holds, in entries and bytes, or that it is closed."""
        try:
            held = self._core.stats()
        except CacheError:
            return f"{type(self).__name__}(closed)"
        return f"{type(self).__name__}(entries={held['entries']}, bytes={held['bytes']}, max_bytes={held['max_bytes']})"

    def invalidate(
        self,
        *,
        entry_id: str | None = None,
        source: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
        namespace: str | None = None,
        writer: str | None = None,
        near: str | None = None,
        min_similarity: float = NEAR_ENOUGH,
        dry_run: bool = False,
    ) -> int:
        """Remove the entries for which everything that is said holds.

        Parameters
        ----------
        entry_id : str or None
            This entry.
        source : str or None
            Entries made from this document: ``"kb/returns.md@7"`` in that version, ``"kb/returns.md@*"`` or
            ``"kb/returns.md"`` in any, also where none was told. A name that holds an "@" itself needs the ``"@*"``.
        tag, tenant, namespace, writer : str or None
            Entries with this tag, of this tenant or namespace, stored by this writer.
        near : str or None
            Entries whose last user turn is near this text. Numbers, ids, amounts and dates do not count, nor does who
            asked: where no tenant is said, those of all tenants go. `dry_run` says how many.
        min_similarity : float, default 0.8
            Least cosine to `near`, in [-1, 1]. What is served for a text has 0.95 or more by default, or 0.7 where ids
            or amounts are the same.
        dry_run : bool, default False
            Remove nothing, and say how many it would be.

        Returns
        -------
        int
            How many entries it is.

        Raises
        ------
        ConfigError
            If nothing is said (`clear` removes everything), `entry_id` is no id, or nothing can be near to `near`: the
            embedder knows too few of its words, or ``policy="exact"`` has no vectors.

        Notes
        -----
        By entry id, source or tag the cost grows with the entries found, and all of them go in one step; otherwise with
        the entries held, a few hundred at a time, and others get in between. `near` compares a vector for each entry
        that is left: some 0.4 ms a thousand.
        """
        chosen = _selection(entry_id, source, tag, tenant, namespace, writer)
        return self._core.invalidate(**chosen, near=_near(near, min_similarity), dry_run=dry_run)

    def entries(
        self,
        *,
        source: str | None = None,
        tag: str | None = None,
        tenant: str | None = None,
        namespace: str | None = None,
        writer: str | None = None,
        near: str | None = None,
        min_similarity: float = NEAR_ENOUGH,
    ) -> Iterator[CacheEntry]:
        """Walk through the entries for which everything that is said holds, as `invalidate` reads it.

        Yields
        ------
        CacheEntry
            In no order. An entry that stays to the end is given once; what comes and goes meanwhile may be given or
            not. The cache is held for a few hundred entries at a time.
        """
        for entry in self._walk(_selection(None, source, tag, tenant, namespace, writer), _near(near, min_similarity)):
            yield CacheEntry(
                entry_id=entry.entry_id,
                model=entry.model,
                tenant=entry.tenant,
                namespace=entry.namespace,
                writer=entry.writer,
                sources=tuple(entry.sources),
                tags=tuple(entry.tags),
                age_s=entry.age_s,
                bytes=entry.bytes,
            )

    def export(self, path: str | os.PathLike[str], *, tenant: str | None = None, namespace: str | None = None) -> int:
        """Write entries as JSON lines, one object each; `import_` reads them back, here or elsewhere.

        A line holds ``request``, ``response`` and what is known besides. The file holds prompts and answers in clear:
        only its owner may read it, where the system knows owners.

        Parameters
        ----------
        path : str or PathLike
            The file; what stood there is replaced once all is written.
        tenant, namespace : str or None
            Only theirs; None = all.

        Returns
        -------
        int
            How many lines were written. An entry whose request has more than 16 KB has no line: the cache has not kept
            the request.

        Raises
        ------
        CacheError
            If the file cannot be written.
        """
        count = 0
        try:
            with _replacing(path) as lines:
                for entry in self._walk(_selection(None, None, None, tenant, namespace, None)):
                    if entry.request is not None:
                        lines.write(to_json(_to_line(entry, entry.request)) + b"\n")
                        count += 1
        except OSError as error:
            raise CacheError(f"export to {shown(str(path))} failed: {error.strerror}") from error
        return count

    def import_(self, path: str | os.PathLike[str]) -> int:
        """Store what `export` wrote, or what you wrote yourself: all of it, or nothing.

        A line needs no more than ``request`` and ``response``. An answer keeps its age; one that has had
        its time is passed over.

        Returns
        -------
        int
            How many entries were stored.

        Raises
        ------
        CacheError
            If the file cannot be read, or a line is none: the message names it, and nothing is stored. If the disk
            refuses, with ``strict=True``: what came before is stored.

        Notes
        -----
        The file is read twice: all lines are checked before the first is stored.
        """
        for _ in self._lines(path):
            pass
        count = 0
        for request, facts in self._lines(path):
            count += self._core.put(request, **facts) is not None
        return count

    def _lines(self, path: str | os.PathLike[str]) -> Iterator[tuple[Request, dict[str, Any]]]:
        """Read a file of `export`: each line as a request, and what `put` of the core takes besides."""
        try:
            with Path(path).open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield _read_line(line, f"line {number} of {shown(str(path))}")
        except OSError as error:
            raise CacheError(f"import from {shown(str(path))} failed: {error.strerror}") from error

    def _walk(self, chosen: dict[str, str | None], near: tuple[str, float] | None = None) -> Iterator[StoredEntry]:
        start: int | None = 0
        while start is not None:
            page, start = self._core.list(start, **chosen, near=near)
            yield from page


_MOST = {"input_tokens": (1 << 32) - 1, "output_tokens": (1 << 32) - 1}
_KEYS = {
    *("request", "response", "form", "tenant", "namespace", "model", "input_tokens", "output_tokens"),
    *("cost_nano_usd", "born_ms", "expires_ms", "sources", "tags", "writer"),
}


def check_names(name: str, values: object) -> Sequence[str]:
    """Return the texts of a list of them.

    Raises
    ------
    ConfigError
        If it is no list or tuple of texts, or one of them names nothing.
    """
    if not isinstance(values, (list, tuple)):
        raise ConfigError(f'{name}={shown(values)} is no list; give {name}=["..."]')
    names = [check_text(f"{name}[{position}]", value) for position, value in enumerate(values)]
    _core.check_names(name, names)
    return names


@contextmanager
def _replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file that only its owner may read, and put it in the place of `path` once all is written."""
    from tempfile import NamedTemporaryFile

    place = Path(path)
    # A name that nobody can guess, and a file that was not there: no link is followed.
    with NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            yield cast("BinaryIO", file)
            file.close()
            written.replace(place)
        except BaseException:
            file.close()
            written.unlink()
            raise


def _selection(
    entry_id: str | None,
    source: str | None,
    tag: str | None,
    tenant: str | None,
    namespace: str | None,
    writer: str | None,
) -> dict[str, str | None]:
    chosen = {
        "entry_id": entry_id,
        "source": source,
        "tag": tag,
        "tenant": tenant,
        "namespace": namespace,
        "writer": writer,
    }
    return {name: None if value is None else check_text(name, value) for name, value in chosen.items()}


def _near(near: str | None, min_similarity: float) -> tuple[str, float] | None:
    least = check_number("min_similarity", min_similarity, least=-1, most=1)
    if near is None and min_similarity != NEAR_ENOUGH:
        raise ConfigError(f"min_similarity={min_similarity} says how near; near= says to which text")
    return None if near is None else (check_text("near", near), least)


def _to_line(entry: StoredEntry, request: bytes) -> JsonObject:
    response = entry.response
    line: JsonObject = {
        "request": json.loads(request),
        "response": response.decode() if entry.form == "bytes" else json.loads(response),
        "tenant": entry.tenant,
        "namespace": entry.namespace,
        "model": entry.model,
        "input_tokens": entry.input_tokens,
        "output_tokens": entry.output_tokens,
        "cost_nano_usd": entry.cost_nano_usd,
        "born_ms": entry.born_ms,
        "expires_ms": entry.expires_ms,
        "sources": entry.sources,
        "tags": entry.tags,
        "writer": entry.writer,
    }
    if entry.form == "bytes":
        line["form"] = "bytes"
    return {key: value for key, value in line.items() if value not in (None, "", [])}


def _read_line(text: bytes, where: str) -> tuple[Request, dict[str, Any]]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        raise CacheError(f"{where} is not JSON") from None
    if not isinstance(line, dict) or "request" not in line or "response" not in line:
        raise CacheError(f"{where} is no object with `request` and `response`")
    unknown = set(line) - _KEYS
    if unknown:
        raise CacheError(f"{where} has the unknown key {shown(min(unknown))}; known are {', '.join(sorted(_KEYS))}")
    try:
        return _read_entry(line)
    except CompoundFastError as error:
        raise CacheError(f"{where}: {error}") from error


def _read_entry(line: JsonObject) -> tuple[Request, dict[str, Any]]:
    born_ms, expires_ms = (_whole(key, line.get(key)) for key in ("born_ms", "expires_ms"))
    tokens = {key: _whole(key, line.get(key, 0)) or 0 for key in ("input_tokens", "output_tokens")}
    form, stored = _to_stored(line["response"], line.get("form"))
    ttl_s = None if expires_ms is None or born_ms is None else (expires_ms - born_ms) / 1e3
    if ttl_s is not None and ttl_s <= 0:
        raise ConfigError(f"expires_ms={expires_ms} is not after born_ms={born_ms}")
    request = to_request(line["request"], tenant=line.get("tenant", ""), namespace=line.get("namespace", ""))
    return request, {
        "response": stored,
        "form": form,
        "model": check_text("model", line.get("model", "")),
        **tokens,
        "cost_nano_usd": _whole("cost_nano_usd", line.get("cost_nano_usd")),
        "ttl_s": ttl_s,
        "born_ms": born_ms,
        "sources": check_names("sources", line.get("sources", [])),
        "tags": check_names("tags", line.get("tags", [])),
        "writer": check_text("writer", line.get("writer", "")),
    }


def _to_stored(response: object, form: object) -> tuple[str, bytes]:
    if form not in (None, "bytes"):
        raise ConfigError(f'form={shown(form)}; leave it out, or say "bytes" for a response that is JSON in a string')
    if not isinstance(response, (str, dict)):
        raise ConfigError(f"response is a {type(response).__name__}; a text or an object is an answer")
    if form == "bytes":
        try:
            is_answer = isinstance(json.loads(str(response)), (str, dict))
        except (ValueError, RecursionError):
            is_answer = False
        if not is_answer:
            raise ConfigError("response is not JSON, though form says that it is")
        return "bytes", str(response).encode()
    return ("str" if isinstance(response, str) else "dict"), to_json(response)


def _whole(name: str, value: object) -> int | None:
    most = _MOST.get(name, (1 << 63) - 1)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ConfigError(f"{name}={shown(value)} is no whole number in [0, {most}]")
    return value
