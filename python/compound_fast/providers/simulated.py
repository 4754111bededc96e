"""A provider without a model: deterministic answers of plausible length, clearly marked as simulated."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

from compound_fast.errors import ConfigError, ProviderStatusError
from compound_fast.providers.asked import choices_asked, most_tokens

if TYPE_CHECKING:
    from compound_fast._core import Request
    from compound_fast.config import Config, ProviderConfig
    from compound_fast.providers import ProviderCall
    from compound_fast.types import JsonObject

__all__ = ["SimulatedProvider"]

MARK = "[simulated]"
MOST_CHOICES = 128  # as OpenAI has it
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
        answers = self._answers(call)
        if self._settings.sleep:
            await asyncio.sleep(self._virtual_ms(call) / 1e3)
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.content},
                "finish_reason": answer.finish_reason,
            }
            for index, answer in enumerate(answers)
        ]
        return {
            **_frame(call, answers),
            "object": "chat.completion",
            "choices": choices,
            "usage": _usage(call.request, answers),
        }

    async def stream(self, call: ProviderCall) -> AsyncIterator[JsonObject]:
        """Yield the same answer in pieces, one choice after the other."""
        answers = self._answers(call)
        frame = {**_frame(call, answers), "object": "chat.completion.chunk"}
        said = [answer.pieces() for answer in answers]
        pause_s = self._virtual_ms(call) / 1e3 / (sum(map(len, said)) + 1) if self._settings.sleep else None

        def chunk(index: int, delta: JsonObject, finish_reason: str | None = None) -> JsonObject:
            return {**frame, "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}

        for index, pieces in enumerate(said):
            yield chunk(index, {"role": "assistant", "content": ""})
            for piece in pieces:
                if pause_s is not None:
                    await asyncio.sleep(pause_s)
                yield chunk(index, {"content": piece})
            yield chunk(index, {}, answers[index].finish_reason)
        yield {**frame, "choices": [], "usage": _usage(call.request, answers)}

    def latency_ms(self, call: ProviderCall, measured_ms: float) -> float:  # noqa: ARG002
        """Return the virtual latency; what was measured says nothing about a model."""
        return self._virtual_ms(call)

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""

    def _answers(self, call: ProviderCall) -> list[_Answer]:
        """Return the `n` answers that the request asks for; more than a real server gives are refused as it would."""
        choices = choices_asked(call.request.body)
        if choices > MOST_CHOICES:
            raise ProviderStatusError(
                f"{self.name} answered 400: n={choices} is outside 1..{MOST_CHOICES}",
                provider=self.name,
                status_code=400,
                attempt=call.attempt,
            )
        return [self._answer(call.request, index) for index in range(choices)]

    def _answer(self, request: Request, index: int = 0) -> _Answer:
        """Draw answer `index`: 64 uniform bits are enough for its length (Box-Muller) and its place in the text."""
        settings = self._settings
        draw = request.hash(settings.seed + index & 0xFFFFFFFFFFFFFFFF)
        radius = math.sqrt(-2.0 * math.log(((draw >> 32) + 1) / 4294967297.0))
        normal = radius * math.cos(2.0 * math.pi * (draw & 0xFFFFFFFF) / 4294967296.0)
        tokens = round(math.exp(self._mu + settings.output_tokens_sigma * normal))
        tokens = min(max(tokens, 1), settings.output_tokens_max)
        limit = most_tokens(request.body)
        if limit is None or limit >= tokens:
            return _Answer(request, settings.output_tokens_max, draw, tokens, "stop")
        return _Answer(request, settings.output_tokens_max, draw, limit, "length")

    def _virtual_ms(self, call: ProviderCall) -> float:
        # The choices of one call are written side by side; the first one's length stands for all.
        answer = self._answer(call.request)
        # Another mix of the same bits (the golden ratio, as in Fibonacci hashing): in [0.9, 1.1).
        mixed = answer.draw * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        jitter = 0.9 + 0.2 * (mixed >> 11) / 9007199254740992.0
        tier = call.model.tier
        return jitter * (self._settings.first_token_ms[tier] + self._settings.ms_per_token[tier] * answer.tokens)


class _Answer(NamedTuple):
    request: Request
    longest: int
    draw: int
    tokens: int
    finish_reason: str

    @property
    def content(self) -> str:
        text, starts = _babble(self.longest)
        first = self.draw % (len(starts) // 2)
        content = MARK + text[starts[first] : starts[first + max(0, self.tokens - _MARK_TOKENS)]]
        return json.dumps({"answer": content}) if self.request.features.wants_json else content

    def pieces(self) -> list[str]:
        """Cut the content at blanks, which stay with the piece they begin."""
        words = self.content.split(" ")
        starts = range(0, len(words), _WORDS_PER_CHUNK)
        return [" " * (start > 0) + " ".join(words[start : start + _WORDS_PER_CHUNK]) for start in starts]


def _frame(call: ProviderCall, answers: list[_Answer]) -> JsonObject:
    return {"id": f"chatcmpl-sim-{answers[0].draw:016x}", "created": 0, "model": call.model.upstream_model}


def _usage(request: Request, answers: list[_Answer]) -> JsonObject:
    input_tokens = request.input_tokens
    output_tokens = sum(answer.tokens for answer in answers)
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


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
