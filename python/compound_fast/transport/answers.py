"""Answers as they go by, and as they are served again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from compound_fast.dispatch import ChunkAssembler, completion_chunks
from compound_fast.providers.sse import EventStreamParser

if TYPE_CHECKING:
    from compound_fast.transport.generations import Generation, HttpResponse
    from compound_fast.types import JsonObject

__all__ = ["DONE", "EVENT_STREAM", "MAX_ANSWER_BYTES", "Gathering", "encode", "event", "replayed"]

EVENT_STREAM = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"

MAX_ANSWER_BYTES = 2 << 20
"""A longer answer passes by without being kept: half a million tokens of text fit."""

CHUNK_OVERHEAD = 32
"""How many times larger an event stream may be than its answer: a chunk of 4 characters is some 300 bytes."""

_log = logging.getLogger(__name__)

Keep: TypeAlias = "Callable[[JsonObject, bytes | None], None]"
"""Takes a whole completion, and the bytes it came as; None where it came in chunks."""


class Gathering:
    """Gathers the body of a response while it is read, and gives it to `keep` once it is whole.

    A body in one piece is whole at its end; an event stream once it has said ``[DONE]`` after a finish reason for each
    choice. Uncompressed chunks are read as they go by, so that the work is spread over the stream.

    Parameters
    ----------
    generation : Generation
        Uncompresses what is compressed.
    response : Response
        For its headers.
    keep : callable
        Called at most once; has to raise nothing.
    """

    def __init__(self, generation: Generation, response: HttpResponse, keep: Keep) -> None:
        headers = response.headers
        self._generation = generation
        self._encoding = headers.get("content-encoding", "identity")
        self._is_plain = self._encoding.strip().lower() in ("", "identity")
        self._events = _Events() if headers.get("content-type", "").startswith("text/event-stream") else None
        self._keep = keep
        self._most = MAX_ANSWER_BYTES * (1 if self._events is None else CHUNK_OVERHEAD)
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_over = False

    def add(self, piece: bytes) -> None:
        """Take a piece of the body as it came."""
        if self._is_over:
            return
        try:
            self._fits(piece)
            if self._events is not None and self._is_plain:
                self._take(self._events.feed(piece))
            else:
                self._pieces.append(piece)
        except Exception as error:  # noqa: BLE001 -- whatever a server sends is the reader's; the cache only looks on
            self._give_up(error)

    def finish(self) -> None:
        """Take the end of the body."""
        if self._is_over:
            return
        try:
            if self._events is None:
                body = b"".join(self._plain_pieces())
                self._is_over = True
                self._keep(json.loads(body), body)
                return
            for piece in self._plain_pieces():
                self._take(self._events.feed(piece))
            self._take(self._events.finish())
        except Exception as error:  # noqa: BLE001 -- as above
            self._give_up(error)

    def take(self, response: HttpResponse) -> None:
        """Take a response that the transport beneath has read already: no one will read its body again."""
        self._is_plain = True
        try:
            content = response.content
        except Exception as error:  # noqa: BLE001 -- closed unread, for one
            self._give_up(error)
            return
        self.add(content)
        self.finish()

    def _plain_pieces(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        if self._is_plain:
            yield from pieces
            return
        self._size = 0  # of what the reader gets, too
        for piece in self._generation.decoded(pieces, self._encoding):
            self._fits(piece)
            yield piece

    def _fits(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise ValueError(f"an answer is larger than {self._most} bytes")

    def _take(self, completion: JsonObject | None) -> None:
        if completion is not None and not self._is_over:
            self._is_over = True
            self._keep(completion, None)

    def _give_up(self, error: Exception) -> None:
        self._is_over = True
        self._pieces = []
        self._events = None
        # Of the error only its kind: its text may quote the answer.
        _log.debug("an answer is passed on and not stored: %s", type(error).__name__)


class _Events:
    """Adds the events of a stream up to a completion."""

    def __init__(self) -> None:
        self._parser = EventStreamParser()
        self._assembler = ChunkAssembler()

    def feed(self, piece: bytes) -> JsonObject | None:
        """Return the completion where `piece` ends the stream."""
        return self._read(self._parser.feed(piece))

    def finish(self) -> JsonObject | None:
        """Return the completion where the stream ended without its last blank line."""
        return self._read(self._parser.finish())

    def _read(self, events: list[bytes]) -> JsonObject | None:
        for event in events:
            if event == b"[DONE]":
                if not (self._assembler.is_finished and self._assembler.is_faithful):
                    raise ValueError("the stream ended without a finish reason, or said what a completion cannot hold")
                return self._assembler.completion()
            chunk = json.loads(event)
            if chunk.get("error"):
                raise ValueError("the stream carries an error")
            self._assembler.add(chunk)
        return None


def replayed(completion: JsonObject, *, include_usage: bool) -> bytes:
    """Return a completion as the body of an event stream."""
    return b"".join([*map(event, completion_chunks(completion, include_usage=include_usage)), DONE])


def event(chunk: JsonObject) -> bytes:
    """Return a chunk as a server-sent event."""
    return b"data: " + encode(chunk) + b"\n\n"


def encode(value: JsonObject) -> bytes:
    """Return JSON bytes, all ASCII: an answer may hold what has no UTF-8 form."""
    return json.dumps(value, separators=(",", ":")).encode()
