"""What the drop-ins do where the cache beneath them fails: count, log, go on without it."""

from __future__ import annotations

import logging
import threading

__all__ = ["CacheFaults"]

_log = logging.getLogger(__name__)
_lock = threading.Lock()


class CacheFaults:
    """The part of a drop-in that counts the faults of its cache."""

    _cache_faults = 0

    @property
    def cache_faults(self) -> int:
        """How often the cache failed and a request went on without it."""
        return self._cache_faults

    def _note_fault(self, doing: str, error: Exception) -> None:
        with _lock:
            self._cache_faults += 1
        # Of the error only its kind: that of another library may quote what it was given.
        _log.warning("the cache failed at %s; the request goes on without it: %s", doing, type(error).__name__)
