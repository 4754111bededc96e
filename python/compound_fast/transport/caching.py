"""`CacheTransport`: a cache between an HTTP client and its server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from compound_fast._cache_answers import to_stored, usage_of
from compound_fast._cache_calls import to_facts
from compound_fast._cache_faults import CacheFaults
from compound_fast._cache_flight import APART, Landed
from compound_fast._core import Tokenizer
from compound_fast.cache import SemanticCache
from compound_fast.errors import ConfigError, ResponseValidationError, TextError
from compound_fast.providers.asked import choices_asked
from compound_fast.request import to_request
from compound_fast.shelf import stored_completion
from compound_fast.transport.answers import (
    EVENT_STREAM,
    MAX_ANSWER_BYTES,
    Gathering,
    encode,
    replayed,
)
from compound_fast.transport.base import ChatTransport
from compound_fast.transport.calls import Call, Scope
from compound_fast.validation import check_completion, is_storable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    import httpx2

    from compound_fast._cache_flight import Seat
    from compound_fast._core import Request
    from compound_fast.transport.generations import Generation, HttpRequest, HttpResponse
    from compound_fast.types import JsonObject

__all__ = ["CacheTransport"]

_JSON = ("content-type", "application/json")


class CacheTransport(CacheFaults, ChatTransport):
    """Serves chat completions from a cache, under ``httpx.Client``, ``httpx.AsyncClient`` and those of httpx2.

    Only a POST to ``.../chat/completions`` with a JSON body is looked up. Its answer passes unchanged, streams too,
    and is stored once it was read to its end, if it has status 200, is a whole answer in text (finish reason "stop" for
    each choice; a stream has to say ``[DONE]``), and is no larger than 2 MiB. Every answer carries
    ``x-cf-served-from`` ("exact", "semantic" or "model"), a hit ``x-cf-entry-id`` too. A hit that was asked for as a
    stream is replayed as one.

    Identical calls under way at the same time, over this transport or another one of the same cache, share one: the
    others wait for its answer, and theirs carry ``x-cf-shared``. Streams and calls that set ``cache`` share nothing.
    Where the answer is none that could be stored, or the call fails, those who waited call for themselves.

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
        asked = _asked(call)
        hit = self._look_up(generation, call, asked, again=False)
        if hit is not None:
            return hit
        key = self._key(call, asked)
        if key is None:
            response = beneath.handle_request(_upstream(generation, request, call))
            return self._watched(generation, call, asked, response, None)
        with self._cache._http_flights.board(key) as seat:
            answer = self._waited_for(generation, call, asked, seat)
            if answer is not None:
                return answer
            with _calling(seat):
                response = beneath.handle_request(_upstream(generation, request, call))
                self._watched(generation, call, asked, response, seat)
                if seat.role == "leads" and _is_whole(response):
                    try:
                        body = b"".join(response.stream)
                    finally:
                        response.stream.close()
                    response.stream = generation.module.ByteStream(body)
                return response

    async def _answer_async(self, generation: Generation, request: HttpRequest, call: Call, beneath: Any) -> Any:
        asked = _asked(call)
        hit = self._look_up(generation, call, asked, again=False)
        if hit is not None:
            return hit
        key = self._key(call, asked)
        if key is None:
            response = await beneath.handle_async_request(_upstream(generation, request, call))
            return self._watched(generation, call, asked, response, None)
        with await self._cache._http_flights.aboard(key) as seat:
            answer = self._waited_for(generation, call, asked, seat)
            if answer is not None:
                return answer
            with _calling(seat):
                response = await beneath.handle_async_request(_upstream(generation, request, call))
                self._watched(generation, call, asked, response, seat)
                if seat.role == "leads" and _is_whole(response):
                    try:
                        body = b"".join([piece async for piece in response.stream])
                    finally:
                        await response.stream.aclose()
                    response.stream = generation.module.ByteStream(body)
                return response

    def _look_up(self, generation: Generation, call: Call, asked: Request | None, *, again: bool) -> Any:
        """Return the response that serves a call from the cache, or None."""
        if asked is None or not call.options.may_look_up:
            return None
        try:
            core = self._cache._core
            hit = core.get_again(asked) if again else core.get(asked)
            if hit is None:
                return None
            completion, body = stored_completion(hit)
        except Exception as error:  # noqa: BLE001 -- whatever fails in here, the request goes on without it
            self._note_fault("looking up", error)
            return None
        headers = [("x-cf-served-from", hit.kind), ("x-cf-entry-id", hit.entry_id)]
        if call.is_stream:
            body = replayed(completion, include_usage=call.wants_usage)
            return generation.response(200, [("content-type", EVENT_STREAM), *headers], body)
        return generation.response(200, [_JSON, *headers], body)

    def _key(self, call: Call, asked: Request | None) -> int | None:
        """Return by what a call is known to those who ask the same; None where it shares nothing."""
        if asked is None or call.is_stream or not (call.options.may_look_up and call.options.may_store):
            return None
        try:
            return self._cache._core.fingerprint(asked)
        except Exception as error:  # noqa: BLE001 -- as above
            self._note_fault("looking up", error)
            return None

    def _waited_for(self, generation: Generation, call: Call, asked: Request | None, seat: Seat) -> Any:
        """Return the response that another call gave or stored since this one missed, or None."""
        if seat.landed is None:
            return self._look_up(generation, call, asked, again=True) if seat.role == "leads" else None
        headers = [_JSON, ("x-cf-served-from", "model"), ("x-cf-shared", "true")]
        if seat.landed.entry_id is not None:
            headers.append(("x-cf-entry-id", seat.landed.entry_id))
        return generation.response(200, headers, seat.landed.stored)

    def _watched(
        self, generation: Generation, call: Call, asked: Request | None, response: HttpResponse, seat: Seat | None
    ) -> HttpResponse:
        """Let the answer of a model pass; store it, and give it to those who wait, once it was read to its end."""
        response.headers["x-cf-served-from"] = "model"
        if response.status_code == 200 and call.options.may_store and asked is not None:
            gathering = Gathering(generation, response, lambda raw, body: self._keep(call, asked, raw, body, seat))
            if response.is_closed:
                gathering.take(response)
            else:
                generation.watch(response, gathering)
        return response

    def _keep(self, call: Call, asked: Request, raw: JsonObject, body: bytes | None, seat: Seat | None) -> None:
        try:
            checked = check_completion(raw, wants_json=asked.features.wants_json)
            if not is_storable(raw, choices=choices_asked(call.body)):
                return
            if body is None:
                if checked.usage is None:
                    # A reader of the whole completion counts on its usage, which a stream says only when asked.
                    raw = {**raw, "usage": _counted(asked, checked.content)}
                body = encode(raw)
                if len(body) > MAX_ANSWER_BYTES:
                    return
            model = str(raw.get("model", ""))
            facts = to_facts(model, None, call.options.ttl_s, (), (), None)
            entry_id = self._cache._store(asked, *to_stored(body), facts, usage_of(raw))
            if seat is not None:
                seat.land(Landed("bytes", body, entry_id, model))
        except (TextError, ResponseValidationError):
            return  # no answer that could be stored
        except Exception as error:  # noqa: BLE001 -- as in _look_up
            self._note_fault("storing", error)


def _asked(call: Call) -> Request | None:
    """Return a call as the core reads it; None where it is no chat request, which is for the server to say."""
    try:
        return to_request(call.body, tenant=call.options.tenant, namespace=call.options.namespace)
    except TextError:
        return None


def _is_whole(response: HttpResponse) -> bool:
    """Whether a response is one piece of JSON that nobody has read: a leader reads it here, for a reader may never."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    return response.status_code == 200 and is_json and not response.is_closed


@contextmanager
def _calling(seat: Seat) -> Iterator[None]:
    """Mark the call. Where it gives no answer that could be shared, those who wait call for themselves, all at once."""
    try:
        with seat.calling():
            yield
    except Exception:
        seat.land(APART)
        raise
    seat.land(APART)


def _upstream(generation: Generation, request: HttpRequest, call: Call) -> Any:
    return request if call.headers is None else generation.request(request, call.headers, call.body)


def _counted(request: Request, text: str) -> JsonObject:
    sent, said = request.input_tokens, Tokenizer.get("o200k_base").count(text)
    return {"prompt_tokens": sent, "completion_tokens": said, "total_tokens": sent + said}
