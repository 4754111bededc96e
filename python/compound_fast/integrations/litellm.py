"""LiteLLM: `CompoundCache` is a ``litellm.Cache`` over a `SemanticCache`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

try:
    from litellm.caching.caching import Cache
    from litellm.types.utils import all_litellm_params
except ImportError as error:
    raise ImportError(
        "compound_fast.integrations.litellm needs LiteLLM 1.103: pip install 'litellm>=1.103,<1.104' fastapi soundfile"
    ) from error

from compound_fast._cache_faults import CacheFaults
from compound_fast.cache import SemanticCache
from compound_fast.errors import ConfigError, ResponseValidationError, TextError
from compound_fast.providers.asked import choices_asked
from compound_fast.validation import check_completion, is_storable

__all__ = ["CompoundCache"]

# LiteLLM's own parameters, which go to no model, but for those that say whom it asks.
_NOT_SENT = {*all_litellm_params, "timeout"} - {"api_base", "api_version", "base_url", "custom_llm_provider", "headers"}
_WHO = ("user_api_key", "user_api_key_team_id", "user_api_key_org_id")  # what its proxy knows of a caller


class CompoundCache(CacheFaults, Cache):
    """A cache for ``litellm.cache``: exact, then by meaning of the last user turn.

    Serves ``completion`` and ``acompletion``, streams too, which LiteLLM puts together before it stores them and
    replays. Everything that goes to the model, and whom it is asked of, is compared exactly. Stored are whole answers
    in text: none that was cut, filtered, or calls tools. LiteLLM's ``cache={"no-cache", "no-store", "ttl", "s-maxage",
    "namespace"}`` of a call count. A fault inside the cache is logged, counted in `cache_faults`, and served as a miss.

    Parameters
    ----------
    cache : SemanticCache
        Not closed or configured here.
    tenant : str or None
        Who asks; None = by the call's ``api_key`` and what LiteLLM's proxy knows of its caller (key, team,
        organisation), as a hash.
    namespace : str, default ""
        For calls that name none.

    Raises
    ------
    ConfigError
        If `cache` is no `SemanticCache`.

    Examples
    --------
    .. code-block:: python

        litellm.cache = CompoundCache(compound_fast.SemanticCache())
    """

    def __init__(self, cache: SemanticCache, *, tenant: str | None = None, namespace: str = "") -> None:
        if not isinstance(cache, SemanticCache):
            raise ConfigError(f"cache: a {type(cache).__name__} is no SemanticCache")
        super().__init__(supported_call_types=["completion", "acompletion"])
        self._compound = cache
        self._tenant = tenant
        self._namespace = namespace

    def get_cache(self, dynamic_cache_object: object = None, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the stored completion of a call, or None; called by LiteLLM with the arguments of the call."""
        try:
            if self.should_use_cache(**kwargs) is not True:
                return None
            control = kwargs.get("cache") or {}
            tenant, namespace = self._scope(kwargs)
            hit = self._compound.get(_body(kwargs), tenant=tenant, namespace=namespace)
            newest = control.get("s-maxage", control.get("s-max-age"))
            if hit is None or (newest is not None and hit.age_s > newest):
                return None
            completion = json.loads(hit.response) if isinstance(hit.response, bytes) else hit.response
            check_completion(completion)  # type: ignore[arg-type]
        except (TextError, ResponseValidationError):
            return None  # no chat request, or somebody stored something else under it
        except Exception as error:  # noqa: BLE001 -- whatever fails in here, the request goes on without it
            self._note_fault("looking up", error)
            return None
        return completion

    def add_cache(self, result: Any, **kwargs: Any) -> None:
        """Store the completion of a call; called by LiteLLM with the arguments of the call."""
        try:
            if self.should_use_cache(**kwargs) is not True:
                return
            text = result if isinstance(result, str) else result.model_dump_json(exclude_none=True)
            completion = json.loads(text)
            check_completion(completion)
            body = _body(kwargs)
            if not is_storable(completion, choices=choices_asked(body)):
                return
            ttl_s = (kwargs.get("cache") or {}).get("ttl")
            model = str(completion.get("model", ""))
            tenant, namespace = self._scope(kwargs)
            self._compound.put(body, completion, tenant=tenant, namespace=namespace, model=model, ttl_s=ttl_s)
        except (TextError, ResponseValidationError):
            return  # no chat request, or no answer
        except Exception as error:  # noqa: BLE001 -- as in get_cache
            self._note_fault("storing", error)

    async def async_get_cache(self, dynamic_cache_object: object = None, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the stored completion of a call, or None; takes tens of microseconds, so no thread is used."""
        return self.get_cache(**kwargs)

    async def async_add_cache(self, result: Any, dynamic_cache_object: object = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Store the completion of a call."""
        self.add_cache(result, **kwargs)

    def _scope(self, kwargs: Mapping[str, Any]) -> tuple[str, str]:
        namespace = (kwargs.get("cache") or {}).get("namespace") or self._namespace
        return _tenant(kwargs) if self._tenant is None else self._tenant, namespace


def _body(kwargs: Mapping[str, Any]) -> bytes:
    """Return what goes to the model as a chat request.

    Raises
    ------
    TextError
        If it holds an object that has no JSON form.
    """
    group = _metadata(kwargs).get("model_group")
    sent = {key: value for key, value in kwargs.items() if value is not None and key not in _NOT_SENT}
    if group is not None:
        # Behind LiteLLM's router one group is one model, wherever its deployments stand.
        sent["model"] = group
        for key in ("api_base", "base_url", "api_version", "custom_llm_provider"):
            sent.pop(key, None)
    try:
        return json.dumps(sent, default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise TextError("the call holds an object that has no JSON form, so it is not cached") from error


def _plain(value: Any) -> object:
    """Return messages and response formats that are pydantic objects or classes as JSON."""
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return value.model_json_schema()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(type(value).__name__)


def _tenant(kwargs: Mapping[str, Any]) -> str:
    metadata = _metadata(kwargs)
    known = {key: str(metadata[key]) for key in _WHO if metadata.get(key)}
    if isinstance(kwargs.get("api_key"), str) and not metadata.get("model_group"):
        known["api_key"] = kwargs["api_key"]
    if not known:
        return ""
    return f"key-{blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=16).hexdigest()}"


def _metadata(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in (kwargs, kwargs.get("litellm_params") or {}):
        for key in ("litellm_metadata", "metadata"):
            found.update(source.get(key) or {})
    return found
