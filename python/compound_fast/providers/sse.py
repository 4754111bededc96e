"""Server-sent events, from bytes as the network cuts them."""

from __future__ import annotations

__all__ = ["EventStreamParser"]

MAX_EVENT_BYTES = 1 << 20
"""A chunk of a chat completion is some hundred bytes; what grows past this is no event stream."""


class EventStreamParser:
    """Turns pieces of a byte stream into the data of whole events.

    Lines may end in LF, CRLF or CR, cut anywhere, inside a character too: lines are only decoded once whole. Comments
    and fields other than ``data`` are passed over; several ``data`` lines of one event are joined by a line feed.

    References
    ----------
    .. [1] WHATWG HTML Living Standard, section 9.2, "Server-sent events".
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._is_first_line = True
        self._skip_line_feed = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that `piece` completes.

        Raises
        ------
        ValueError
            If one event is larger than `MAX_EVENT_BYTES`.
        """
        if self._skip_line_feed and piece:
            # The CR that ended the last piece may have been half of a CRLF.
            piece = piece.removeprefix(b"\n")
            self._skip_line_feed = False
        if not piece:
            return []
        text = self._rest + piece
        if b"\r" in piece:
            self._skip_line_feed = text.endswith(b"\r")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        events: list[bytes] = []
        for line in lines:
            self._take(line, events)
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError(f"one event is larger than {MAX_EVENT_BYTES} bytes")
        return events

    def finish(self) -> list[bytes]:
        """Return the event that the end of the stream completes: servers leave out the last blank line."""
        return self.feed(b"\n\n") if self._rest or self._data else []

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if self._is_first_line:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._is_first_line = False
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data = []
                self._size = 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1  # the line feed that joins it: empty lines count too
