"""Recorded traffic: what is a request, what is not, and what the path may see of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from compound_fast.cli.traffic import LONGEST_LINE, SAMPLE, Recorded, parse_line, read_lines, read_traffic
from compound_fast.errors import TrafficError
from compound_fast.types import CallOptions


def test_a_class_may_be_a_number() -> None:
    """Logs number their classes as often as they name them."""
    assert parse_line(b'{"text": "a", "cls": 17}', 1).cls == "17"


def test_the_recording_is_taken_off_before_the_request_is_sent() -> None:
    """cls, t_ms, who asked, stream and notes of the recorder are in no request; the model is asked for anew."""
    line = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "ä?"}],
        "temperature": 0.2,
        "stream": True,
        "stream_options": {"include_usage": True},
        "cls": "c",
        "t_ms": 12.9,
        "tenant": "web",
        "compound": {"tenant": "other", "cache": "no-store"},
        "i": 7,
        "id": "chatcmpl-1",
        "status": "ok",
    }

    recorded = parse_line(json.dumps(line).encode(), 3)

    assert json.loads(recorded.body) == {
        "model": "auto",
        "messages": [{"role": "user", "content": "ä?"}],
        "temperature": 0.2,
    }
    assert (recorded.line, recorded.cls, recorded.t_ms) == (3, "c", 12)
    assert recorded.options == CallOptions(tenant="web", cache="no-store")


def test_a_text_is_one_user_turn_whatever_stands_beside_it() -> None:
    """Other keys of a `text` line are notes of whoever recorded it."""
    recorded = parse_line(b'{"i": 7, "text": "Where is it?", "kind": "new"}', 1)

    assert json.loads(recorded.body) == {"model": "auto", "messages": [{"role": "user", "content": "Where is it?"}]}
    assert (recorded.cls, recorded.t_ms, recorded.options) == (None, None, CallOptions())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text": ' + b"9" * 5000 + b"}", "a number too long"),
        (b"[1]", "a JSON list"),
        (b"null", "a JSON null"),
        (b"{}", "neither `messages` nor `text`"),
        (b'{"messages": []}', "at least one message"),
        (b'{"messages": "hi"}', "not a list"),
        (b'{"text": " "}', "at least one word"),
        (b'{"text": 5}', "not a string"),
        (b'{"text": "a", "t_ms": -1}', "t_ms"),
        (b'{"text": "a", "t_ms": true}', "t_ms"),
        (b'{"text": "a", "t_ms": NaN}', "t_ms"),
        (b'{"text": "a", "t_ms": 1e300}', "t_ms"),
        (b'{"text": "a", "tenant": 1}', "`tenant` is a number"),
        (b'{"text": "a", "cls": ["a"]}', "`cls` is a list"),
        (b'{"text": "\\ud800"}', "lone surrogate"),
        (b'{"text": "\xed\xa0\x80"}', "lone surrogate"),
        (b'{"text": "a", "tenant": "\\ud800"}', "`tenant` holds a lone surrogate"),
        (b'{"text": "a", "cls": "\\ud800"}', "`cls` holds a lone surrogate"),
        (b'{"text": "a", "compound": 3}', "`compound`"),
        (b'{"text": "a", "compound": {"tennant": "a"}}', "`compound`"),
        (b'{"text": "a", "compound": {"tenant": "\\ud800"}}', "`compound`"),
        (b'{"text": "a", "compound": 3, "tenant": "a"}', "`compound`"),
        (b'{"messages": [{}], "temperature": NaN}', "NaN"),
    ],
)
def test_a_bad_line_says_where_and_why(raw: bytes, reason: str) -> None:
    """The message starts with the line number and names the fault."""
    with pytest.raises(TrafficError, match=r"^line 9: ") as caught:
        parse_line(raw, 9)

    assert reason in str(caught.value)
    assert caught.value.line == 9


def test_a_line_may_be_as_long_as_the_bound() -> None:
    """16 MiB are read; one byte more is a bad line."""
    longest = b'{"text": "' + b"a" * (LONGEST_LINE - 12) + b'"}'

    assert len(parse_line(longest, 1).body) > LONGEST_LINE
    with pytest.raises(TrafficError, match=r"^line 1: longer than 16 MiB"):
        parse_line(longest + b" ", 1)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"text": "my secret", "t_ms": "my secret"}',
        b'{"text": "my secret" 7}',
        b'{"text": "my secret \xff"}',
        b'{"text": "my secret \\ud800"}',
        b'{"text": "my secret", "compound": {"cache": "my secret"}}',
    ],
)
def test_a_bad_line_keeps_its_text_to_itself(raw: bytes) -> None:
    """A prompt enters neither the message nor an error that is shown with it."""
    with pytest.raises(TrafficError) as caught:
        parse_line(raw, 1)

    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_bad_lines_are_passed_on_and_blank_ones_ignored() -> None:
    """Line numbers count every line of the file; a byte order mark is no fault."""
    bad: list[TrafficError] = []
    lines = [b'\xef\xbb\xbf{"text": "a"}\n', b"\n", b"oops\n", b'{"text": "b"}']

    found = list(read_traffic(lines, on_bad_line=bad.append))

    assert [one.line for one in found] == [1, 4]
    assert [error.line for error in bad] == [3]


def test_lines_are_read_one_at_a_time() -> None:
    """A request is out before the next line is read, so that a file larger than memory streams through."""
    read = 0
    bad: list[TrafficError] = []

    def lines() -> Iterator[bytes]:
        nonlocal read
        for _ in range(10):
            read += 1
            yield b'{"text": "a"}\n'

    first = next(read_traffic(lines(), on_bad_line=bad.append))

    assert isinstance(first, Recorded)
    assert read == 1


def test_a_line_without_end_is_skipped_and_never_held() -> None:
    """An endless line is one bad line, however long it is; what follows it is read, and memory stays bounded."""
    largest = 0

    class Endless(io.RawIOBase):  # read as a pipe is
        """Three lines; the second has ten times as many bytes as one may have."""

        parts = iter([b'{"text": "a"}\n', *[b"x" * (1 << 20)] * (10 * LONGEST_LINE >> 20), b'\n{"text": "b"}'])

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            part = next(self.parts, b"")
            memoryview(buffer)[: len(part)] = part
            return len(part)

    def measured() -> Iterator[bytes]:
        nonlocal largest
        for line in read_lines(io.BufferedReader(Endless(), buffer_size=1 << 20)):
            largest = max(largest, len(line))
            yield line

    bad: list[TrafficError] = []
    found = list(read_traffic(measured(), on_bad_line=bad.append))

    assert [one.line for one in found] == [1, 3]
    assert [str(error).partition(";")[0] for error in bad] == ["line 2: longer than 16 MiB"]
    assert largest == LONGEST_LINE + 1


def test_every_line_of_the_sample_is_a_request() -> None:
    """What ships can be read."""
    bad: list[TrafficError] = []
    with SAMPLE.open("rb") as lines:
        count = sum(1 for _ in read_traffic(lines, on_bad_line=bad.append))

    assert count == 1500
    assert bad == []
