"""A provider without a model: deterministic answers of plausible length, clearly marked as simulated."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from compound_fast.errors import ConfigError

if TYPE_CHECKING:
    from compound_fast._core import Request
    from compound_fast.config import Config, ProviderConfig
    from compound_fast.providers import ProviderCall
    from compound_fast.types import JsonObject

__all__ = ["SimulatedProvider"]

MARK = "[simulated]"
_MARK_TOKENS = 4  # of "[simulated]" in o200k_base; the words after it are one token each
_WORDS_PER_CHUNK = 8

# One token each, with the blank before it, in the encodings of OpenAI's models.
_VOCABULARY = (  # noqa: SIM905 - read as text
    "the of and to in is for that on with as by at from this be are it or an your we can will order item "
    "day time page account payment card store return support team email address number please thank change open "
    "send check find show help need make use take give work keep next first new same right good late full part case"
).split()


class SimulatedProvider:
    """Answers with as many words as a log-normal draw says, seeded by the canonical request.

    The draw does not depend on the model, so a replay compares prices and not luck; the virtual latency does,
    through the model's tier: ``first_token_ms + ms_per_token * tokens``, each within 10 %.
    """

    simulated = True

    def __init__(self, provider: ProviderConfig, config: Config) -> None:
        for key in ("base_url", "api_key"):
            if getattr(provider, key) is not None:
                place = f"{config.source}: providers.{provider.name}"
                raise ConfigError(f"{place}.{key} is set, but simulated asks no server; kind: openai_compatible does")
        self.name = provider.name
        self._settings = config.simulated
        self._mu = math.log(config.simulated.output_tokens_median)

    async def complete(self, call: ProviderCall) -> JsonObject:
        """Return the completion; waits only where ``simulated.sleep`` is set."""
        if self._settings.sleep:
            await asyncio.sleep(self._virtual_ms(call) / 1e3)
        draw, tokens, finish_reason, content = self._answer(call.request)
        return {
            "id": f"chatcmpl-sim-{draw:016x}",
            "object": "chat.completion",
            "created": 0,
            "model": call.model.upstream_model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content},
                    "finish_reason": finish_reason,
                }
            ],
            "usage": _usage(call.request, tokens),
        }

    async def stream(self, call: ProviderCall) -> AsyncIterator[JsonObject]:
        """Yield the same answer in pieces."""
        draw, tokens, finish_reason, content = self._answer(call.request)
        frame = {
            "id": f"chatcmpl-sim-{draw:016x}",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": call.model.upstream_model,
        }
        words = content.split(" ")
        pieces = [" ".join(words[start : start + _WORDS_PER_CHUNK]) for start in range(0, len(words), _WORDS_PER_CHUNK)]
        pause_s = self._virtual_ms(call) / 1e3 / (len(pieces) + 1) if self._settings.sleep else None
        delta = {"role": "assistant", "content": ""}
        yield {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for position, piece in enumerate(pieces):
            if pause_s is not None:
                await asyncio.sleep(pause_s)
            text = piece if position == 0 else " " + piece
            yield {**frame, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
        yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}
        yield {**frame, "choices": [], "usage": _usage(call.request, tokens)}

    def latency_ms(self, call: ProviderCall, measured_ms: float) -> float:  # noqa: ARG002
        """Return the virtual latency; what was measured says nothing about a model."""
        return self._virtual_ms(call)

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""

    def _answer(self, request: Request) -> tuple[int, int, str, str]:
        """Return (the draw, output tokens, finish reason, content)."""
        draw, tokens, finish_reason = self._length(request)
        text, starts = _babble(self._settings.output_tokens_max)
        first = draw % (len(starts) // 2)
        content = MARK + text[starts[first] : starts[first + max(0, tokens - _MARK_TOKENS)]]
        if request.features.wants_json:
            content = json.dumps({"answer": content})
        return draw, tokens, finish_reason, content

    def _length(self, request: Request) -> tuple[int, int, str]:
        """Return 64 uniform bits, the output tokens they stand for (one hash is enough for Box-Muller), and the end."""
        settings = self._settings
        draw = request.hash(settings.seed)
        radius = math.sqrt(-2.0 * math.log(((draw >> 32) + 1) / 4294967297.0))
        normal = radius * math.cos(2.0 * math.pi * (draw & 0xFFFFFFFF) / 4294967296.0)
        tokens = round(math.exp(self._mu + settings.output_tokens_sigma * normal))
        tokens = min(max(tokens, 1), settings.output_tokens_max)
        limit = _most_tokens(request.body)
        return (draw, tokens, "stop") if limit is None or limit >= tokens else (draw, limit, "length")

    def _virtual_ms(self, call: ProviderCall) -> float:
        draw, tokens, _ = self._length(call.request)
        # Another mix of the same bits (the golden ratio, as in Fibonacci hashing): in [0.9, 1.1).
        jitter = 0.9 + 0.2 * ((draw * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 11) / 9007199254740992.0
        tier = call.model.tier
        return jitter * (self._settings.first_token_ms[tier] + self._settings.ms_per_token[tier] * tokens)


def _usage(request: Request, output_tokens: int) -> JsonObject:
    input_tokens = request.input_tokens
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


def _most_tokens(body: bytes) -> int | None:
    """Return the most output tokens that a body allows; it is parsed only where it may say so."""
    if b'"max_' not in body:
        return None
    asked: JsonObject = json.loads(body)
    limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
    return limit if isinstance(limit, int) and limit > 0 else None


@functools.cache
def _babble(longest: int) -> tuple[str, list[int]]:
    """Return one long text and where its words start, so that an answer is a slice and costs no loop."""
    choose = random.Random(0).choice
    text: list[str] = []
    starts = [0]
    for _ in range(2 * longest + 64):
        word = " " + choose(_VOCABULARY)
        text.append(word)
        starts.append(starts[-1] + len(word))
    return "".join(text), starts
