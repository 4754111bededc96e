"""Embedders of one's own, and the one that ships, behind one protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from compound_fast.embedders import Embedder, OpenAIEmbedder, StaticEmbedder
from compound_fast.errors import ConfigError, DispatchError, TextError


def server(seen: list[dict[str, object]]) -> httpx.MockTransport:
    """Answer each text with (its length, 1), in reverse order."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        seen.append({"path": request.url.path, "key": request.headers.get("authorization"), **body})
        rows = [{"index": at, "embedding": [len(text), 1]} for at, text in enumerate(body["input"])]
        return httpx.Response(200, json={"data": rows[::-1]})

    return httpx.MockTransport(answer)


def test_texts_are_sent_in_batches_and_come_back_in_order() -> None:
    """Each vector is that of its text, of unit length, whatever the order of the answer."""
    seen: list[dict[str, object]] = []
    embedder = OpenAIEmbedder("m", base_url="http://host/v1", api_key="k", batch=2, transport=server(seen))

    vectors = embedder.embed_batch(["a", "bb", "ccc"])

    assert vectors.shape == (3, 2)
    assert np.allclose(vectors[:, 0] / vectors[:, 1], [1, 2, 3])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert [(call["path"], call["key"], call["input"]) for call in seen] == [
        ("/v1/embeddings", "Bearer k", ["a", "bb"]),
        ("/v1/embeddings", "Bearer k", ["ccc"]),
    ]
    assert embedder.id == "openai:m"


@pytest.mark.parametrize(
    ("response", "retryable"),
    [(httpx.Response(429), True), (httpx.Response(401), False), (httpx.Response(200, json={"data": []}), True)],
)
def test_a_refusal_is_a_dispatch_error_without_texts(response: httpx.Response, *, retryable: bool) -> None:
    """An error says what happened, whether to try again, and never what was asked."""
    transport = httpx.MockTransport(lambda _: response)
    embedder = OpenAIEmbedder("m", base_url="http://host/v1", api_key="secret-key", transport=transport)

    with pytest.raises(DispatchError) as raised:
        embedder.embed("private words")

    assert raised.value.retryable == retryable
    assert "private" not in str(raised.value)
    assert "secret-key" not in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [
        None, 3, [3], [{"index": 0}], [{"index": 0, "embedding": "x"}], [{"index": 0, "embedding": [[1.0]]}],
        [{"index": 0, "embedding": []}], [{"index": 0, "embedding": ["x"]}], [{"index": 0, "embedding": [1e39]}],
        [{"index": 0, "embedding": [10**400]}], [{"index": 0, "embedding": [1]}, {"index": "1", "embedding": [1]}],
        [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}],
    ],
)  # fmt: skip
def test_an_answer_that_holds_no_vectors_is_a_dispatch_error(data: object) -> None:
    """Whatever shape a server sends, the error is ours, and asking again may help."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=json.dumps({"data": data}).encode()))
    embedder = OpenAIEmbedder("m", base_url="http://host/v1", transport=transport)

    with pytest.raises(DispatchError) as raised:
        embedder.embed_batch(["a", "b"] if isinstance(data, list) and len(data) == 2 else ["a"])
    assert raised.value.retryable


def test_a_text_that_is_not_utf8_is_refused_without_it() -> None:
    """A lone surrogate has no form that could be sent; the error is not chained to one that holds the text."""
    with pytest.raises(TextError) as raised:
        OpenAIEmbedder("m", base_url="http://host/v1", transport=server([])).embed("private \ud800")
    assert raised.value.__suppress_context__


def test_a_batch_of_none_is_refused() -> None:
    """The number of texts a call is at least one."""
    with pytest.raises(ConfigError, match="batch=0"):
        OpenAIEmbedder("m", base_url="http://host/v1", batch=0)


def test_the_static_embedder_keeps_the_protocol() -> None:
    """It has an id, and gives one row a text; the row is the vector of the text alone."""
    embedder = StaticEmbedder()

    assert isinstance(embedder, Embedder)
    rows = embedder.embed_batch(["Where is my order?", ""])
    assert rows.shape == (2, embedder.dim)
    assert (rows[0] == embedder.embed("Where is my order?")).all()
    assert not rows[1].any()
    with pytest.raises(TextError, match="lone surrogate"):
        embedder.embed("\ud800")
    assert embedder.coverage("Where is my order?") > 0.99


def test_a_reply_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that goes on sending does not fill the memory; the batch is what to make smaller."""
    monkeypatch.setattr("compound_fast.embedders.openai.MAX_REPLY_BYTES", 10_000)
    sent = 0

    def without_end() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b" " * 1000

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=without_end()))
    embedder = OpenAIEmbedder("m", base_url="http://host/v1", batch=8, transport=transport)

    with pytest.raises(DispatchError, match="larger than 10000 bytes; make batch=8 smaller") as raised:
        embedder.embed("text")

    assert sent == 11_000
    assert not raised.value.retryable


def test_one_str_is_no_batch_of_texts() -> None:
    """A str where a list of texts belongs is refused by every embedder, and not read as a text a character."""
    for embedder in (StaticEmbedder(), OpenAIEmbedder("m", base_url="http://host/v1", transport=server([]))):
        with pytest.raises(ConfigError, match=r"call embed\(text\)"):
            embedder.embed_batch("abc")


def test_an_embedder_shows_its_name_and_no_key() -> None:
    """A printed embedder says which it is."""
    remote = OpenAIEmbedder("m", base_url="http://host/v1", api_key="secret", transport=server([]))

    assert repr(StaticEmbedder()) == 'StaticEmbedder(id="static-en-256-v1", dim=256)'
    assert repr(remote) == "OpenAIEmbedder('m', base_url='http://host/v1/')"
