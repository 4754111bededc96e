"""A chat completion as it is asked for over HTTP: what its head and its body say to the cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from compound_fast._arguments import shown
from compound_fast.errors import ConfigError, TextError
from compound_fast.request import to_body
from compound_fast.types import CallOptions

if TYPE_CHECKING:
    from compound_fast.transport.generations import HttpRequest
    from compound_fast.types import JsonObject

__all__ = ["Call", "Head", "Scope", "read_call", "read_head"]

_OPTIONS = {b"x-cf-tenant": "tenant", b"x-cf-namespace": "namespace", b"x-cf-cache": "cache", b"x-cf-ttl-s": "ttl_s"}
_SENT_ANEW = (b"content-length", b"transfer-encoding")
# Headers that say on whose behalf a request is sent (a key, a token, a session, an organisation), and those by which
# gateways choose who answers it. The others (tracing, retries, versions of the SDK) may differ between equal requests.
_WHO = re.compile(
    rb"auth|token|secret|cookie|session|credential|organi[sz]ation|project|tenant|account|customer"
    rb"|(?<!idempotency-)(\b|_|api)key(\b|_)|(^|-)user(-?(id|name|email))?$"
)
_WHOM = re.compile(rb"provider|target|api-version|(^|-)(beta|config|deployment|model|region|route)(-|$)")


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
        The credentials as a tenant: a hash; "" where there are none.
    whom : str
        The URL as a namespace, with a hash of its query (some servers take their keys there) and of the headers by
        which a gateway chooses.
    """

    options: Mapping[str, str]
    who: str
    whom: str


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
    path, _, query = request.url.raw_path.partition(b"?")
    if request.method != "POST" or not path.endswith(b"/chat/completions"):
        return None
    options: dict[str, str] = {}
    who: list[bytes] = []
    whom = [query] if query else []
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
            who.append(name.lower() + b":" + value)
        elif role == "whom":
            whom.append(name.lower() + b":" + value)
        else:
            options[role] = value.decode("utf-8", "replace")
    if not is_json:
        return None
    where = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}{path.decode('ascii')}"
    return Head(options, f"key-{_digest(who)}" if who else "", f"{where}?{_digest(whom)}" if whom else where)


def read_call(request: HttpRequest, head: Head, body: bytes, scope: Scope) -> Call | None:
    """Return what a request asks for; None where its body is no JSON object, which is for the server to refuse.

    The body is parsed here only where it may say ``stream`` or ``compound``.

    Raises
    ------
    ConfigError, TextError
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
        options=_options(head, given, scope),
        is_stream=is_stream,
        wants_usage=wants_usage,
        headers=_upstream(request.headers.raw) if is_changed or head.options else None,
    )


@lru_cache(maxsize=512)
def _role(name: bytes) -> str:
    """Return what a header is to us: an option's name, "type", "encoding", "who", "whom", or "" for nothing."""
    name = name.lower()
    if name in _OPTIONS:
        return _OPTIONS[name]
    if name.startswith(b"x-cf-"):
        return name.decode("ascii", "replace")
    if name == b"content-type":
        return "type"
    if name == b"content-encoding":
        return "encoding"
    if name.startswith(b"x-stainless-"):
        return ""
    return "who" if _WHO.search(name) else "whom" if _WHOM.search(name) else ""


def _from_headers(options: Mapping[str, str]) -> JsonObject:
    given: JsonObject = {}
    for key, value in options.items():
        if key not in _OPTIONS.values():
            known = ", ".join(name.decode() for name in _OPTIONS)
            raise ConfigError(f"the header {shown(key)} is unknown; known are {known}")
        given[key] = _seconds(value) if key == "ttl_s" else value
    return given


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f"the header x-cf-ttl-s={shown(value)} is not a number of seconds") from None


def _from_body(compound: object) -> Mapping[str, object]:
    if compound is None:
        return {}
    if not isinstance(compound, Mapping):
        raise ConfigError(f"compound={shown(compound)} is no object of options such as {{'tenant': 'acme'}}")
    return compound


def _options(head: Head, given: JsonObject, scope: Scope) -> CallOptions:
    given.setdefault("tenant", head.who if scope.tenant is None else scope.tenant)
    given.setdefault("namespace", head.whom if scope.namespace is None else scope.namespace)
    return CallOptions.from_mapping(given)


def _digest(parts: list[bytes]) -> str:
    # No header holds a line feed, so different parts never join to one text.
    return blake2b(b"\n".join(sorted(parts)), digest_size=16).hexdigest()


def _upstream(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (name, value)
        for name, value in headers
        if not (lower := name.lower()).startswith(b"x-cf-") and lower not in _SENT_ANEW
    ]
