"""One event loop in a background thread, for callers without a loop of their own."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from compound_fast.errors import ClientError

__all__ = ["CLOSED", "BackgroundLoop", "Generators", "end_all"]

T = TypeVar("T")
Generators: TypeAlias = weakref.WeakSet[AsyncGenerator[Any, None]]

CLOSED = "the client is closed; make another one, or close it later"
_LONGEST_GOODBYE_S = 10.0  # at exit only; what is under way is cancelled, and takes no longer than to notice


class BackgroundLoop:
    """Runs coroutines on a thread of its own, started at the first `run`, and anew in a forked child.

    The thread knows nothing of this object: it ends by itself when nobody holds this any more, and at exit.

    Parameters
    ----------
    at_end : callable
        Awaited on the loop when it ends, after all else there.
    """

    def __init__(self, at_end: Callable[[], Awaitable[None]]) -> None:
        self._at_end = at_end
        self._lock = threading.Lock()
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._open: Generators = weakref.WeakSet()
        self._finalizer: weakref.finalize[[asyncio.AbstractEventLoop], BackgroundLoop] | None = None
        _loops.add(self)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and wait for it; interrupted (Ctrl-C), it is cancelled.

        Raises
        ------
        ClientError
            If the loop is closed, now or before `work` is done, or would wait for itself.
        """
        try:
            # Under the lock, so that `close` finds on the loop whatever was begun before it.
            with self._lock:
                future = asyncio.run_coroutine_threadsafe(work, self._running())
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except CancelledError:
            if not self._is_closed:
                raise
            raise ClientError("the client was closed while the call was under way") from None
        except BaseException:
            future.cancel()
            raise

    def hold(self, generator: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Return `generator`, which `close` ends where its user has not."""
        with self._lock:
            if self._is_closed:
                raise ClientError(CLOSED)
            self._open.add(generator)
        return generator

    def release(self, generator: AsyncGenerator[T, None]) -> None:
        """End `generator`, unless `close` has, or is about to."""
        try:
            self.run(generator.aclose())
        except ClientError:
            if not self._is_closed:
                raise

    def close(self) -> None:
        """Cancel what is under way, end what is open, and end the thread."""
        with self._lock:
            if not self._is_closed:
                loop = self._running()  # one that never ran is started: `at_end` needs it
                self._is_closed = True
                _stop(loop)
        if self._thread is not None:
            self._thread.join()

    def end_at_exit(self) -> None:
        """Close without waiting, and only what was started."""
        with self._lock:
            if self._loop is not None:
                self._is_closed = True
                _stop(self._loop)

    def forget_parent(self) -> None:
        """Begin anew in a forked child, which has neither the thread nor whoever held the lock."""
        self._lock = threading.Lock()
        if self._loop is not None and self._finalizer is not None:
            # Kept for ever: closing it would take the parent's sockets out of the selector that both share.
            _inherited.append(self._loop)
            self._finalizer.detach()
        self._loop = self._thread = self._finalizer = None
        self._open = weakref.WeakSet()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._is_closed:
            raise ClientError(CLOSED)
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            arguments = (self._loop, self._open, self._at_end)
            self._thread = threading.Thread(target=_serve, args=arguments, name="compound-fast", daemon=True)
            _threads.add(self._thread)
            self._thread.start()
            self._finalizer = weakref.finalize(self, _stop, self._loop)
            self._finalizer.atexit = False  # `_end_all` does it, and waits
        if threading.current_thread() is self._thread:
            raise ClientError(
                "a Client was called from its own event loop, which would wait for itself; use AsyncClient"
            )
        return self._loop


async def end_all(generators: Generators) -> None:
    """End each of the generators that is not inside a step; what it raises is its own affair."""
    # One after the other, and before `shutdown_asyncgens`: each ends those inside it, which must not be ended twice.
    for generator in list(generators):
        await asyncio.gather(generator.aclose(), return_exceptions=True)


def _serve(loop: asyncio.AbstractEventLoop, still_open: Generators, at_end: Callable[[], Awaitable[None]]) -> None:
    """Body of the thread: run the loop until it is stopped, then end what is on it."""
    try:
        loop.run_forever()
        loop.run_until_complete(_wind_up(still_open, at_end))
    finally:
        loop.close()


async def _wind_up(still_open: Generators, at_end: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(0)  # what was queued begins, so that a stream that was let go of just now is booked
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await end_all(still_open)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await at_end()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    with suppress(RuntimeError):  # it has ended already
        loop.call_soon_threadsafe(loop.stop)


_loops: weakref.WeakSet[BackgroundLoop] = weakref.WeakSet()
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_inherited: list[asyncio.AbstractEventLoop] = []


@atexit.register
def _end_all() -> None:
    # Before the interpreter goes: a daemon thread that is still inside the loop then would die at an arbitrary place.
    for loop in list(_loops):
        loop.end_at_exit()
    for thread in list(_threads):
        thread.join(_LONGEST_GOODBYE_S)


def _begin_anew_in_child() -> None:
    _threads.clear()
    for loop in list(_loops):
        loop.forget_parent()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_begin_anew_in_child)
