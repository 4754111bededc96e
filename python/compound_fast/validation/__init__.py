"""What counts as an answer: checked before it is passed on, stored or paid for."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from compound_fast.errors import ResponseValidationError
from compound_fast.types import Usage

if TYPE_CHECKING:
    from compound_fast.types import JsonObject

__all__ = ["CheckedCompletion", "check_completion", "is_storable"]


class CheckedCompletion(NamedTuple):
    """What a valid completion says.

    Attributes
    ----------
    usage : Usage or None
        None where the provider gave none, or one that cannot be.
    finish_reason : str or None
        Of the first choice.
    content : str
        The text of all choices; empty where there is none (a refusal, tool calls).
    """

    usage: Usage | None
    finish_reason: str | None
    content: str


def check_completion(raw: JsonObject, *, wants_json: bool = False) -> CheckedCompletion:
    """Check that `raw` is a chat completion with an answer in it; `ChatCompletion.from_raw` then takes it.

    Parameters
    ----------
    raw : dict
        The object that a provider sent, or that its stream added up to.
    wants_json : bool, default False
        Whether the request asked for JSON. A finished answer must then parse; its schema is not checked.

    Raises
    ------
    ResponseValidationError
        With the path of the fault, and the usage that the refused answer is billed for; the message never quotes it.
    """
    if not isinstance(raw, dict):
        raise ResponseValidationError(f"the answer is a {type(raw).__name__}, not an object", path="")
    usage = Usage.from_raw(raw.get("usage"))
    try:
        choices = _head(raw)
        texts = [_choice_text(choice, f"choices[{index}]", wants_json) for index, choice in enumerate(choices)]
    except ResponseValidationError as error:
        if usage is not None:
            error.billed_tokens = (usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens)
        raise
    return CheckedCompletion(usage, choices[0].get("finish_reason"), "".join(texts))


def is_storable(raw: JsonObject, *, choices: int) -> bool:
    """Return whether a checked completion may be served again.

    Only a whole answer in text is: not one that was cut or filtered, a refusal, a call of tools, or nothing at all; nor
    one with another number of `choices` than the request asked for.
    """
    for choice in raw["choices"]:
        message = choice["message"]
        if choice.get("finish_reason") != "stop" or not message.get("content"):
            return False
        if message.get("refusal") or message.get("tool_calls"):
            return False
    return len(raw["choices"]) == choices


def _head(raw: JsonObject) -> list[Any]:
    """Check what stands beside the choices, and return them."""
    for key in ("id", "model"):
        if isinstance(raw.get(key), (dict, list)):
            raise ResponseValidationError(f"the {key} is a {type(raw[key]).__name__}, not text", path=key)
    created = raw.get("created")
    if isinstance(created, float) and not math.isfinite(created):
        raise ResponseValidationError(f"created is {created}, not a time", path="created")
    choices = raw.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ResponseValidationError("the answer has no choices", path="choices")
    return choices


def _choice_text(choice: object, path: str, wants_json: bool) -> str:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise ResponseValidationError("a choice holds no message", path=f"{path}.message")
    index = choice.get("index", 0)
    if type(index) is not int or index < 0:
        raise ResponseValidationError("the index is no number from 0 up", path=f"{path}.index")
    if choice.get("finish_reason") is not None:
        _check_text(choice["finish_reason"], "finish_reason", path)
    for key in ("role", "content", "refusal"):
        if message.get(key) is not None:
            _check_text(message[key], key, f"{path}.message")
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise ResponseValidationError("the tool calls are no list of objects", path=f"{path}.message.tool_calls")
    content: str | None = message.get("content")
    # A cut answer ("length") cannot parse, and says so by its finish reason.
    if wants_json and content is not None and choice.get("finish_reason") == "stop":
        try:
            json.loads(content)
        except (ValueError, RecursionError):
            raise ResponseValidationError(
                "JSON was asked for, and the content is none", path=f"{path}.message.content"
            ) from None
    return content or ""


def _check_text(value: object, key: str, place: str) -> None:
    if not isinstance(value, str):
        raise ResponseValidationError(f"{key} is a {type(value).__name__}, not text", path=f"{place}.{key}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # its error holds the text
            raise ResponseValidationError(
                f"{key} holds a lone surrogate, which is no text", path=f"{place}.{key}"
            ) from None
