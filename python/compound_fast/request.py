"""What goes in: a request in any of its forms, as the JSON bytes that the path reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Protocol, TypeAlias

from compound_fast import _core
from compound_fast._arguments import check_text
from compound_fast.errors import TextError
from compound_fast.types import ChatCompletion, ChatCompletionChunk, ChatMessage

__all__ = ["Messages", "RequestLike", "SdkObject", "to_body", "to_json", "to_request"]

Messages: TypeAlias = "Sequence[Mapping[str, Any] | ChatMessage | SdkObject]"
"""A conversation: turns in the OpenAI shape, answers among them as they were returned."""

RequestLike: TypeAlias = "str | bytes | Mapping[str, Any] | Messages"
"""A request: one user turn, a body as JSON bytes (never re-encoded), a body, or a list of messages."""


_SURROGATE = "holds a lone surrogate, which has no UTF-8 form; remove or replace it"


class SdkObject(Protocol):
    """An object of OpenAI's SDK, or of another that is built on pydantic."""

    def model_dump(self, *, mode: str, exclude_unset: bool) -> dict[str, Any]:
        """Return the object as a dict, as it came."""
        ...


def to_json(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8; messages and completions, ours or an SDK's, are written as they came.

    Raises
    ------
    TextError
        If it has no JSON form; the message goes on from the name of the value, and holds nothing of it.
    """
    # Each `from None`: the cause would hold the whole text.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain).encode()
    except UnicodeEncodeError:
        raise TextError(_SURROGATE) from None
    except RecursionError:
        raise TextError("has no JSON form: it is nested too deeply") from None
    except ValueError:
        raise TextError("has no JSON form: it holds NaN, Infinity, itself, or a number too long") from None
    except TypeError as error:
        raise TextError(f"has no JSON form: {error}") from None


def _plain(value: object) -> object:
    """Return what JSON knows for what it does not know."""
    if isinstance(value, ChatMessage):
        return {name: part for name in ChatMessage.__slots__ if (part := getattr(value, name)) is not None}
    if isinstance(value, (ChatCompletion, ChatCompletionChunk)):
        return value.raw
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        try:
            return dump(mode="json", exclude_unset=True)
        except Exception:  # noqa: BLE001 - whatever it raises may hold the text
            raise TypeError(f"model_dump() of {type(value).__name__} failed") from None
    raise TypeError(f"{type(value).__name__} is not JSON")


def to_body(request: RequestLike) -> bytes:
    """Return `request` as the JSON bytes of an OpenAI chat-completion body.

    Bytes pass through untouched; everything else costs one JSON encoding.

    Raises
    ------
    TextError
        If the request is none of the four forms, or holds text that is not UTF-8 (a lone surrogate).
    """
    if isinstance(request, bytes):
        return request
    body: object
    if isinstance(request, str):
        # What `to_json` would write, at a tenth of its cost: a request that is text alone is asked most often.
        try:
            return b'{"messages":[{"role":"user","content":%b}]}' % encode_basestring(request).encode()
        except UnicodeEncodeError:
            raise TextError(f"the request {_SURROGATE}") from None
    elif isinstance(request, Mapping):
        body = request
    elif isinstance(request, Sequence):
        body = {"messages": request}
    else:
        raise TextError(
            f"a request is a str, a list of messages, a body (dict) or its JSON bytes; got {type(request).__name__}"
        )
    try:
        return to_json(body)
    except TextError as error:
        raise TextError(f"the request {error}") from None


def to_request(request: RequestLike, *, tenant: str, namespace: str) -> _core.Request:
    """Return `request` as the core reads it.

    Raises
    ------
    TextError
        If it is not a chat request, or `tenant` or `namespace` is not text.
    """
    who = {"tenant": check_text("tenant", tenant), "namespace": check_text("namespace", namespace)}
    return _core.Request(to_body(request), **who)
