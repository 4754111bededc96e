"""One call for all who ask the same, in many orders of what may come first.

Tasks run on an event loop that draws which of those ready goes on. Threads take turns: only the one that holds the
baton runs, and at every line of the code of flights it is drawn who goes on. A seed that fails fails again.
"""

from __future__ import annotations

import asyncio
import functools
import random
import sys
import threading
from collections import Counter
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

import compound_fast as cf
from compound_fast import _cache_calls, _cache_flight

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = 3
MOST_TURNS = 50_000
"""More than threads take here: whoever is not done by then waits for nobody who will come."""


class Broken(Exception):  # noqa: N818 - stands for any exception of a provider
    """What a call may raise."""


class Asked:
    """Counts the calls, and those that run at the same time."""

    def __init__(self) -> None:
        self.calls: Counter[int] = Counter()
        self.running: Counter[int] = Counter()
        self.overlaps: Counter[int] = Counter()
        self.answered: Counter[int] = Counter()

    def begin(self, key: int) -> None:
        """Note that a call begins."""
        self.calls[key] += 1
        self.running[key] += 1
        self.overlaps[key] += self.running[key] > 1

    def answer(self, key: int) -> str:
        """Note that it gives an answer."""
        self.answered[key] += 1
        return f"answer {key}"

    def end(self, key: int) -> None:
        """Note that it is over."""
        self.running[key] -= 1

    def check(self) -> None:
        """Nobody called while another did, or for what was stored already."""
        assert not self.overlaps.total(), "two called at the same time"
        assert all(count == 1 for count in self.answered.values()), "what was stored was asked for again"


class DrawnLoop(asyncio.SelectorEventLoop):
    """Draws in which order the callbacks that are ready run."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        if not ready and not self._scheduled:  # type: ignore[attr-defined]
            raise AssertionError("some task waits for ever")
        order = list(ready)
        self._chance.shuffle(order)
        ready.clear()
        ready.extend(order)
        super()._run_once()  # type: ignore[misc]


@pytest.mark.parametrize("is_nested", [False, True], ids=["plain", "calls that ask"])
@pytest.mark.parametrize("seed", range(60))
def test_tasks_share_calls_in_any_order(seed, is_nested) -> None:
    """Whoever calls, fails or is cancelled when: all others get the answer to their request, or the leader's fault."""
    chance = random.Random(seed)
    asked = Asked()
    cache = cf.SemanticCache(policy="exact")
    loop = DrawnLoop(chance)

    async def ask(key: int, depth: int) -> str:
        async def call() -> str:
            asked.begin(key)
            try:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                if is_nested and depth < 3 and chance.random() < 0.5:
                    await ask(chance.randrange(KEYS), depth + 1)
                if chance.random() < 0.25:
                    raise Broken(key)
                return asked.answer(key)
            finally:
                asked.end(key)

        return (await cache.aget_or_call(f"question {key}", call)).response

    async def run() -> list[object]:
        keys = [chance.randrange(KEYS) for _ in range(8)]
        tasks = [loop.create_task(ask(key, 0)) for key in keys]
        for task in chance.sample(tasks, 3):
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return list(zip(keys, outcomes, strict=True))

    try:
        for key, outcome in loop.run_until_complete(run()):  # type: ignore[misc]
            is_fault = isinstance(outcome, (Broken, asyncio.CancelledError))
            assert outcome == f"answer {key}" or is_fault, outcome
            if isinstance(outcome, Broken) and not is_nested:
                assert outcome.args == (key,), "the fault of another request"
    finally:
        loop.close()
    assert cache._flights._calls.by_key == {}
    if not is_nested:
        asked.check()


class Baton:
    """Lets one thread run at a time, and draws which."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._gates: list[threading.Semaphore] = []
        self._alive: list[int] = []
        self._mine = threading.local()
        self.turns = 0
        self.is_stuck = False

    def run(self, works: list[Callable[[], None]]) -> None:
        """Run all, and return when all are done."""
        self._gates = [threading.Semaphore(0) for _ in works]
        self._alive = list(range(len(works)))
        threads = [threading.Thread(target=self._run, args=(n, work), daemon=True) for n, work in enumerate(works)]
        for thread in threads:
            thread.start()
        self._gates[self._chance.choice(self._alive)].release()
        for thread in threads:
            thread.join(60)
        assert not self.is_stuck
        assert not any(thread.is_alive() for thread in threads)

    def _run(self, number: int, work: Callable[[], None]) -> None:
        self._mine.number = number
        self._gates[number].acquire()
        sys.settrace(self._trace)
        try:
            work()
        finally:
            sys.settrace(None)
            self._alive.remove(number)
            if self._alive:
                self._gates[self._chance.choice(self._alive)].release()

    def switch(self) -> None:
        """Let somebody go on, perhaps this one."""
        number = self._mine.number
        self.turns += 1
        if self.turns > MOST_TURNS:
            self.is_stuck = True
            raise AssertionError("some thread waits for ever")
        chosen = self._chance.choice(self._alive)
        if chosen != number:
            self._gates[chosen].release()
            self._gates[number].acquire()

    def _trace(self, frame: Any, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in (_cache_flight.__file__, _cache_calls.__file__):
            return None
        if event == "line":
            self.switch()
        return self._trace


class TurnLock:
    """A lock whose waiters pass the baton on."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._is_held = False

    def __enter__(self) -> None:
        while self._is_held:
            self._baton.switch()
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False


@pytest.mark.parametrize("is_nested", [False, True], ids=["plain", "calls that ask"])
@pytest.mark.parametrize("seed", range(40))
def test_threads_share_calls_in_any_order(monkeypatch, seed, is_nested) -> None:
    """The same for threads, with a switch at any line: nobody waits for ever, or calls while another does."""
    chance = random.Random(seed)
    baton, asked = Baton(chance), Asked()

    class TurnFuture(Future):  # type: ignore[type-arg]
        def result(self, timeout: float | None = None) -> object:
            while not self.done():
                baton.switch()
            return super().result(timeout)

    flight = _cache_flight.Flight
    monkeypatch.setattr(_cache_flight, "Flight", lambda *, loop: flight(outcome=TurnFuture(), loop=loop))
    cache = cf.SemanticCache(policy="exact")
    cache._flights._calls.lock = TurnLock(baton)  # type: ignore[assignment]
    outcomes: list[tuple[int, object]] = []

    def ask(key: int, depth: int) -> str:
        def call() -> str:
            asked.begin(key)
            try:
                for _ in range(chance.randrange(4)):
                    baton.switch()
                if is_nested and depth < 3 and chance.random() < 0.5:
                    ask(chance.randrange(KEYS), depth + 1)
                what = chance.random()
                if what < 0.2:
                    raise Broken(key)
                if what < 0.4:
                    raise KeyboardInterrupt
                return asked.answer(key)
            finally:
                asked.end(key)

        return cache.get_or_call(f"question {key}", call).response

    def work(key: int) -> None:
        try:
            outcomes.append((key, ask(key, 0)))
        except (Broken, KeyboardInterrupt) as error:
            outcomes.append((key, error))

    baton.run([functools.partial(work, chance.randrange(KEYS)) for _ in range(5)])

    assert len(outcomes) == 5
    for key, outcome in outcomes:
        assert outcome == f"answer {key}" or isinstance(outcome, (Broken, KeyboardInterrupt)), outcome
        if isinstance(outcome, Broken) and not is_nested:
            assert outcome.args == (key,), "the fault of another request"
    assert cache._flights._calls.by_key == {}
    if not is_nested:
        asked.check()
