"""What both transports share: the one beneath them, and what goes to it untouched."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from compound_fast._arguments import shown
from compound_fast.errors import CompoundFastError, ConfigError, TextError
from compound_fast.transport.answers import encode
from compound_fast.transport.calls import Call, Head, Scope, read_call, read_head
from compound_fast.transport.generations import generation_of

if TYPE_CHECKING:
    import httpx
    import httpx2

    from compound_fast.transport.generations import Generation, Headers, HttpRequest

    class _Transport(httpx.BaseTransport, httpx.AsyncBaseTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
        """To a type checker a transport of both modules; neither is loaded before a request comes from it."""

        def handle_request(self, request: Any) -> Any: ...
        async def handle_async_request(self, request: Any) -> Any: ...
else:
    _Transport = object

__all__ = ["ChatTransport", "error_response"]

_JSON = ("content-type", "application/json")


class ChatTransport(_Transport):
    """Answers chat completions, and passes everything else on to the transport beneath.

    Parameters
    ----------
    inner : transport or None
        The transport beneath; None = the default of the module that a request comes from, made when it is needed.
    scope : Scope
        Who asks, where a call does not say.
    """

    def __init__(self, inner: object, scope: Scope) -> None:
        for name in ("tenant", "namespace"):
            value = getattr(scope, name)
            if not isinstance(value, (str, type(None))):
                raise ConfigError(f"{name}={shown(value)} is not a str")
        if inner is not None and not (hasattr(inner, "handle_request") or hasattr(inner, "handle_async_request")):
            raise ConfigError(f"inner: a {type(inner).__name__} is no transport, such as httpx.HTTPTransport()")
        self._inner = inner
        self._scope = scope
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: Any) -> Any:
        """Answer a request; called by ``httpx.Client``."""
        generation = generation_of(request)
        beneath = self._beneath(generation, "HTTPTransport", "handle_request")
        head = read_head(request)
        if head is None:
            return beneath.handle_request(request)
        call = self._read(request, head, request.read())
        if isinstance(call, CompoundFastError):
            return error_response(generation, 400, str(call), "invalid_request_error")
        if call is None:
            return beneath.handle_request(request)
        return self._answer(generation, request, call, beneath)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request; called by ``httpx.AsyncClient``."""
        generation = generation_of(request)
        beneath = self._beneath(generation, "AsyncHTTPTransport", "handle_async_request")
        head = read_head(request)
        if head is None:
            return await beneath.handle_async_request(request)
        call = self._read(request, head, await request.aread())
        if isinstance(call, CompoundFastError):
            return error_response(generation, 400, str(call), "invalid_request_error")
        if call is None:
            return await beneath.handle_async_request(request)
        return await self._answer_async(generation, request, call, beneath)

    def close(self) -> None:
        """Close the connections beneath."""
        for transport in self._beneath_all("close"):
            transport.close()

    async def aclose(self) -> None:
        """Close the connections beneath."""
        for transport in self._beneath_all("aclose"):
            await transport.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    def _answer(self, generation: Generation, request: HttpRequest, call: Call, beneath: Any) -> Any:
        raise NotImplementedError

    async def _answer_async(self, generation: Generation, request: HttpRequest, call: Call, beneath: Any) -> Any:
        raise NotImplementedError

    def _read(self, request: HttpRequest, head: Head, body: bytes) -> Call | CompoundFastError | None:
        # A wrong option becomes an answer of status 400: an exception here would reach the user of an SDK as
        # "Connection error", after retries.
        try:
            return read_call(request, head, body, self._scope)
        except (ConfigError, TextError) as error:
            return error

    def _beneath(self, generation: Generation, default: str, method: str) -> Any:
        if self._inner is not None:
            if not hasattr(self._inner, method):
                raise TypeError(
                    f"inner: a {type(self._inner).__name__} has no {method}; a Client needs an HTTPTransport beneath, "
                    "an AsyncClient an AsyncHTTPTransport"
                )
            return self._inner
        key = (generation.module.__name__, default)
        made = self._made.get(key)
        if made is None:
            with self._lock:
                made = self._made.get(key)
                if made is None:
                    made = self._made[key] = getattr(generation.module, default)()
        return made

    def _beneath_all(self, method: str) -> list[Any]:
        # Made ones are forgotten, so that a later request, maybe on another event loop, gets a new one.
        with self._lock:
            made = {key: transport for key, transport in self._made.items() if hasattr(transport, method)}
            for key in made:
                del self._made[key]
        return [*made.values(), *([self._inner] if hasattr(self._inner, method) else [])]


def error_response(
    generation: Generation, status: int, message: str, kind: str, headers: Headers = (), *, code: str | None = None
) -> Any:
    """Return an error as OpenAI's API answers it. A retry by an SDK would not help, and the head says so."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return generation.response(status, [_JSON, ("x-should-retry", "false"), *headers], encode({"error": error}))
