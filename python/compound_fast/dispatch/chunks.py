"""Chunks to completion and back: a stream is stored as the completion it adds up to, and replayed from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from compound_fast.errors import ResponseValidationError

if TYPE_CHECKING:
    from compound_fast.types import JsonObject

__all__ = ["ChunkAssembler", "completion_chunks"]

_HEAD = ("id", "created", "model", "system_fingerprint")  # the same on every chunk of a stream


class ChunkAssembler:
    """Adds streamed chunks up to the completion that the same call would have returned in one piece.

    Memory grows with the answer, once: pieces are kept and joined at the end.
    """

    def __init__(self) -> None:
        self._head: JsonObject = {}
        self._choices: dict[int, _ChoiceParts] = {}
        self._usage: object = None

    def add(self, chunk: JsonObject) -> None:
        """Take the next chunk.

        Raises
        ------
        ResponseValidationError
            If it has not the shape of a chunk.
        """
        if not self._head:
            self._head = {key: chunk[key] for key in _HEAD if key in chunk}
        if chunk.get("usage") is not None:
            self._usage = chunk["usage"]
        for choice in _choices(chunk):
            index = choice.get("index", 0)
            self._choices.setdefault(index, _ChoiceParts()).add(choice)

    @property
    def is_finished(self) -> bool:
        """Whether every choice has said why it ended."""
        return bool(self._choices) and all(choice.finish_reason is not None for choice in self._choices.values())

    @property
    def text(self) -> str:
        """All the text so far."""
        return "".join("".join(choice.content) for choice in self._choices.values())

    def completion(self) -> JsonObject:
        """Return the completion object; `usage` only where a chunk carried it."""
        completion: JsonObject = {
            **self._head,
            "object": "chat.completion",
            "choices": [choice.whole(index) for index, choice in sorted(self._choices.items())],
        }
        if self._usage is not None:
            completion["usage"] = self._usage
        return completion


class _ChoiceParts:
    def __init__(self) -> None:
        self.role = "assistant"
        self.content: list[str] = []
        self.refusal: list[str] = []
        self.tool_calls: dict[int, JsonObject] = {}
        self.finish_reason: str | None = None

    def add(self, choice: JsonObject) -> None:
        delta = choice.get("delta") or {}
        self.role = delta.get("role") or self.role
        for key, parts in (("content", self.content), ("refusal", self.refusal)):
            text = delta.get(key)
            if text is not None and not isinstance(text, str):
                raise ResponseValidationError(
                    f"a piece of {key} is a {type(text).__name__}, not text", path=f"choices[].delta.{key}"
                )
            if text:
                parts.append(text)
        for call in delta.get("tool_calls") or ():
            self._add_tool_call(call)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def _add_tool_call(self, piece: JsonObject) -> None:
        whole = self.tool_calls.setdefault(
            piece.get("index", len(self.tool_calls)), {"type": "function", "function": {"name": "", "arguments": ""}}
        )
        whole.update({key: piece[key] for key in ("id", "type") if piece.get(key)})
        function = piece.get("function") or {}
        # Name and arguments come in pieces; both are joined, as the first piece of either may be empty.
        for key in ("name", "arguments"):
            whole["function"][key] += function.get(key) or ""

    def whole(self, index: int) -> JsonObject:
        message: JsonObject = {"role": self.role, "content": "".join(self.content) if self.content else None}
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        if self.tool_calls:
            message["tool_calls"] = [call for _, call in sorted(self.tool_calls.items())]
        return {"index": index, "message": message, "finish_reason": self.finish_reason}


def _choices(chunk: JsonObject) -> list[Any]:
    choices = chunk.get("choices", [])
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise ResponseValidationError("a chunk holds no list of choices", path="choices")
    return choices


def completion_chunks(completion: JsonObject, *, include_usage: bool) -> Iterator[JsonObject]:
    """Yield a stored completion as the chunks of a stream: role, text, finish; then usage, if asked."""
    frame: JsonObject = {key: completion[key] for key in _HEAD if key in completion}
    frame["object"] = "chat.completion.chunk"

    def chunk(index: int, delta: JsonObject, finish_reason: str | None = None) -> JsonObject:
        return {**frame, "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}

    for index, choice in enumerate(completion["choices"]):
        message = choice["message"]
        yield chunk(index, {"role": message.get("role", "assistant"), "content": ""})
        if message.get("content"):
            yield chunk(index, {"content": message["content"]})
    for index, choice in enumerate(completion["choices"]):
        yield chunk(index, {}, choice.get("finish_reason"))
    if include_usage:
        yield {**frame, "choices": [], "usage": completion.get("usage")}
