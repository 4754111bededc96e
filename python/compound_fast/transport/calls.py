"""A chat completion as it is asked for over HTTP: what its head and its body say to the cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from compound_fast.errors import ConfigError, TextError
from compound_fast.types import CallOptions, to_body

if TYPE_CHECKING:
    from compound_fast.transport.generations import HttpRequest
    from compound_fast.types import JsonObject

__all__ = ["Call", "Head", "Scope", "read_call", "read_head"]

_OPTIONS = {b"x-cf-tenant": "tenant", b"x-cf-namespace": "namespace", b"x-cf-cache": "cache", b"x-cf-ttl-s": "ttl_s"}
_SENT_ANEW = (b"content-length", b"transfer-encoding")
# Headers that say on whose behalf a request is sent: a key, a token, a session, an organisation.
_WHO = re.compile(
    rb"auth|api-?key|token|secret|cookie|session|credential|organi[sz]ation|project|tenant|account|customer"
    rb"|(^|-)user(-?(id|name|email))?$"
)


class Scope(NamedTuple):
    """Who asks, where the call itself does not say; None = the credentials for the tenant, the URL for the namespace.

    Attributes
    ----------
    tenant, namespace : str or None
        As for `SemanticCache.get`.
    """

    tenant: str | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What URL and headers say.

    Attributes
    ----------
    options : mapping of str to str
        The ``x-cf-*`` headers by the option they set.
    who : str
        A hash of the credentials; "" where there are none.
    """

    options: Mapping[str, str]
    who: str


@dataclass(frozen=True, slots=True)
class Call:
    """A chat completion that is asked for.

    Attributes
    ----------
    body : bytes
        As it goes upstream: without ``compound``.
    options : CallOptions
        With tenant and namespace filled in.
    is_stream, wants_usage : bool
        Whether the answer is to be streamed, and its usage with it.
    headers : list of (bytes, bytes) or None
        As they go upstream; None where the request can be sent as it is.
    """

    body: bytes
    options: CallOptions
    is_stream: bool
    wants_usage: bool
    headers: list[tuple[bytes, bytes]] | None


def read_head(request: HttpRequest) -> Head | None:
    """Return what the head of a request says; None where it asks for no chat completion in plain JSON.

    Costs some microseconds. Nothing is read of the body.
    """
    if request.method != "POST" or not request.url.raw_path.partition(b"?")[0].endswith(b"/chat/completions"):
        return None
    options: dict[str, str] = {}
    who: list[bytes] = []
    is_json = False
    for name, value in request.headers.raw:
        role = _role(name)
        if role == "":
            continue
        if role == "type":
            is_json = value.lstrip().lower().startswith(b"application/json")
        elif role == "encoding":
            return None
        elif role == "who":
            who.append(name.lower() + b":" + value + b"\n")
        else:
            options[role] = value.decode("utf-8", "replace")
    if not is_json:
        return None
    return Head(options, f"key-{_digest(b''.join(sorted(who)))}" if who else "")


def read_call(request: HttpRequest, head: Head, body: bytes, scope: Scope) -> Call | None:
    """Return what a request asks for; None where its body is no JSON object, which is for the server to refuse.

    The body is parsed here only where it may say ``stream`` or ``compound``.

    Raises
    ------
    ConfigError
        If an option of ours is unknown, or its value outside its range.
    """
    given: JsonObject = _from_headers(head.options) if head.options else {}
    is_stream = wants_usage = is_changed = False
    if b'"stream"' in body or b'"compound"' in body:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(fields, dict):
            return None
        is_stream = fields.get("stream") is True
        asked = fields.get("stream_options")
        wants_usage = isinstance(asked, dict) and asked.get("include_usage") is True
        if "compound" in fields:
            given.update(_from_body(fields.pop("compound")))
            try:
                body = to_body(fields)
            except TextError:
                return None
            is_changed = True
    return Call(
        body=body,
        options=_options(request, head, given, scope),
        is_stream=is_stream,
        wants_usage=wants_usage,
        headers=_upstream(request.headers.raw) if is_changed or head.options else None,
    )


@lru_cache(maxsize=512)
def _role(name: bytes) -> str:
    """Return what a header is to us: an option's name, "type", "encoding", "who", or "" for nothing."""
    name = name.lower()
    if name in _OPTIONS:
        return _OPTIONS[name]
    if name.startswith(b"x-cf-"):
        return name.decode("ascii", "replace")
    if name == b"content-type":
        return "type"
    if name == b"content-encoding":
        return "encoding"
    return "who" if _WHO.search(name) else ""


def _from_headers(options: Mapping[str, str]) -> JsonObject:
    given: JsonObject = {}
    for key, value in options.items():
        if key not in _OPTIONS.values():
            known = ", ".join(name.decode() for name in _OPTIONS)
            raise ConfigError(f"the header {key} is unknown; known are {known}")
        given[key] = _seconds(value) if key == "ttl_s" else value
    return given


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f"the header x-cf-ttl-s={value!r} is not a number of seconds") from None


def _from_body(compound: object) -> Mapping[str, object]:
    if compound is None:
        return {}
    if not isinstance(compound, Mapping):
        raise ConfigError(f"compound={compound!r} is not an object of options, as in {{'tenant': 'acme'}}")
    return compound


def _options(request: HttpRequest, head: Head, given: JsonObject, scope: Scope) -> CallOptions:
    options = CallOptions.from_mapping(given)
    tenant = options.tenant if "tenant" in given else head.who if scope.tenant is None else scope.tenant
    namespace = options.namespace if "namespace" in given else scope.namespace
    if namespace is None:
        namespace = _where(request)
    return replace(options, tenant=tenant, namespace=namespace)


def _where(request: HttpRequest) -> str:
    """Return the URL as a namespace. Its query only as a hash: some servers take their keys there."""
    url = request.url
    path, _, query = url.raw_path.partition(b"?")
    where = f"{url.scheme}://{url.netloc.decode('ascii')}{path.decode('ascii')}"
    return f"{where}?{_digest(query)}" if query else where


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


def _upstream(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (name, value)
        for name, value in headers
        if not (lower := name.lower()).startswith(b"x-cf-") and lower not in _SENT_ANEW
    ]
