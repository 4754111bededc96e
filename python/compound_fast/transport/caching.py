"""`CacheTransport`: a cache between an HTTP client and its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compound_fast._cache_faults import CacheFaults
from compound_fast._core import Request, Tokenizer
from compound_fast.cache import SemanticCache
from compound_fast.errors import ConfigError, ResponseValidationError, TextError
from compound_fast.providers.asked import choices_asked
from compound_fast.transport.answers import (
    EVENT_STREAM,
    MAX_ANSWER_BYTES,
    Gathering,
    encode,
    replayed,
    stored_completion,
)
from compound_fast.transport.base import ChatTransport
from compound_fast.transport.calls import Call, Scope
from compound_fast.validation import check_completion, is_storable

if TYPE_CHECKING:
    import httpx
    import httpx2

    from compound_fast.transport.generations import Generation, HttpRequest, HttpResponse
    from compound_fast.types import JsonObject

__all__ = ["CacheTransport"]


class CacheTransport(CacheFaults, ChatTransport):
    """Serves chat completions from a cache, under ``httpx.Client``, ``httpx.AsyncClient`` and those of httpx2.

    Only a POST to ``.../chat/completions`` with a JSON body is looked up. Its answer passes unchanged, streams too,
    and is stored once it was read to its end, if it has status 200, is a whole answer in text (finish reason "stop" for
    each choice; a stream has to say ``[DONE]``), and is no larger than 2 MiB. Every answer carries
    ``x-cf-served-from`` ("exact", "semantic" or "model"), a hit ``x-cf-entry-id`` too. A hit that was asked for as a
    stream is replayed as one.

    A call is told apart by who asks and whom it asks. Without a tenant, callers with other credentials (keys, tokens,
    cookies, organisations: their hash, never the key) share nothing; without a namespace, other URLs, and other headers
    by which a gateway chooses a provider, share nothing. A call sets both, and the other options of `CallOptions`, by
    ``compound`` in its body or by the headers ``x-cf-tenant``, ``x-cf-namespace``, ``x-cf-cache``, ``x-cf-ttl-s``;
    neither goes upstream. A wrong option is answered with status 400.

    Thread-safe, and one may serve synchronous and asynchronous clients of both modules at a time.

    Parameters
    ----------
    cache : SemanticCache
        Not closed with the transport.
    inner : transport or None
        What carries the misses, closed with this one; None = the default of the module that the request comes from. A
        client whose transport is given ignores its own ``verify``, ``proxy``, ``http2`` and ``limits``: they belong to
        this one.
    tenant, namespace : str or None
        For calls that do not say; None = by credentials, and by URL. ``tenant=""`` lets all credentials share.

    Raises
    ------
    ConfigError
        If an argument is of the wrong kind.

    Notes
    -----
    A look-up runs on the calling thread, the event loop's for asynchronous clients: it takes tens of microseconds. A
    fault inside the cache is logged, counted in `cache_faults`, and served as a miss.
    """

    def __init__(
        self,
        cache: SemanticCache,
        inner: httpx.BaseTransport
        | httpx.AsyncBaseTransport
        | httpx2.BaseTransport
        | httpx2.AsyncBaseTransport
        | None = None,
        *,
        tenant: str | None = None,
        namespace: str | None = None,
    ) -> None:
        if not isinstance(cache, SemanticCache):
            raise ConfigError(f"cache: a {type(cache).__name__} is no SemanticCache; for a router and fallback: wrap")
        super().__init__(inner, Scope(tenant, namespace))
        self._cache = cache

    def _answer(self, generation: Generation, request: HttpRequest, call: Call, beneath: Any) -> Any:
        hit = self._hit(generation, call)
        if hit is not None:
            return hit
        response = beneath.handle_request(_upstream(generation, request, call))
        return self._watched(generation, call, response)

    async def _answer_async(self, generation: Generation, request: HttpRequest, call: Call, beneath: Any) -> Any:
        hit = self._hit(generation, call)
        if hit is not None:
            return hit
        response = await beneath.handle_async_request(_upstream(generation, request, call))
        return self._watched(generation, call, response)

    def _hit(self, generation: Generation, call: Call) -> Any:
        """Return the response that serves a call from the cache, or None."""
        options = call.options
        if not options.may_look_up:
            return None
        try:
            hit = self._cache.get(call.body, tenant=options.tenant, namespace=options.namespace)
            stored = None if hit is None else stored_completion(hit)
        except TextError:
            return None  # no chat request, which is for the server to say
        except Exception as error:  # noqa: BLE001 -- whatever fails in here, the request goes on without it
            self._note_fault("looking up", error)
            return None
        if hit is None or stored is None:
            return None
        completion, body = stored
        headers = [("x-cf-served-from", hit.kind), ("x-cf-entry-id", hit.entry_id)]
        if call.is_stream:
            body = replayed(completion, include_usage=call.wants_usage)
            return generation.response(200, [("content-type", EVENT_STREAM), *headers], body)
        return generation.response(200, [("content-type", "application/json"), *headers], body)

    def _watched(self, generation: Generation, call: Call, response: HttpResponse) -> HttpResponse:
        """Let the answer of a model pass, and store it once it was read to its end."""
        response.headers["x-cf-served-from"] = "model"
        if response.status_code == 200 and call.options.may_store:
            gathering = Gathering(generation, response, lambda raw, body: self._keep(call, raw, body))
            if response.is_closed:
                gathering.take(response)
            else:
                generation.watch(response, gathering)
        return response

    def _keep(self, call: Call, raw: JsonObject, body: bytes | None) -> None:
        try:
            request = Request(call.body)
            checked = check_completion(raw, wants_json=request.features.wants_json)
            if not is_storable(raw, choices=choices_asked(call.body)):
                return
            if body is None:
                if checked.usage is None:
                    # A reader of the whole completion counts on its usage, which a stream says only when asked.
                    raw = {**raw, "usage": _counted(request, checked.content)}
                body = encode(raw)
                if len(body) > MAX_ANSWER_BYTES:
                    return
            self._cache.put(
                call.body,
                body,
                tenant=call.options.tenant,
                namespace=call.options.namespace,
                model=str(raw.get("model", "")),
                ttl_s=call.options.ttl_s,
            )
        except (TextError, ResponseValidationError):
            return  # no request, or no answer, that could be stored
        except Exception as error:  # noqa: BLE001 -- as in _hit
            self._note_fault("storing", error)


def _upstream(generation: Generation, request: HttpRequest, call: Call) -> Any:
    return request if call.headers is None else generation.request(request, call.headers, call.body)


def _counted(request: Request, text: str) -> JsonObject:
    sent, said = request.input_tokens, Tokenizer.get("o200k_base").count(text)
    return {"prompt_tokens": sent, "completion_tokens": said, "total_tokens": sent + said}
