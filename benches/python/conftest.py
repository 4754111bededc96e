"""Seeded workloads that the benchmarks draw from: the same on every machine and in every run."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator

import pytest

_VERBS = ("cancel", "track", "change", "return", "pay", "find", "review", "collect")
_NOUNS = ("order", "invoice", "parcel", "refund", "address", "account", "voucher", "booking")
_PLACES = ("the app", "your shop", "my phone", "Lisbon", "the website", "a letter", "Malta", "the depot")
_SYSTEM = "You answer customers of a shop. Be brief and kind."


def question(number: int) -> str:
    """The question of that number, with one order number: distinct numbers are distinct requests."""
    pick = random.Random(number).choice
    return (
        f"Hello, how do I {pick(_VERBS)} the {pick(_NOUNS)} number {100_000 + number} that I placed through "
        f"{pick(_PLACES)}? I would like to know what it costs."
    )


def question_without_slots(number: int) -> str:
    """A question without a number, so that all of them meet in one partition of the semantic tier."""
    draw = random.Random(number)
    words = ("w" + "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(6))
    return f"Where do I find {' '.join(words)} and what does it mean for me?"


def body(text: str) -> bytes:
    """A chat-completion body with `text` as its last turn after a system prompt."""
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}]
    return json.dumps({"model": "auto", "temperature": 0.2, "messages": messages}).encode()


@pytest.fixture
def bodies() -> Callable[[str], Iterator[bytes]]:
    """An endless stream of distinct bodies: ``bodies("with slots")`` or ``bodies("without slots")``."""
    make = {"with slots": question, "without slots": question_without_slots}

    def stream(kind: str) -> Iterator[bytes]:
        number = 0
        while True:
            yield body(make[kind](number))
            number += 1

    return stream


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop for a whole benchmark."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
