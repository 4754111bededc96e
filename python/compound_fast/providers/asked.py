"""What a body asks for beside its messages; it is parsed only where it may say so."""

from __future__ import annotations

import json

__all__ = ["choices_asked", "most_tokens", "wants_usage"]


def choices_asked(body: bytes) -> int:
    """Return how many answers a body asks for (`n`); 1 where it says nothing that can be."""
    asked = json.loads(body).get("n") if b'"n"' in body else None
    return asked if type(asked) is int and asked > 0 else 1


def most_tokens(body: bytes) -> int | None:
    """Return the most output tokens that a body allows."""
    if b'"max_' not in body:
        return None
    asked = json.loads(body)
    limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
    return limit if isinstance(limit, int) and limit > 0 else None


def wants_usage(body: bytes) -> bool:
    """Return whether the caller of a stream asked for the usage."""
    if b'"include_usage"' not in body:
        return False
    asked = json.loads(body).get("stream_options")
    return isinstance(asked, dict) and asked.get("include_usage") is True
