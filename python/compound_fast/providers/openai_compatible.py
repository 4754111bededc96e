"""Any server that speaks OpenAI's chat-completion API, over httpx."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

# The module that this file is written against; httpx2, its successor, shares every name used here.
import httpx

from compound_fast.errors import (
    ConfigError,
    DispatchError,
    ProviderConnectionError,
    ProviderStatusError,
    ProviderTimeoutError,
    RateLimitedError,
    ResponseValidationError,
    StreamInterruptedError,
)
from compound_fast.providers.sse import EventStreamParser

if TYPE_CHECKING:
    from compound_fast.config import Config, ProviderConfig
    from compound_fast.providers import ProviderCall
    from compound_fast.types import JsonObject

__all__ = ["OpenAICompatibleProvider"]

MAX_ANSWER_BYTES = 64 << 20
"""Most bytes of an answer, in one piece or as a stream: a server that sends without end does not fill the memory."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""No connection was made, so that no model can have read the request."""

_REMEDIES = {
    400: "the request does not suit this server or model",
    401: "check the key that its api_key names",
    403: "the key that its api_key names may not use this model",
    404: "check its base_url, and the model's upstream_model",
    422: "the request does not suit this server or model",
    429: "the provider limits the rate",
}


class OpenAICompatibleProvider:
    """Sends the body as it came, with the model's own name in it.

    One connection pool per event loop, made at the first call: a loop in another thread or a forked process gets its
    own, since sockets of an event loop serve no other.
    """

    simulated = False

    def __init__(self, provider: ProviderConfig, config: Config) -> None:
        if provider.base_url is None:
            raise ConfigError(
                f"{config.source}: providers.{provider.name}.base_url is missing; {provider.kind} sends to a server"
            )
        self.name = provider.name
        self._settings = provider
        self._url = f"{provider.base_url}/chat/completions"
        try:
            httpx.URL(self._url)
        except httpx.InvalidURL as error:
            raise ConfigError(
                f"{config.source}: providers.{provider.name}.base_url {provider.base_url!r} is no address: {error}"
            ) from None
        self._clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}

    async def complete(self, call: ProviderCall) -> JsonObject:
        """Return the completion object as the server sent it."""
        silence_s = _remaining_s(call)
        body = self._body(call, stream=False)
        async with self._response(call, body, silence_s) as response, asyncio.timeout(_remaining_s(call)):
            return self._object(await _read(response, MAX_ANSWER_BYTES))

    async def stream(self, call: ProviderCall) -> AsyncIterator[JsonObject]:
        """Yield chunks as they come."""
        passed_on = 0
        size = 0
        ended = False
        try:
            async with self._response(call, self._body(call, stream=True), self._settings.idle_timeout_s) as response:
                parser = EventStreamParser()
                pieces = aiter(response.aiter_bytes())
                while not ended:
                    async with asyncio.timeout(_remaining_s(call)):
                        piece = await anext(pieces, None)
                    size += len(piece or b"")
                    if size > MAX_ANSWER_BYTES:
                        raise self._interrupted(call, passed_on, f"it is larger than {MAX_ANSWER_BYTES} bytes")
                    try:
                        events = parser.finish() if piece is None else parser.feed(piece)
                    except ValueError as error:
                        raise self._interrupted(call, passed_on, str(error)) from None
                    ended = piece is None
                    for event in events:
                        if event == b"[DONE]":
                            ended = True
                            break
                        chunk = self._chunk(event, call, passed_on)
                        yield chunk
                        passed_on += 1
        except (ProviderConnectionError, ProviderTimeoutError) as error:
            if passed_on == 0:  # nothing was begun: the same fault as without a stream
                raise
            is_silent = isinstance(error, ProviderTimeoutError)
            why = "it fell silent, or ran past its time" if is_silent else "the connection broke"
            raise self._interrupted(call, passed_on, why) from error

    def latency_ms(self, call: ProviderCall, measured_ms: float) -> float:  # noqa: ARG002
        """Return what was measured."""
        return measured_ms

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            # A client holds on to its loop, so that no weak reference would ever end it.
            for other in list(self._clients):
                if other.is_closed():
                    self._clients.pop(other, None)
            limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
            client = self._clients[loop] = httpx.AsyncClient(limits=limits)
        return client

    @staticmethod
    def _body(call: ProviderCall, *, stream: bool) -> bytes:
        body: JsonObject = json.loads(call.request.body)
        body.pop("stream", None)
        body.pop("stream_options", None)
        body["model"] = call.model.upstream_model
        if stream:
            # Usage is asked for whether or not the caller did: the ledger needs it.
            body.update(stream=True, stream_options={"include_usage": True})
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    @asynccontextmanager
    async def _response(self, call: ProviderCall, body: bytes, silence_s: float) -> AsyncIterator[httpx.Response]:
        """Send, and give the response with its head read; every httpx error leaves as one of ours."""
        headers = {"content-type": "application/json"}
        key = self._settings.read_api_key()
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        timeout = httpx.Timeout(silence_s, connect=self._settings.connect_timeout_s)
        client = self._client()
        request = client.build_request("POST", self._url, content=body, headers=headers, timeout=timeout)
        response: httpx.Response | None = None
        try:
            # Not around the yield: a timeout's scope must end in the task that began it, and a caller may
            # take each chunk in a task of its own.
            async with asyncio.timeout(_remaining_s(call)):
                response = await client.send(request, stream=True)
                if response.status_code != 200:
                    raise await self._status_error(call, response)
            yield response
        except (httpx.TimeoutException, TimeoutError) as error:
            waited = "did not connect" if isinstance(error, httpx.ConnectTimeout) else "did not answer"
            raise ProviderTimeoutError(
                f"{self.name} {waited} in time; its connect_timeout_s, idle_timeout_s and timeout_s "
                "say how long that is",
                provider=self.name,
                attempt=call.attempt,
                retryable=True,
                may_be_billed=not isinstance(error, _NEVER_SENT),
            ) from None
        except (httpx.HTTPError, httpx.StreamError, UnicodeError) as error:  # UnicodeError: a host name too long
            # Of the error only its kind, and no cause: its text may quote a header, or an address with what a proxy
            # added to it. What the operating system says of a connection that was not made holds neither.
            why = f": {error}" if isinstance(error, httpx.ConnectError) else ""
            raise ProviderConnectionError(
                f"the connection to {self.name} failed ({type(error).__name__}{why}); check its base_url",
                provider=self.name,
                attempt=call.attempt,
                retryable=True,
                may_be_billed=not isinstance(error, (*_NEVER_SENT, UnicodeError)),
            ) from None
        finally:
            if response is not None:
                await response.aclose()

    async def _status_error(self, call: ProviderCall, response: httpx.Response) -> DispatchError:
        status = response.status_code
        try:
            code = _error_code(await _read(response, MAX_ANSWER_BYTES))
        except ResponseValidationError:  # too large: the status says enough
            code = None
        remedy = _REMEDIES.get(status, "the provider failed" if status >= 500 else "the provider refused")
        message = f"{self.name} answered {status}{f' ({code})' if code else ''}: {remedy}"
        if status == 429:
            return RateLimitedError(
                message,
                provider=self.name,
                attempt=call.attempt,
                retry_after_s=_retry_after_s(response.headers.get("retry-after")),
            )
        return ProviderStatusError(
            message, provider=self.name, status_code=status, attempt=call.attempt, retryable=status >= 500
        )

    def _object(self, text: bytes) -> JsonObject:
        try:
            # Python reads NaN and 1e400, and would write what no other reader of JSON takes.
            found = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError) as error:  # from None: the decoder's error carries the whole text
            where = f"at character {error.pos}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
            raise ResponseValidationError(
                f"{self.name} answered 200 with something that is not JSON ({where})", path=""
            ) from None
        if not isinstance(found, dict):
            raise ResponseValidationError(
                f"{self.name} answered 200 with a JSON {type(found).__name__}, not an object", path=""
            )
        return found

    def _chunk(self, event: bytes, call: ProviderCall, passed_on: int) -> JsonObject:
        try:
            chunk = self._object(event)
        except ResponseValidationError:
            if passed_on == 0:
                raise
            raise self._interrupted(call, passed_on, "a chunk is not a JSON object") from None
        if "error" in chunk and not chunk.get("choices"):
            code = _error_code(event)
            raise self._interrupted(call, passed_on, f"the provider reported an error{f' ({code})' if code else ''}")
        return chunk

    def _interrupted(self, call: ProviderCall, passed_on: int, why: str) -> StreamInterruptedError:
        return StreamInterruptedError(
            f"the stream of {self.name} broke off after {passed_on} chunks: {why}",
            provider=self.name,
            attempt=call.attempt,
            chunks=passed_on,
        )


def _remaining_s(call: ProviderCall) -> float:
    return max(call.deadline - time.monotonic(), 0.001)


async def _read(response: httpx.Response, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > limit:
            raise ResponseValidationError(f"an answer is larger than {limit} bytes", path="")
        parts.append(part)
    return b"".join(parts)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is beyond the range of a float")
    return number


def _error_code(text: bytes) -> str | None:
    """Return the machine-readable code of an error body. Its message is never shown: servers quote keys and prompts."""
    try:
        error = json.loads(text)["error"]
        code = error.get("code") or error.get("type")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,40}", code) else None


def _retry_after_s(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for: a number, or a date."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0) if value.strip().isdigit() else _seconds_until(value)
    except (ValueError, OverflowError):
        return None


def _seconds_until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    if moment.tzinfo is None:  # "-0000": a time of an unknown zone, which HTTP has in UTC
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
