"""Looks at the calls under way of a `Flights`, so that a test can wait until others wait for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from compound_fast._cache_flight import Flight, Flights

LIMIT_S = 20
"""Longer than any of these takes; what waits for itself would wait for ever."""


def under_way(flights: Flights) -> list[Flight]:
    """Every call that has not landed."""
    return list(flights._calls.by_key.values())


def waiting(flights: Flights) -> int:
    """How many wait: tasks by callback, threads on the condition of the standard library."""
    outcomes = [flight.outcome for flight in under_way(flights) if flight.outcome is not None]
    return sum(len(outcome._done_callbacks) + len(outcome._condition._waiters) for outcome in outcomes)


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so that another thread brings about."""
    deadline = threading.Event()
    for _ in range(LIMIT_S * 200):
        if condition():
            return
        deadline.wait(0.005)
    raise AssertionError("it never came to be so")
