"""Carrying a route out: which model is asked when, what is tried again, and what an answer is made of."""

from __future__ import annotations

from compound_fast.dispatch.attempts import Answer, Dispatcher, OpenStream
from compound_fast.dispatch.chunks import ChunkAssembler, completion_chunks

__all__ = ["Answer", "ChunkAssembler", "Dispatcher", "OpenStream", "completion_chunks"]
