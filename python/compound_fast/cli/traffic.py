"""Recorded traffic: JSON lines in, requests out, one at a time.

A line is an OpenAI chat-completion body, or ``{"text": ...}``. What is about the recording (`cls`, `t_ms`, `tenant`,
`compound`) is taken off here, so that no request holds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from compound_fast._arguments import is_text
from compound_fast.errors import ConfigError, TextError, TrafficError
from compound_fast.request import to_json
from compound_fast.types import CallOptions

__all__ = ["LONGEST_LINE", "SAMPLE", "Recorded", "parse_line", "read_lines", "read_traffic"]

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "support_traffic.jsonl"
"""The traffic that ships with the project: a shop that does not exist."""

# What a chat API takes. Anything else on a line (an id, a time stamp, a status) is a note of whoever recorded it: sent
# on, it would make each request unlike every other. `model` is asked for anew, and how an answer is delivered
# (`stream`) is the recording's business.
_SENT = {
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "messages", "metadata", "min_p", "modalities", "n",
    "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "reasoning",
    "reasoning_effort", "repetition_penalty", "response_format", "safety_identifier", "seed", "service_tier",
    "stop", "store", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_logprobs", "top_p",
    "user", "verbosity", "web_search_options",
}  # fmt: skip
_LATEST_MS = 2**53

LONGEST_LINE = 16 << 20
"""Most bytes of one line: a file without line ends does not fill the memory. No model reads a tenth of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request of the recording.

    Attributes
    ----------
    line : int
        Line number in the file, counted from 1.
    body : bytes
        The request as it is sent, with ``model`` set to ``"auto"``.
    options : CallOptions
        Who asked, and what the cache may do, where the line says so.
    t_ms : int or None
        When it arrived, in milliseconds.
    cls : str or None
        Class of equivalent answers, where known.
    """

    line: int
    body: bytes
    options: CallOptions
    t_ms: int | None
    cls: str | None


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; of one that is longer than `LONGEST_LINE`, a part that is, and the rest is skipped."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 1)


def read_traffic(lines: Iterable[bytes], *, on_bad_line: Callable[[TrafficError], None]) -> Iterator[Recorded]:
    """Yield the requests of `lines`, one at a time; blank lines do not count, a bad one goes to `on_bad_line`."""
    for number, raw in enumerate(lines, start=1):
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, as some editors write
        if not raw.strip():
            continue
        try:
            recorded = parse_line(raw, number)
        except TrafficError as error:
            on_bad_line(error)
        else:
            yield recorded


def parse_line(raw: bytes, number: int) -> Recorded:
    """Return one line as a request.

    Raises
    ------
    TrafficError
        If it is not a request; the message starts with ``line N:`` and holds nothing of the line's text.
    """

    def bad(reason: str) -> TrafficError:
        return TrafficError(f"line {number}: {reason}", line=number)

    if len(raw) > LONGEST_LINE:
        raise bad(f"longer than {LONGEST_LINE >> 20} MiB; each line is one request")
    # Each `from None`: the cause would hold the whole line.
    try:
        row = json.loads(raw)
    except json.JSONDecodeError as error:
        raise bad(f"not JSON ({error.msg} at column {error.colno}); each line is one JSON object") from None
    except UnicodeDecodeError as error:
        raise bad(f"not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except (ValueError, RecursionError):
        raise bad("not JSON that can be read: a number too long, or nested too deeply") from None
    if not isinstance(row, dict):
        raise bad(f"a JSON {_kind(row)}, not an object with `messages` or `text`")

    t_ms, tenant, cls = row.get("t_ms"), row.get("tenant"), row.get("cls")
    if t_ms is not None and (
        not isinstance(t_ms, (int, float)) or isinstance(t_ms, bool) or not 0 <= t_ms < _LATEST_MS
    ):
        raise bad("`t_ms` is not a number of milliseconds from 0 on")
    if isinstance(cls, int) and not isinstance(cls, bool):
        cls = str(cls)  # logs number their classes as often as they name them
    if cls is not None and not isinstance(cls, str):
        raise bad(f"`cls` is a {_kind(cls)}, not a string or a whole number")
    if tenant is not None and not isinstance(tenant, str):
        raise bad(f"`tenant` is a {_kind(tenant)}, not a string")
    for name, value in (("tenant", tenant), ("cls", cls)):
        if value is not None and not is_text(value):
            raise bad(f"`{name}` holds a lone surrogate or a NUL; remove or replace it")
    compound = row.get("compound", {})
    try:
        options = CallOptions.from_mapping(compound if tenant is None else {**compound, "tenant": tenant})
    except (ConfigError, TextError, TypeError):
        raise bad("`compound` does not hold what a call may ask: tenant, namespace, cache, ttl_s") from None

    if "messages" in row:
        if not isinstance(row["messages"], list) or not row["messages"]:
            raise bad("`messages` is not a list with at least one message")
        body = {key: value for key, value in row.items() if key in _SENT} | {"model": "auto"}
    elif "text" in row:
        if not isinstance(row["text"], str) or not row["text"].strip():
            raise bad("`text` is not a string with at least one word")
        body = {"model": "auto", "messages": [{"role": "user", "content": row["text"]}]}
    else:
        raise bad("neither `messages` nor `text`; give one of them")
    try:
        encoded = to_json(body)
    except TextError as error:
        raise bad(str(error)) from None
    return Recorded(line=number, body=encoded, options=options, t_ms=None if t_ms is None else int(t_ms), cls=cls)


def _kind(value: object) -> str:
    """What JSON calls a value."""
    if value is None:
        return "null"
    return {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "object"}[type(value)]
