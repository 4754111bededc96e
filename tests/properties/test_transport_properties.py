"""What `CacheTransport` gathers from a body, however the network cuts it and wherever it ends."""

from __future__ import annotations

import gzip
import itertools
import json

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from compound_fast.transport.answers import Gathering, replayed
from compound_fast.transport.generations import generation_of
from loopback import completion, events

GENERATION = generation_of(httpx.Request("POST", "http://localhost"))
texts = st.lists(st.text(), min_size=1, max_size=5).filter(any)


def gathered(pieces: list[bytes], *, kind: str = "text/event-stream", encoding: str | None = None) -> list[dict]:
    """The completions that a body of these pieces adds up to."""
    headers = {"content-type": kind} | ({"content-encoding": encoding} if encoding else {})
    kept: list[dict] = []
    gathering = Gathering(GENERATION, httpx.Response(200, headers=headers), lambda raw, _: kept.append(raw))
    for piece in pieces:
        gathering.add(piece)
    gathering.finish()
    return kept


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """`body` in pieces."""
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def said(raw: dict) -> str | None:
    """The text of a completion."""
    return raw["choices"][0]["message"]["content"]


@given(texts, st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
@example(["Grüße"], list(range(400)), b"\r\n", False)
def test_a_stream_is_gathered_however_it_is_cut(pieces, places, line_end, is_packed):
    """The pieces of the network, the line ends and the compression change nothing, and it is kept once."""
    body = b"".join(events(*pieces)).replace(b"\n", line_end)
    if is_packed:
        body = gzip.compress(body)

    (raw,) = gathered(cut(body, places), encoding="gzip" if is_packed else None)

    assert said(raw) == "".join(pieces)


@given(texts, st.integers(1, 10_000), st.booleans())
def test_a_stream_that_ends_early_is_never_kept(pieces, missing, is_packed):
    """Wherever a stream is cut before its end mark, nothing of it is kept."""
    body = b"".join(events(*pieces))
    short = body[: max(len(body) - len(b"]\n\n") - missing, 0)]

    assert gathered([gzip.compress(short) if is_packed else short], encoding="gzip" if is_packed else None) == []


@given(st.text(min_size=1), st.integers(1, 10_000))
def test_a_body_that_ends_early_is_never_kept(text, missing):
    """A whole answer is kept only whole."""
    body = json.dumps(completion(text)).encode()

    assert said(gathered([body], kind="application/json")[0]) == text
    assert gathered([body[: max(len(body) - missing, 0)]], kind="application/json") == []


@given(st.text(min_size=1), st.booleans())
def test_what_is_replayed_as_a_stream_is_what_was_stored(text, include_usage):
    """A stored answer that is replayed as a stream adds up to itself."""
    stored = completion(text)

    (raw,) = gathered([replayed(stored, include_usage=include_usage)])

    assert said(raw) == text
    assert raw.get("usage") == (stored["usage"] if include_usage else None)
