"""What a hit costs under the HTTP clients and the OpenAI SDK, beside the round trip that it saves.

``make bench-python``, or ``pytest benches/python/bench_transport.py``; the SDK's cases need ``make adapters``. The
baseline in the same run, `test_round_trip`, is the same client asking a server on the loopback interface that answers
at once, over a connection that stays open: the least that any network can cost. `test_no_transport` is what the client
itself costs: its transport has the answer in hand.

Two shared cores of an AMD EPYC under other load, Python 3.11, microseconds of wall time, least and median::

                              httpx           httpx2
    test_no_transport       166    306      122    215
    test_hit[exact]         240    268      187    202
    test_hit[semantic]      250    279      196    211
    test_hit_as_a_stream    283    381      231    263
    test_async_hit          293    345      250    495
    test_round_trip         539    957      476    584
    test_miss               666  1,611      681  2,514
    test_sdk, round trip                  1,714  2,801    openai 3
    test_sdk, hit                         1,260  1,609
"""

from __future__ import annotations

import asyncio
import importlib
import socket
import threading

import pytest

import compound_fast as cf

ROUNDS = 2_000
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"real-1","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"' + b"It is on its way. " * 40 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":40,"completion_tokens":200,"total_tokens":240}}'
)
HEADERS = {"content-type": "application/json", "authorization": "Bearer key"}
MESSAGES = [
    {"role": "system", "content": "You answer customers of a shop. Be brief and kind. " * 8},
    {"role": "user", "content": "Hello, where is the order number 12345678 that I placed through the app?"},
]
BODY = {"model": "real-1", "messages": MESSAGES}
pytestmark = [pytest.mark.integration, pytest.mark.benchmark(group="transport")]


def _serve(listener: socket.socket) -> None:
    """Answer every request on every connection with `ANSWER`, until the listener is closed."""
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                received = b""
                while b"\r\n\r\n" not in received:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    received += piece
                head, _, body = received.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                while len(body) < length:
                    body += connection.recv(65536)
                connection.sendall(reply)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


@pytest.fixture(scope="module")
def url():
    """A server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=["httpx", "httpx2"])
def http(request):
    """Both modules."""
    return importlib.import_module(request.param)


def _measure(benchmark, ask, url):
    reply = ask()
    assert reply.content == ANSWER
    benchmark.pedantic(ask, rounds=ROUNDS, warmup_rounds=50)


def _post(client, url):
    return lambda: client.post(f"{url}/chat/completions", json=BODY, headers=HEADERS)


def test_no_transport(benchmark, http, url):
    """The client alone."""
    head = {"content-type": "application/json"}
    with http.Client(
        transport=http.MockTransport(lambda _: http.Response(200, headers=head, content=ANSWER))
    ) as client:
        _measure(benchmark, _post(client, url), url)


def test_round_trip(benchmark, http, url):
    """The client and a server that answers at once."""
    with http.Client() as client:
        _measure(benchmark, _post(client, url), url)


def test_miss(benchmark, http, url):
    """The same through the transport, nothing stored: what a request pays that is not served."""
    with http.Client(transport=cf.CacheTransport(cf.SemanticCache())) as client:
        ask = lambda: client.post(  # noqa: E731
            f"{url}/chat/completions", json=BODY, headers={**HEADERS, "x-cf-cache": "no-store"}
        )
        _measure(benchmark, ask, url)


@pytest.mark.parametrize("kind", ["exact", "semantic"])
def test_hit(benchmark, http, url, kind):
    """A hit instead."""
    with http.Client(transport=cf.CacheTransport(cf.SemanticCache())) as client:
        _post(client, url)()
        asked = BODY
        if kind == "semantic":
            text = MESSAGES[1]["content"].replace("Hello, where", "where")
            asked = {**BODY, "messages": [MESSAGES[0], {"role": "user", "content": text}]}
        ask = lambda: client.post(f"{url}/chat/completions", json=asked, headers=HEADERS)  # noqa: E731
        assert ask().headers["x-cf-served-from"] == kind
        _measure(benchmark, ask, url)


def test_async_hit(benchmark, http, url):
    """A hit under an asynchronous client, entering and leaving the event loop included."""
    loop = asyncio.new_event_loop()
    client = http.AsyncClient(transport=cf.CacheTransport(cf.SemanticCache()))

    async def ask():
        return await client.post(f"{url}/chat/completions", json=BODY, headers=HEADERS)

    loop.run_until_complete(ask())
    _measure(benchmark, lambda: loop.run_until_complete(ask()), url)
    loop.run_until_complete(client.aclose())
    loop.close()


def test_hit_as_a_stream(benchmark, http, url):
    """A hit replayed as a stream."""
    with http.Client(transport=cf.CacheTransport(cf.SemanticCache())) as client:
        _post(client, url)()
        ask = lambda: client.post(f"{url}/chat/completions", json={**BODY, "stream": True}, headers=HEADERS)  # noqa: E731
        assert ask().headers["x-cf-served-from"] == "exact"
        benchmark.pedantic(ask, rounds=ROUNDS, warmup_rounds=50)


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_sdk(benchmark, url, is_wrapped):
    """`openai.OpenAI`: a round trip, and a hit through `wrap`; most of either is the SDK."""
    openai = pytest.importorskip("openai", reason="make adapters installs it")
    plain = openai.OpenAI(api_key="key", base_url=url, max_retries=0)
    client = cf.wrap(plain, cf.SemanticCache()) if is_wrapped else plain
    ask = lambda: client.chat.completions.create(model="real-1", messages=MESSAGES)  # noqa: E731
    assert ask() == ask()
    benchmark.pedantic(ask, rounds=ROUNDS // 4, warmup_rounds=50)
    client.close()
