"""LangChain: `CompoundCache` is a ``BaseCache`` over a `SemanticCache`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

try:
    from langchain_core.caches import BaseCache
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, Generation
except ImportError as error:
    raise ImportError("compound_fast.integrations.langchain needs LangChain: pip install langchain-core") from error

from compound_fast._cache_faults import CacheFaults
from compound_fast.cache import SemanticCache
from compound_fast.errors import ConfigError, TextError

if TYPE_CHECKING:
    from compound_fast.types import JsonObject

__all__ = ["CompoundCache"]

T = TypeVar("T")

_FORMAT = "langchain-1"
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
# What a message carries about its own making, which no model reads and which differs each time.
_NOT_SENT = {"type", "id", "response_metadata", "usage_metadata"}
_WHOLE = {"stop", "end_turn", "stop_sequence", "complete", "eos_token"}  # by finish reason, of several providers


class CompoundCache(CacheFaults, BaseCache):
    """A LangChain cache: exact, then by meaning of the last user turn.

    The model and its settings (``llm_string``) and all earlier messages are compared exactly. Stored are whole answers
    in text: none that was cut, filtered, or calls tools. Requests and answers of other kinds pass by. A fault inside
    the cache is logged, counted in `cache_faults`, and served as a miss. Nothing is pickled; answers are read back as
    `AIMessage` and as no other class.

    Parameters
    ----------
    cache : SemanticCache
        Not closed or configured here.
    tenant, namespace : str, default ""
        Who asks. LangChain tells a cache nothing of keys or users: callers who must not share need a cache each here.

    Raises
    ------
    ConfigError
        If `cache` is no `SemanticCache`.
    """

    def __init__(self, cache: SemanticCache, *, tenant: str = "", namespace: str = "") -> None:
        if not isinstance(cache, SemanticCache):
            raise ConfigError(f"cache: a {type(cache).__name__} is no SemanticCache")
        self._cache = cache
        self._tenant = tenant
        self._namespace = namespace

    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """Return the stored generations, or None."""
        return self._guarded("looking up", self._find, prompt, llm_string)

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Store generations."""
        self._guarded("storing", self._keep, prompt, llm_string, return_val)

    def clear(self, **kwargs: Any) -> None:  # noqa: ARG002 -- LangChain's signature
        """Remove every entry of the cache beneath, whoever stored it."""
        self._cache.clear()

    async def alookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """Return the stored generations, or None; takes tens of microseconds, so no thread is used."""
        return self.lookup(prompt, llm_string)

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Store generations."""
        self.update(prompt, llm_string, return_val)

    async def aclear(self, **kwargs: Any) -> None:
        """Remove every entry of the cache beneath, whoever stored it."""
        self.clear(**kwargs)

    def _guarded(self, doing: str, work: Callable[..., T | None], *arguments: Any) -> T | None:
        try:
            return work(*arguments)
        except TextError:
            return None  # a prompt that is no chat request
        except Exception as error:  # noqa: BLE001 -- whatever fails in here, the request goes on without it
            self._note_fault(doing, error)
            return None

    def _find(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        request = _request(prompt, llm_string)
        if request is None:
            return None
        hit = self._cache.get(request, tenant=self._tenant, namespace=self._namespace)
        if hit is None or not isinstance(hit.response, dict) or hit.response.get("format") != _FORMAT:
            return None
        return [_generation(stored) for stored in hit.response["generations"]]

    def _keep(self, prompt: str, llm_string: str, generations: Sequence[Generation]) -> None:
        request = _request(prompt, llm_string)
        stored = [_stored(generation) for generation in generations]
        if request is None or not stored or None in stored:
            return
        self._cache.put(
            request, {"format": _FORMAT, "generations": stored}, tenant=self._tenant, namespace=self._namespace
        )


def _request(prompt: str, llm_string: str) -> JsonObject | None:
    """Return a prompt as a chat request; None where it holds what is no chat message.

    The settings stand in it as a field that no model knows, and such a field is part of the scope.
    """
    messages = _messages(prompt)
    return None if messages is None else {"messages": messages, "langchain": llm_string}


def _messages(prompt: str) -> list[JsonObject] | None:
    """Read the messages back that LangChain wrote as JSON; any other text is one user turn (a completion model)."""
    try:
        written = json.loads(prompt) if prompt.startswith('[{"') else None
    except ValueError:
        written = None
    if not isinstance(written, list) or not all(isinstance(message, dict) and "lc" in message for message in written):
        return [{"role": "user", "content": prompt}]
    messages = []
    for message in written:
        fields = message.get("kwargs") or {}
        role = _ROLES.get(str(fields.get("type")))
        if message.get("type") != "constructor" or role is None:
            return None
        said = {key: value for key, value in fields.items() if key not in _NOT_SENT and value}
        messages.append({"content": "", **said, "role": role})
    return messages


def _stored(generation: Generation) -> JsonObject | None:
    """Return a generation as JSON; None where it is no whole answer in text."""
    info = generation.generation_info or {}
    if not isinstance(generation, ChatGeneration):
        stored = {"text": generation.text, "generation_info": info}
        return stored if type(generation) is Generation and generation.text and _is_whole(info) else None
    message = generation.message
    if type(message) is not AIMessage or not message.content or not _is_whole({**message.response_metadata, **info}):
        return None
    if message.tool_calls or message.invalid_tool_calls or message.additional_kwargs.get("refusal"):
        return None
    return {"message": message.model_dump(mode="json"), "generation_info": info}


def _is_whole(facts: dict[str, Any]) -> bool:
    """Whether nothing says that an answer was cut or filtered."""
    reasons = [facts[key] for key in ("finish_reason", "stop_reason", "done_reason") if facts.get(key) is not None]
    return all(str(reason).lower() in _WHOLE for reason in reasons)


def _generation(stored: JsonObject) -> Generation:
    info = stored["generation_info"] or None
    if "message" in stored:
        return ChatGeneration(message=AIMessage(**stored["message"]), generation_info=info)
    return Generation(text=stored["text"], generation_info=info)
