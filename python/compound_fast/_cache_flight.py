"""Calls under way: who asks what another is already asking waits for that answer."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import TracebackType
    from typing import Self

__all__ = ["APART", "Flight", "Flights", "Landed", "Seat"]


class Landed(NamedTuple):
    """What a call gave, for those who waited for it.

    Attributes
    ----------
    form, stored : str and bytes
        The answer, as an entry holds it.
    entry_id : str or None
        Its entry; None where it was not stored.
    model : str
        Who wrote it; "" where that was not said.
    cost_nano_usd : int or None
        What it cost, in nano-dollars; None where that is not known.
    """

    form: str
    stored: bytes
    entry_id: str | None
    model: str = ""
    cost_nano_usd: int | None = None


class _Apart:
    """In the place of an answer: it is no one else's, and each who waited calls for himself, beside the others."""


APART = _Apart()


@dataclass(frozen=True, slots=True)
class _Failed:
    """In the place of an answer: what the leader raised.

    A value, for a future of asyncio takes no StopIteration as its exception, and takes a CancelledError for its own.
    """

    error: Exception


@dataclass(eq=False, slots=True)
class Flight:
    """One call under way.

    Attributes
    ----------
    outcome : Future or None
        What it gave, made by the first who waits for it; of None = nothing, because its leader was cancelled, and
        somebody else has to lead.
    loop : AbstractEventLoop or None
        The event loop on which its leader is a task.
    waits_for : list of Flight
        Those that its leader, or something that its leader started, is waiting for.
    """

    outcome: Future[Landed | _Apart | _Failed | None] | None = None
    loop: AbstractEventLoop | None = None
    waits_for: list[Flight] = field(default_factory=list)


_led: ContextVar[tuple[Flight, ...]] = ContextVar("compound_fast_led", default=())
"""The flights that this code is part of. Tasks and `asyncio.to_thread` inherit it."""


class _Calls:
    """The calls under way in one process: a fork leaves the child none, for the threads that led them are not there."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.by_key: dict[int, Flight] = {}


class Flights:
    """The calls under way of one cache, by fingerprint; shared by its threads and tasks."""

    def __init__(self) -> None:
        self._calls = _Calls()

    def board(self, key: int) -> Seat:
        """Take a seat on the flight of that fingerprint: the leader's where there is none yet, else after its landing.

        The seat is to be left, as a context manager. A leader looks into the cache once more: an answer may have come
        between his miss and now, and its flight has landed already.
        """
        while True:
            seat = self._join(key, _running_loop(), blocks=True)
            if seat.role != "waits":
                return seat
            with seat:
                outcome = seat.awaited.result()
            if outcome is not None:
                return seat.after(outcome)

    async def aboard(self, key: int) -> Seat:
        """Do what `board` does, under asyncio, and hold up no event loop. Under another library nobody waits."""
        loop = _running_loop()
        if loop is None:
            return Seat(self._calls, key, Flight(), "goes alone", ())
        from asyncio import wrap_future

        while True:
            seat = self._join(key, loop, blocks=False)
            if seat.role != "waits":
                return seat
            with seat:
                outcome = await wrap_future(seat.awaited)
            if outcome is not None:
                return seat.after(outcome)

    def _join(self, key: int, loop: AbstractEventLoop | None, *, blocks: bool) -> Seat:
        """Take a seat; `blocks` = waiting would stop `loop`, which runs in this thread."""
        if self._calls.pid != os.getpid():
            self._calls = _Calls()
        calls = self._calls
        with calls.lock:
            flight = calls.by_key.get(key)
            if flight is None:
                flight = calls.by_key[key] = Flight(loop=None if blocks else loop)
                return Seat(calls, key, flight, "leads", ())
            stopped = list(_led.get())
            if blocks and loop is not None:
                stopped += [other for other in calls.by_key.values() if other.loop is loop]
            if _waits_for_any(flight, stopped):
                return Seat(calls, key, flight, "goes alone", ())  # it would wait for itself
            if flight.outcome is None:
                flight.outcome = Future()
                flight.outcome.set_running_or_notify_cancel()  # so that who waits cannot cancel it
            for mine in stopped:
                mine.waits_for.append(flight)
            return Seat(calls, key, flight, "waits", tuple(stopped))


@dataclass(slots=True)
class Seat:
    """A place on a flight. To be left, as a context manager: a leader who has not landed by then hands over.

    Attributes
    ----------
    role : {"leads", "waits", "goes alone"}
        Who leads calls for all; who goes alone calls, and nobody waits for him.
    landed : Landed or None
        What it was waited for; None where there is a call to be made.
    """

    _calls: _Calls
    _key: int
    flight: Flight
    role: str
    _stopped: tuple[Flight, ...]
    landed: Landed | None = None

    @property
    def awaited(self) -> Future[Landed | _Apart | _Failed | None]:
        """What one who waits waits for."""
        return cast("Future[Landed | _Apart | _Failed | None]", self.flight.outcome)

    def after(self, outcome: Landed | _Apart | _Failed) -> Seat:
        """Return the seat of one who has waited, or raise what the leader raised."""
        if isinstance(outcome, _Failed):
            raise outcome.error
        landed = outcome if isinstance(outcome, Landed) else None
        return Seat(self._calls, self._key, self.flight, "goes alone", (), landed)

    def land(self, outcome: Landed | _Apart) -> None:
        """Give the others the answer, where this is the leader."""
        if self.role == "leads":
            self._close(outcome)

    def calling(self) -> AbstractContextManager[None]:
        """Return a context for the call itself, so that what it starts does not wait for it."""
        return Leading(self.flight) if self.role == "leads" else nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.role == "waits":
            with self._calls.lock:
                for mine in self._stopped:
                    mine.waits_for.remove(self.flight)
        elif self.role == "leads":
            # Cancelled, interrupted, or nothing to do any more: the next one looks for itself.
            self._close(_Failed(error) if isinstance(error, Exception) else None)

    def _close(self, outcome: Landed | _Apart | _Failed | None) -> None:
        """Give an outcome to those who wait, the first one that there is."""
        # First out of the table: who comes from now on starts anew, or finds the answer in the cache.
        with self._calls.lock:
            if self._calls.by_key.get(self._key) is not self.flight:
                return  # it has landed
            del self._calls.by_key[self._key]
        if self.flight.outcome is not None:
            self.flight.outcome.set_result(outcome)


class Leading(AbstractContextManager[None]):
    """Marks what runs inside as part of a flight."""

    __slots__ = ("_flight", "_token")

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    def __enter__(self) -> None:
        self._token = _led.set((*_led.get(), self._flight))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _led.reset(self._token)


def _waits_for_any(flight: Flight, stopped: list[Flight]) -> bool:
    """Whether `flight` is one of those that stop until it lands, or waits for one that is."""
    seen: list[Flight] = []
    open_ends = [flight]
    while open_ends:
        one = open_ends.pop()
        if any(one is other for other in stopped):
            return True
        seen.append(one)
        open_ends += [other for other in one.waits_for if all(other is not known for known in seen)]
    return False


def _running_loop() -> AbstractEventLoop | None:
    """Return the event loop that runs in this thread; where asyncio was never imported, there is none."""
    import sys

    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return cast("AbstractEventLoop", asyncio.get_running_loop())
    except RuntimeError:
        return None
