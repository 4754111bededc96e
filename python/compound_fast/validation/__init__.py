"""What counts as an answer: checked before it is passed on, stored or paid for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

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
    """Check that `raw` is a chat completion with an answer in it.

    Parameters
    ----------
    raw : dict
        The object that a provider sent, or that its stream added up to.
    wants_json : bool, default False
        Whether the request asked for JSON. A finished answer must then parse; its schema is not checked.

    Raises
    ------
    ResponseValidationError
        With the path of the fault; the message never quotes the answer.
    """
    choices = raw.get("choices") if isinstance(raw, dict) else None
    if not isinstance(choices, list) or not choices:
        raise ResponseValidationError("the answer has no choices", path="choices")
    texts = [_choice_text(choice, f"choices[{index}]", wants_json) for index, choice in enumerate(choices)]
    return CheckedCompletion(Usage.from_raw(raw.get("usage")), choices[0].get("finish_reason"), "".join(texts))


def is_storable(raw: JsonObject) -> bool:
    """Return whether a checked completion may be served again.

    Only a whole answer in text is: not one that was cut or filtered, a refusal, a call of tools, or nothing at all.
    """
    for choice in raw["choices"]:
        message = choice["message"]
        if choice.get("finish_reason") != "stop" or not message.get("content"):
            return False
        if message.get("refusal") or message.get("tool_calls"):
            return False
    return True


def _choice_text(choice: object, path: str, wants_json: bool) -> str:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise ResponseValidationError("a choice holds no message", path=f"{path}.message")
    finish_reason = choice.get("finish_reason")
    if finish_reason is not None and not isinstance(finish_reason, str):
        raise ResponseValidationError("the finish reason is no text", path=f"{path}.finish_reason")
    content = message.get("content")
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ResponseValidationError(
            f"the content is a {type(content).__name__}, not text", path=f"{path}.message.content"
        )
    # A cut answer ("length") cannot parse, and says so by its finish reason.
    if wants_json and finish_reason == "stop":
        try:
            json.loads(content)
        except ValueError:
            raise ResponseValidationError(
                "JSON was asked for, and the content is none", path=f"{path}.message.content"
            ) from None
    return content
