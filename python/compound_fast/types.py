"""What a call may ask and what comes out: completions in the OpenAI shape, and what compound_fast adds to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from compound_fast._arguments import LONGEST_TTL_S, SHORTEST_TTL_S, check_number, check_text, is_number, shown
from compound_fast.errors import ConfigError, ResponseValidationError

__all__ = [
    "CallOptions",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatMessage",
    "Choice",
    "ChunkChoice",
    "CompoundInfo",
    "JsonObject",
    "ServedFrom",
    "Usage",
]

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object as `json.loads` gives it."""

MOST_TOKENS = 2**32 - 1
"""Most tokens of one answer, input and output: a usage beyond is a fault of the provider."""

ServedFrom: TypeAlias = Literal["exact", "semantic", "model"]
"""Which tier gave the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What one call may ask of the path, apart from the request itself.

    Attributes
    ----------
    tenant, namespace : str, default ""
        Who asks. Entries are never shared across either.
    cache : {"default", "no-cache", "no-store", "off"}, default "default"
        ``"no-cache"`` looks nothing up but stores the answer; ``"no-store"`` looks up but stores nothing;
        ``"off"`` does neither.
    ttl_s : float or None
        How long the answer may be served, in seconds from its birth; None = the cache's own setting.
    """

    tenant: str = ""
    namespace: str = ""
    cache: Literal["default", "no-cache", "no-store", "off"] = "default"
    ttl_s: float | None = None

    def __post_init__(self) -> None:
        check_text("compound option tenant", self.tenant)
        check_text("compound option namespace", self.namespace)
        if self.cache not in ("default", "no-cache", "no-store", "off"):
            raise ConfigError(f"compound option cache={shown(self.cache)} is none of default, no-cache, no-store, off")
        if self.ttl_s is not None:
            check_number("compound option ttl_s", self.ttl_s, least=SHORTEST_TTL_S, most=LONGEST_TTL_S)

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any] | None) -> CallOptions:
        """Check and take the ``compound={...}`` of a call.

        Raises
        ------
        ConfigError
            On an unknown key or a value outside its range.
        TextError
            If the tenant or the namespace is not text.
        """
        if options is None:
            return cls()
        if not isinstance(options, Mapping):
            raise ConfigError(f"compound={shown(options)} is no mapping of options such as {{'tenant': 'acme'}}")
        for key in options:
            if key not in cls.__slots__:
                known = ", ".join(sorted(cls.__slots__))
                raise ConfigError(f"compound option {shown(key)} is unknown; known are {known}")
        return cls(**options)

    @property
    def may_look_up(self) -> bool:
        """Whether a stored answer may be served."""
        return self.cache in ("default", "no-store")

    @property
    def may_store(self) -> bool:
        """Whether the answer may be stored."""
        return self.cache in ("default", "no-cache")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the provider billed them (or as we counted them, where it did not say)."""

    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def from_raw(cls, raw: object) -> Usage | None:
        """Take the `usage` of a completion or chunk; None where it is missing, or cannot be."""
        if not isinstance(raw, dict):
            return None
        details = raw.get("prompt_tokens_details")
        prompt_tokens, completion_tokens = raw.get("prompt_tokens"), raw.get("completion_tokens")
        cached = (details.get("cached_tokens") if isinstance(details, dict) else None) or 0
        if type(prompt_tokens) is not int or type(completion_tokens) is not int or type(cached) is not int:
            return None
        if completion_tokens < 0 or not 0 <= cached <= prompt_tokens or prompt_tokens + completion_tokens > MOST_TOKENS:
            return None
        return cls(prompt_tokens, completion_tokens, cached)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundInfo:
    """What compound_fast did for one answer: ``reply.compound``.

    Attributes
    ----------
    served_from : {"exact", "semantic", "model"}
        Which tier gave the answer.
    model, provider : str
        Who wrote it: now, or for somebody else (then `provider` is "cache").
    simulated : bool
        Whether a simulated provider wrote it.
    shared : bool
        Whether a model answered an identical request that was under way, and this one waited for that answer.
    cost_usd : float or None
        What this call cost, in dollars, with the attempts that failed; 0.0 for a hit or a shared answer, None where a
        model has no price, or an attempt may have been billed and nobody says how much.
    cost_saved_usd : float or None
        For a hit or a shared answer: what it had cost, without the attempts that failed before it.
    entry_id : str or None
        The entry served, or the one just made; None when nothing was stored.
    similarity : float or None
        Cosine to the stored request: 1.0 for an exact hit, None from a model.
    age_s : float or None
        How old the stored answer is, in seconds.
    reasons : tuple of str
        Why this tier and this model, for people.
    decision_us : float
        Time from the request's bytes to the decision, in microseconds of wall time.
    latency_ms : float or None
        Time the provider took, in milliseconds; virtual where `simulated`; None for a hit.
    attempts : int
        How many times a provider was asked.
    cost_nano_usd, baseline_nano_usd : int or None
        The exact arithmetic behind `cost_usd`, and the same tokens at the baseline model.
    """

    served_from: ServedFrom
    model: str
    provider: str
    simulated: bool
    shared: bool = False
    entry_id: str | None = None
    similarity: float | None = None
    age_s: float | None = None
    reasons: tuple[str, ...] = ()
    decision_us: float = 0.0
    latency_ms: float | None = None
    attempts: int = 0
    cost_nano_usd: int | None = None
    baseline_nano_usd: int | None = None
    saved_nano_usd: int | None = None

    @property
    def cost_usd(self) -> float | None:
        """What this call cost, in dollars; None where the price is unknown."""
        return None if self.cost_nano_usd is None else self.cost_nano_usd / 1e9

    @property
    def cost_saved_usd(self) -> float | None:
        """For a hit or a shared answer: what it had cost, in dollars."""
        return None if self.saved_nano_usd is None else self.saved_nano_usd / 1e9


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of an answer."""

    role: str
    content: str | None
    tool_calls: list[JsonObject] | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a completion."""

    index: int
    message: ChatMessage
    finish_reason: str | None


@dataclass(frozen=True, slots=True)
class ChatCompletion:
    """A completion in the OpenAI shape; `raw` is the whole object as the provider sent it."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    compound: CompoundInfo
    raw: JsonObject = field(repr=False)
    object: Literal["chat.completion"] = "chat.completion"

    @classmethod
    def from_raw(cls, raw: JsonObject, usage: Usage, compound: CompoundInfo) -> ChatCompletion:
        """Wrap a validated completion object."""
        choices = [
            Choice(
                index=choice.get("index", position),
                message=_message(choice.get("message") or {}),
                finish_reason=choice.get("finish_reason"),
            )
            for position, choice in enumerate(raw["choices"])
        ]
        return cls(
            id=_text(raw.get("id"), ""),
            created=_whole(raw.get("created")),
            model=_text(raw.get("model"), compound.model),
            choices=choices,
            usage=usage,
            compound=compound,
            raw=raw,
        )

    def to_dict(self) -> JsonObject:
        """Return the completion as the provider sent it."""
        return self.raw


def _whole(value: object) -> int:
    """Return a number of seconds as an int; 0 for what is none."""
    return int(value) if isinstance(value, (int, float)) and is_number(value, least=0, most=2**53) else 0


def _text(value: object, default: str) -> str:
    """Return a scalar as text; `default` for null and for what is none."""
    if isinstance(value, str):
        return value
    return default if value is None or isinstance(value, (dict, list)) else str(value)


def _message(raw: Mapping[str, Any]) -> ChatMessage:
    content = raw.get("content")
    if content is not None and not isinstance(content, str):
        raise ResponseValidationError(
            f"content is a {type(content).__name__}, not text", path="choices[].message.content"
        )
    return ChatMessage(
        role=_text(raw.get("role"), "assistant"),
        content=content,
        tool_calls=cast("list[JsonObject] | None", raw.get("tool_calls")),
        refusal=raw.get("refusal"),
    )


@dataclass(frozen=True, slots=True)
class ChunkChoice:
    """One choice of a streamed chunk; `delta` holds only what is new."""

    index: int
    delta: ChatMessage
    finish_reason: str | None


@dataclass(frozen=True, slots=True)
class ChatCompletionChunk:
    """A piece of a streamed completion; `compound` is set on the last one."""

    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None
    compound: CompoundInfo | None
    raw: JsonObject = field(repr=False)
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"

    @classmethod
    def from_raw(cls, raw: JsonObject, compound: CompoundInfo | None = None) -> ChatCompletionChunk:
        """Wrap a chunk object; `compound` where it is the last."""
        choices = [
            ChunkChoice(
                index=choice.get("index", position),
                delta=_message(choice.get("delta") or {}),
                finish_reason=choice.get("finish_reason"),
            )
            for position, choice in enumerate(raw.get("choices") or ())
        ]
        return cls(
            id=_text(raw.get("id"), ""),
            created=_whole(raw.get("created")),
            model=_text(raw.get("model"), ""),
            choices=choices,
            usage=Usage.from_raw(raw.get("usage")),
            compound=compound,
            raw=raw,
        )
