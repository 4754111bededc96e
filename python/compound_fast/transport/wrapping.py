"""`wrap`: the client of an SDK, cached."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from compound_fast.cache import SemanticCache
from compound_fast.client import AsyncClient, Client
from compound_fast.config import Config
from compound_fast.errors import ConfigError
from compound_fast.transport.caching import CacheTransport
from compound_fast.transport.calls import Scope
from compound_fast.transport.generations import generation_of
from compound_fast.transport.piping import PipelineTransport

if TYPE_CHECKING:
    from compound_fast.transport.base import ChatTransport

__all__ = ["wrap"]


class SdkClient(Protocol):
    """The client of an SDK on httpx or httpx2: OpenAI's, and those of its kin."""

    def with_options(self, *, http_client: Any = ...) -> Self:
        """Return the same client with some options changed."""


SdkClientT = TypeVar("SdkClientT", bound=SdkClient)


def wrap(
    client: SdkClientT,
    cache: SemanticCache | Client | AsyncClient | Config | str | os.PathLike[str],
    *,
    tenant: str | None = None,
    namespace: str | None = None,
) -> SdkClientT:
    """Return a copy of an SDK's client that answers chat completions from a cache.

    Parameters
    ----------
    client : openai.OpenAI or openai.AsyncOpenAI
        Not changed. The copy keeps its key, base URL, timeout, retries and headers, and sends through its connections.
    cache : SemanticCache, Client, AsyncClient, Config or path
        A cache stands before the server that `client` asks: see `CacheTransport`. With the others, or a configuration
        to make them of, chat completions go through cache, router and providers instead of that server (`model` is
        then "auto" or a configured name, and the answer carries ``compound``), and everything else to the server as
        before. An asynchronous client takes an `AsyncClient`, a synchronous one a `Client`.
    tenant, namespace : str or None
        For calls that do not say: see `CacheTransport`.

    Returns
    -------
    client
        Of the same class. Closing either closes the connections of both, as with the SDK's own copies; a cache or a
        client of ours is closed only where it was made here, from a configuration.

    Raises
    ------
    ConfigError
        If an argument is of the wrong kind, or the configuration is wrong.
    """
    inner: Any = getattr(client, "_client", None)
    if not hasattr(client, "with_options") or not hasattr(inner, "send"):
        raise ConfigError(
            f"wrap takes an openai.OpenAI or openai.AsyncOpenAI; got {type(client).__name__}. Under a plain HTTP "
            "client: httpx.Client(transport=compound_fast.CacheTransport(cache))"
        )
    http = generation_of(inner).module
    is_async = isinstance(inner, http.AsyncClient)
    beneath = _AsyncSender(inner) if is_async else _Sender(inner)
    transport = _transport(cache, beneath, is_async=is_async, scope=Scope(tenant, namespace))
    # The SDK builds its requests through its HTTP client, so what that one adds to them has to stand in ours.
    http_client = (http.AsyncClient if is_async else http.Client)(
        transport=transport,
        timeout=inner.timeout,
        follow_redirects=inner.follow_redirects,
        max_redirects=inner.max_redirects,
        headers=inner.headers,
        params=inner.params,
        cookies=inner.cookies,
        base_url=inner.base_url,
        trust_env=inner.trust_env,
    )
    return client.with_options(http_client=http_client)


def _transport(cache: object, beneath: Any, *, is_async: bool, scope: Scope) -> ChatTransport:
    if isinstance(cache, SemanticCache):
        return CacheTransport(cache, beneath, tenant=scope.tenant, namespace=scope.namespace)
    fitting = AsyncClient if is_async else Client
    if isinstance(cache, (Config, str, os.PathLike)):
        return PipelineTransport(fitting(cache), beneath, owns_client=True, scope=scope)
    if not isinstance(cache, (Client, AsyncClient)):
        raise ConfigError(
            f"cache: a {type(cache).__name__} is no SemanticCache, no {fitting.__name__}, and no Config or path to one"
        )
    if not isinstance(cache, fitting):
        raise ConfigError(
            f"cache: a {type(cache).__name__} cannot serve {'an asynchronous' if is_async else 'a synchronous'} "
            f"client; give it a {fitting.__name__}"
        )
    return PipelineTransport(cache, beneath, owns_client=False, scope=scope)


class _Sender:
    """Sends through another HTTP client, by its public way: its hooks, its proxies and its connections serve on."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def handle_request(self, request: Any) -> Any:
        return self._client.send(request, stream=True, follow_redirects=False)

    def close(self) -> None:
        self._client.close()


class _AsyncSender:
    """The same for asynchronous clients."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def handle_async_request(self, request: Any) -> Any:
        return await self._client.send(request, stream=True, follow_redirects=False)

    async def aclose(self) -> None:
        await self._client.aclose()
