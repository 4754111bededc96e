"""Chunks to completion and back: a stream is stored as the completion it adds up to, and replayed from it."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING, Any

from compound_fast.errors import ResponseValidationError

if TYPE_CHECKING:
    from compound_fast.types import JsonObject

__all__ = ["ChunkAssembler", "completion_chunks"]

MOST_PARTS = 1024
"""Most choices of a stream, and most tool calls of a choice: an index beyond is a fault, and is given no memory."""

_HEAD = ("id", "created", "model")  # of the first chunk that has one; some servers count `created` on
_PASSING = ("object", "choices", "usage", "obfuscation", "timings", "x_groq")  # of the sending, not of the answer
_CHUNK = frozenset(_HEAD + _PASSING)
_CHOICE = frozenset(("index", "delta", "finish_reason", "logprobs"))
_LOGPROBS = ("content", "refusal")
_PIECES = ("content", "refusal", "reasoning_content", "reasoning")  # texts of a delta, joined


class ChunkAssembler:
    """Adds streamed chunks up to the completion that the same call would have returned in one piece.

    Memory grows with the answer, once: pieces are kept and joined at the end.
    """

    def __init__(self) -> None:
        self._head: JsonObject = {}
        self._fields = _Fields()
        self._choices: dict[int, _ChoiceParts] = {}
        self._usage: object = None
        self._is_usage_final = False

    def add(self, chunk: JsonObject) -> None:
        """Take the next chunk.

        Raises
        ------
        ResponseValidationError
            If it has not the shape of a chunk.
        """
        for choice in _list(chunk, "choices", "choices"):
            index = _index(choice, "choices[].index", 0)
            parts = self._choices.get(index)
            if parts is None:
                parts = self._choices[index] = _ChoiceParts()
            parts.add(choice)
        for key in _HEAD:
            if key not in self._head and chunk.get(key):
                self._head[key] = chunk[key]
        if not chunk.keys() <= _CHUNK:
            self._fields.add(chunk, _CHUNK)
        if chunk.get("usage") is not None:
            self._usage = chunk["usage"]
            self._is_usage_final = not chunk.get("choices")

    @property
    def is_finished(self) -> bool:
        """Whether every choice that has begun has said why it ended."""
        return bool(self._choices) and all(choice.finish_reason is not None for choice in self._choices.values())

    @property
    def is_faithful(self) -> bool:
        """Whether `completion` holds all that the chunks said: not where a field that we do not know came in pieces."""
        return self._fields.agree and all(choice.is_faithful for choice in self._choices.values())

    @property
    def text(self) -> str:
        """All that was written so far, thoughts and tool calls too: what a provider bills."""
        return "".join(choice.written for choice in self._choices.values())

    @property
    def usage(self) -> object:
        """The usage that closes the stream, as it came; None where that has not come.

        Some servers send a running one, or zeros, beside each piece of text: those count once the choices have ended.
        """
        return self._usage if self._is_usage_final or self.is_finished else None

    def completion(self) -> JsonObject:
        """Return the completion object; `usage` only where a chunk carried it."""
        completion: JsonObject = {
            **self._head,
            **self._fields.values,
            "object": "chat.completion",
            "choices": [choice.whole(index) for index, choice in sorted(self._choices.items())],
        }
        if self._usage is not None:
            completion["usage"] = self._usage
        return completion


class _Fields:
    """Fields that we do not know: kept where every chunk that has one says the same, else noted as lost."""

    def __init__(self) -> None:
        self.values: JsonObject = {}
        self.agree = True

    def add(self, holder: JsonObject, known: Set[str]) -> None:
        for key, value in holder.items():
            if key in known or value in (None, "", [], {}):
                continue
            try:
                self.agree &= self.values.setdefault(key, value) == value
            except RecursionError:  # nested about as deeply as JSON can be read
                self.agree = False


class _ChoiceParts:
    def __init__(self) -> None:
        self.role = "assistant"
        self.finish_reason: str | None = None
        self._pieces: dict[str, list[str]] = {key: [] for key in _PIECES}
        self._calls: dict[int, _CallParts] = {}
        self._logprobs: dict[str, list[Any]] = {}
        self._fields = _Fields()
        self._lost = False

    def add(self, choice: JsonObject) -> None:
        for key, value in _object(choice, "delta", "choices[].delta").items():
            if value is None:
                continue
            if key in self._pieces:
                text = _text(value, key, "choices[].delta.")
                if text:
                    self._pieces[key].append(text)
            elif key == "role":
                self.role = _text(value, key, "choices[].delta.") or self.role
            elif key == "tool_calls":
                self._add_calls(value)
            elif value:
                self._lost = True
        if choice.get("logprobs") is not None:
            self._add_logprobs(_object(choice, "logprobs", "choices[].logprobs"))
        if choice.get("finish_reason") is not None:
            self.finish_reason = _text(choice["finish_reason"], "finish_reason", "choices[].") or self.finish_reason
        if not choice.keys() <= _CHOICE:
            self._fields.add(choice, _CHOICE)

    def _add_calls(self, calls: object) -> None:
        for call in _list({"tool_calls": calls}, "tool_calls", "choices[].delta.tool_calls"):
            index = _index(call, "choices[].delta.tool_calls[].index", len(self._calls))
            self._calls.setdefault(index, _CallParts()).add(call)

    def _add_logprobs(self, logprobs: JsonObject) -> None:
        for key, value in logprobs.items():
            if value is None:
                continue
            if key in _LOGPROBS:
                self._logprobs.setdefault(key, []).extend(_list(logprobs, key, f"choices[].logprobs.{key}"))
            elif value:
                self._lost = True

    @property
    def is_faithful(self) -> bool:
        return self._fields.agree and not self._lost

    @property
    def written(self) -> str:
        texts = [piece for pieces in self._pieces.values() for piece in pieces]
        return "".join(texts + [piece for call in self._calls.values() for piece in (*call.name, *call.arguments)])

    def whole(self, index: int) -> JsonObject:
        texts = {key: "".join(pieces) for key, pieces in self._pieces.items() if pieces}
        message: JsonObject = {"role": self.role, "content": None, **texts}
        if self._calls:
            message["tool_calls"] = [call.whole() for _, call in sorted(self._calls.items())]
        whole = {**self._fields.values, "index": index, "message": message, "finish_reason": self.finish_reason}
        if self._logprobs:
            whole["logprobs"] = self._logprobs
        return whole


class _CallParts:
    """A tool call. Name and arguments come in pieces; both are joined, as the first piece of either may be empty."""

    def __init__(self) -> None:
        self.name: list[str] = []
        self.arguments: list[str] = []
        self._head = {"type": "function"}

    def add(self, piece: JsonObject) -> None:
        path = "choices[].delta.tool_calls[]."
        for key in ("id", "type"):
            if piece.get(key) is not None:
                self._head[key] = _text(piece[key], key, path) or self._head.get(key, "")
        function = _object(piece, "function", path + "function")
        for key, parts in (("name", self.name), ("arguments", self.arguments)):
            if function.get(key) is not None:
                parts.append(_text(function[key], key, path + "function."))

    def whole(self) -> JsonObject:
        return {**self._head, "function": {"name": "".join(self.name), "arguments": "".join(self.arguments)}}


def _text(value: object, key: str, place: str) -> str:
    if not isinstance(value, str):
        raise ResponseValidationError(f"{key} is a {type(value).__name__}, not text", path=place + key)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # its error holds the text
            raise ResponseValidationError(f"{key} holds a lone surrogate, which is no text", path=place + key) from None
    return value


def _object(holder: JsonObject, key: str, path: str) -> JsonObject:
    """Return an object; an empty one where it is absent or null."""
    value = holder.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ResponseValidationError(f"{key} is a {type(value).__name__}, not an object", path=path)
    return value


def _list(holder: JsonObject, key: str, path: str) -> list[JsonObject]:
    """Return a list of objects; an empty one where it is absent or null (as some servers send it beside the usage)."""
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ResponseValidationError(f"{key} is no list of objects", path=path)
    return value


def _index(holder: JsonObject, path: str, default: int) -> int:
    index = holder.get("index", default)
    if type(index) is not int or not 0 <= index < MOST_PARTS:
        raise ResponseValidationError(f"the index is no number from 0 to {MOST_PARTS - 1}", path=path)
    return index


def completion_chunks(completion: JsonObject, *, include_usage: bool) -> Iterator[JsonObject]:
    """Yield a stored completion as the chunks of a stream: role, message, finish; then usage, if asked."""
    frame = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    frame["object"] = "chat.completion.chunk"

    def chunk(index: int, delta: JsonObject, finish_reason: str | None = None, **more: object) -> JsonObject:
        return {**frame, "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason, **more}]}

    for index, choice in enumerate(completion["choices"]):
        message = choice["message"]
        yield chunk(index, {"role": message.get("role", "assistant"), "content": ""})
        said = {key: value for key, value in message.items() if key != "role" and value not in (None, "", [])}
        logprobs = choice.get("logprobs")
        if said:
            yield chunk(index, said, **({} if logprobs is None else {"logprobs": logprobs}))
    for index, choice in enumerate(completion["choices"]):
        more = {key: value for key, value in choice.items() if key not in (*_CHOICE, "message")}
        yield chunk(index, {}, choice.get("finish_reason"), **more)
    if include_usage:
        yield {**frame, "choices": [], "usage": completion.get("usage")}
