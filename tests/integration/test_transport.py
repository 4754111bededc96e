"""`CacheTransport` under the real clients of httpx and httpx2, synchronous and asynchronous, against a real server."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import logging
import threading

import pytest

import compound_fast as cf
from callers import BODY, REWORDED, STREAM, data, source, text
from compound_fast.transport import answers
from loopback import answer, completion, events, reset, status, stream


async def test_a_second_request_is_served_from_the_cache(caller, loopback):
    """The same words are an exact hit, other words for them a semantic one, and the body is the server's own."""
    first = await caller.post(loopback)
    second = await caller.post(loopback)
    third = await caller.post(loopback, REWORDED)

    assert [source(response) for response in (first, second, third)] == ["model", "exact", "semantic"]
    assert isinstance(second, caller.http.Response)
    assert second.content == first.content == third.content
    assert second.headers["content-type"] == "application/json"
    assert second.headers["x-cf-entry-id"] == third.headers["x-cf-entry-id"]
    assert len(loopback.received) == 1
    assert caller.faults == 0


async def test_a_stream_passes_unchanged_and_is_replayed(caller, loopback):
    """The bytes of a stream are the server's, however they are cut; a hit says the same text, as stream or whole."""
    sent = b"".join(events("Grüße, ", "it is ", "on its way."))
    loopback.script = [stream([sent[start : start + 7] for start in range(0, len(sent), 7)])]

    first = b"".join(await caller.pieces(loopback))
    second = b"".join(await caller.pieces(loopback))
    whole = await caller.post(loopback)

    assert first == sent
    assert text(second) == "Grüße, it is on its way."
    assert data(second)[-1] == "[DONE]"
    assert data(second)[-2]["choices"][0]["finish_reason"] == "stop"
    assert whole.json()["choices"][0]["message"]["content"] == "Grüße, it is on its way."
    assert (source(whole), whole.json()["usage"]["completion_tokens"]) == ("exact", 3)
    assert len(loopback.received) == 1


async def test_an_answer_in_one_piece_is_replayed_as_a_stream(caller, loopback):
    """Who asks for a stream gets one from an answer that was stored whole, with its usage where that is asked for."""
    await caller.post(loopback)

    plain = data(b"".join(await caller.pieces(loopback)))
    counted = data(b"".join(await caller.pieces(loopback, {**STREAM, "stream_options": {"include_usage": True}})))

    assert not any(chunk.get("usage") for chunk in plain[:-1])
    assert counted[-2]["usage"]["total_tokens"] == 12
    assert len(loopback.received) == 1


async def test_a_stream_without_usage_is_counted_here(caller, loopback):
    """A stored stream whose server did not say its usage is served whole with our own count."""
    loopback.script = [stream(events("On its way.", usage=None))]
    await caller.pieces(loopback)

    whole = await caller.post(loopback)

    usage = whole.json()["usage"]
    assert usage["prompt_tokens"] > 5
    assert usage["completion_tokens"] == cf.Tokenizer.get("o200k_base").count("On its way.")


def _tool_calls() -> list[bytes]:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    return [
        b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
        for choice in (
            {"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": "tool_calls"},
        )
    ] + [b"data: [DONE]\n\n"]


def _with_audio() -> list[bytes]:
    first, second, *rest = events("The answer.")
    spoken = json.loads(second.removeprefix(b"data: "))
    spoken["choices"][0]["delta"]["audio"] = {"data": "aGVsbG8="}
    return [first, b"data: " + json.dumps(spoken).encode() + b"\n\n", *rest]


STREAMS_NOT_STORED = {
    "cut before its finish reason": stream(events("On its", finish_reason=None, usage=None, done=False)),
    "without [DONE]": stream(events("On its", done=False)),
    "[DONE] without a finish reason": stream(events("On its", finish_reason=None)),
    "cut by its length": stream(events("On its", finish_reason="length")),
    "filtered": stream(events("On its", finish_reason="content_filter")),
    "with an error in it": stream([events("On its")[1], b'data: {"error": {"message": "no"}}\n\n', *events("way.")]),
    "of tool calls": stream(_tool_calls()),
    "with a field that adds up to nothing known": stream(_with_audio()),
    "with an event that is no JSON": stream([b"data: {\n\n", *events("On its way.")]),
    "of nothing": stream([]),
}


@pytest.mark.parametrize("kind", STREAMS_NOT_STORED)
async def test_a_stream_that_is_no_whole_answer_in_text_is_not_stored(caller, loopback, kind):
    """It passes as it is, and the next request goes to the server again."""
    loopback.script = [STREAMS_NOT_STORED[kind], answer("Fresh.")]

    await caller.pieces(loopback)
    again = await caller.post(loopback)

    assert source(again) == "model"
    assert len(loopback.received) == 2
    assert caller.faults == 0


async def test_a_broken_stream_breaks_for_the_reader_too_and_is_not_stored(caller, loopback):
    """A connection that ends in the middle is the reader's error, not an answer."""

    async def cut(connection):
        connection.reset()

    loopback.script = [stream(events("On its")[:2], after=cut), answer("Fresh.")]
    with pytest.raises(caller.http.HTTPError):
        await caller.pieces(loopback)

    assert source(await caller.post(loopback)) == "model"


async def test_leaving_a_stream_early_ends_it_at_the_server_and_stores_nothing(caller, loopback):
    """Who stops reading hangs up; half an answer is never stored."""

    async def wait(connection):
        await connection.until_hung_up()

    loopback.script = [stream([b"".join(events("On ", "its ", "way.", done=False)[:2])], after=wait), answer("Fresh.")]
    await caller.pieces(loopback, most=1)

    assert await asyncio.to_thread(loopback.hung_up.wait, 5)
    assert source(await caller.post(loopback)) == "model"


async def test_a_reader_that_stops_at_the_end_mark_has_a_stored_answer(caller, loopback):
    """SDKs stop reading at [DONE] and never reach the end of the body."""

    async def wait(connection):
        await connection.until_hung_up()

    loopback.script = [stream([b"".join(events("On its way."))], after=wait)]
    await caller.pieces(loopback, most=1)

    assert source(await caller.post(loopback)) == "exact"


ANSWERS_NOT_STORED = {
    "an error": status(500, b'{"error": {"message": "no"}}'),
    "a redirect": status(302, b"", "location: /elsewhere"),
    "accepted": status(202, json.dumps(completion()).encode()),
    "no JSON": status(200, b"<html>"),
    "no completion": status(200, b'{"object": "list"}'),
    "an error of status 200": status(200, b'{"error": {"message": "no"}}'),
    "cut by its length": answer("On its", finish_reason="length"),
    "filtered": answer("On its", finish_reason="content_filter"),
    "a list": status(200, b"[]"),
    "empty": status(200, b""),
}


@pytest.mark.parametrize("kind", ANSWERS_NOT_STORED)
async def test_what_is_no_whole_answer_passes_and_is_not_stored(caller, loopback, kind):
    """Status and body are the server's, and the next request is asked again."""
    loopback.script = [ANSWERS_NOT_STORED[kind], answer("Fresh.")]

    first = await caller.post(loopback)
    again = await caller.post(loopback)

    assert source(first) == source(again) == "model"
    assert again.json()["choices"][0]["message"]["content"] == "Fresh."
    assert caller.faults == 0


@pytest.mark.parametrize("is_stream", [False, True])
async def test_fewer_answers_than_were_asked_for_are_not_stored(caller, loopback, is_stream):
    """One answer where two were asked for is not repeated to the next who asks for two."""
    loopback.script = [stream(events("One.")) if is_stream else answer("One."), answer("Fresh.")]

    await caller.pieces(loopback, {**BODY, "n": 2, "stream": is_stream})

    assert source(await caller.post(loopback, {**BODY, "n": 2})) == "model"


async def test_json_that_was_asked_for_and_did_not_come_is_not_stored(caller, loopback):
    """An answer that does not parse, though JSON was asked for, is not repeated to the next who asks."""
    body = {**BODY, "response_format": {"type": "json_object"}}
    loopback.script = [answer("Sure! {"), answer('{"status": "sent"}')]

    replies = [await caller.post(loopback, body) for _ in range(3)]

    assert [source(reply) for reply in replies] == ["model", "model", "exact"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_compressed_answer_passes_compressed_and_is_stored_plain(caller, loopback, is_stream):
    """The reader gets the bytes of the server; a hit is plain JSON."""
    plain = b"".join(events("On its way.")) if is_stream else json.dumps(completion("On its way.")).encode()
    packed = gzip.compress(plain)
    kind = "text/event-stream" if is_stream else "application/json"

    async def behave(connection):
        await connection.head(200, f"content-type: {kind}", "content-encoding: gzip")
        await connection.send(packed[:20])
        await connection.send(packed[20:])

    loopback.script = [behave]
    passed = b"".join(await caller.pieces(loopback, STREAM if is_stream else BODY))
    hit = await caller.post(loopback)

    assert passed == packed
    assert source(hit) == "exact"
    assert "content-encoding" not in hit.headers
    assert hit.json()["choices"][0]["message"]["content"] == "On its way."


@pytest.mark.parametrize("is_packed", [False, True])
async def test_an_answer_that_is_too_long_is_passed_on_and_not_stored(caller, loopback, monkeypatch, is_packed):
    """Past the limit nothing is kept; a small body that unpacks to a large one counts as large."""
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 2_000)
    body = json.dumps(completion("x" * 4_000)).encode()
    headers = ["content-encoding: gzip"] if is_packed else []
    loopback.script = [status(200, gzip.compress(body) if is_packed else body, *headers), answer("Fresh.")]

    first = await caller.post(loopback)

    assert first.content == body
    assert source(await caller.post(loopback)) == "model"


async def test_something_else_stored_under_a_request_is_no_answer(caller, loopback, caplog):
    """An entry that is no completion is not served as one."""
    caller.options = {"tenant": "", "namespace": ""}
    for stored in (b'{"answer": 42}', {"choices": []}):
        caller.cache.put(BODY, stored)
        assert source(await caller.post(loopback, headers={"x-cf-cache": "no-store"})) == "model"


async def test_a_fault_inside_the_cache_is_counted_logged_and_a_miss(caller, loopback, caplog):
    """A cache that fails at looking up and at storing leaves the answer alone, and the log without the prompt."""

    class Broken:
        def get(self, *arguments, **options):  # noqa: ARG002
            raise cf.InternalError("where is order 12345678")

        get_again = put = get

        def fingerprint(self, request):  # noqa: ARG002
            return 1

    caller.cache._core = Broken()
    with caplog.at_level(logging.WARNING):
        reply = await caller.post(loopback)

    assert reply.json() == completion()
    assert caller.faults == 3  # at each of the two look-ups, and at storing
    assert "InternalError" in caplog.text
    assert "12345678" not in caplog.text


async def test_many_calls_at_once_get_their_own_answers(module, loopback):
    """One transport under many tasks and threads: each gets the answer to its own question, streams and hits mixed."""

    async def echo(connection):
        said = connection.server.received[-1].body["messages"][0]["content"]
        await connection.head(200, "content-type: application/json")
        await connection.send(json.dumps(completion(f"re: {said}")).encode())

    loopback.script = [echo]
    http = importlib.import_module(module)
    transport = cf.CacheTransport(cf.SemanticCache())
    wrong: list[str] = []

    def ask(number: int) -> tuple[str, dict]:
        asked = f"Where is order {10_000_000 + number % 20}?"
        return asked, {"messages": [{"role": "user", "content": asked}]}

    def check(asked: str, said: str) -> None:
        if said != f"re: {asked}":
            wrong.append(said)

    def threaded(start: int) -> None:
        client = http.Client(transport=transport)  # closed with the others, below: they share the transport
        for number in range(start, start + 20):
            asked, body = ask(number)
            reply = client.post(loopback.base_url + "/chat/completions", json=body)
            check(asked, reply.json()["choices"][0]["message"]["content"])

    async with http.AsyncClient(transport=transport, timeout=30) as client:

        async def one(number: int) -> None:
            asked, body = ask(number)
            reply = await client.post(loopback.base_url + "/chat/completions", json={**body, "stream": number % 2 == 0})
            body_text = reply.text
            is_events = reply.headers["content-type"].startswith("text/event-stream")
            said = text(reply.content) if is_events else json.loads(body_text)["choices"][0]["message"]["content"]
            check(asked, said)

        threads = [threading.Thread(target=threaded, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(one(number) for number in range(60)))
        for thread in threads:
            await asyncio.to_thread(thread.join)
    transport.close()

    assert wrong == []
    assert transport.cache_faults == 0
    assert len(loopback.received) < 140


async def test_the_transport_beneath_is_used_and_closed(caller, loopback):
    """A transport that is given carries the misses, and is closed with this one."""
    kind = caller.http.AsyncHTTPTransport if caller.is_async else caller.http.HTTPTransport
    closed = []

    class Beneath(kind):
        def close(self):
            closed.append("close")
            super().close()

        async def aclose(self):
            closed.append("aclose")
            await super().aclose()

    caller.options = {"inner": Beneath()}

    await caller.post(loopback)

    assert len(loopback.received) == 1
    assert closed == ["aclose" if caller.is_async else "close"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_answer_that_the_transport_beneath_has_read_is_stored(caller, loopback, is_stream):
    """Recorders, and other caches, hand over responses that no one reads from their stream any more."""
    plain = b"".join(events("On its way.")) if is_stream else json.dumps(completion("On its way.")).encode()
    kind = "text/event-stream" if is_stream else "application/json"
    headers = {"content-type": kind, "content-encoding": "gzip"}
    reply = caller.http.Response(200, headers=headers, content=gzip.compress(plain))
    caller.options = {"inner": caller.http.MockTransport(lambda _: reply)}

    first = await caller.post(loopback, STREAM if is_stream else BODY)
    second = await caller.post(loopback)

    assert first.content == plain
    assert second.json()["choices"][0]["message"]["content"] == "On its way."
    assert (source(first), source(second)) == ("model", "exact")


async def test_a_transport_of_the_other_kind_is_refused_by_name(caller, loopback):
    """A synchronous transport beneath an asynchronous client is named, with what is needed."""
    kind = "HTTPTransport" if caller.is_async else "AsyncHTTPTransport"
    caller.options = {"inner": getattr(caller.http, kind)()}

    with pytest.raises(TypeError, match=kind):
        await caller.post(loopback)


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        (({},), {}, "dict is no SemanticCache"),
        ((cf.SemanticCache(), "http"), {}, "str is no transport"),
        ((cf.SemanticCache(),), {"tenant": 3}, "tenant=3"),
    ],
)
def test_wrong_arguments_are_named(arguments, options, named):
    """What is no cache, no transport or no name is refused when the transport is made."""
    with pytest.raises(cf.ConfigError, match=named):
        cf.CacheTransport(*arguments, **options)


async def test_a_server_that_breaks_the_connection_is_the_callers_error(caller, loopback):
    """Errors of the transport beneath reach the caller as they are."""
    loopback.script = [reset]

    with pytest.raises(caller.http.TransportError):
        await caller.post(loopback)
