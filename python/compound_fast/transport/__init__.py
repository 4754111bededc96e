"""Drop-ins under an HTTP client that people already have: a transport for httpx and httpx2, and `wrap` for SDKs."""

from __future__ import annotations

from compound_fast.transport.caching import CacheTransport
from compound_fast.transport.wrapping import wrap

__all__ = ["CacheTransport", "wrap"]
