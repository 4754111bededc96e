"""Who answers: the Protocol of a provider, and the implementations by kind.

A new kind is one file here and one line in `_KINDS`; ``tests/contracts`` holds every kind to the same behaviour.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from compound_fast._config_block import nearest
from compound_fast.errors import ConfigError

if TYPE_CHECKING:
    from compound_fast._core import Request
    from compound_fast.config import Config, ModelConfig, ProviderConfig
    from compound_fast.types import JsonObject

__all__ = ["Provider", "ProviderCall", "make_providers"]

_KINDS = {
    "openai_compatible": "compound_fast.providers.openai_compatible:OpenAICompatibleProvider",
    "simulated": "compound_fast.providers.simulated:SimulatedProvider",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """One attempt at one model.

    Attributes
    ----------
    request : Request
        What was asked; `request.body` is the body as it came.
    model : ModelConfig
        Which model is to answer.
    attempt : int
        Counted from 1 over all models of the call; errors carry it.
    deadline : float
        When the attempt must have ended, on the scale of `time.monotonic`.
    """

    request: Request
    model: ModelConfig
    attempt: int
    deadline: float


class Provider(Protocol):
    """Asks models. One instance serves every event loop and survives a fork.

    A call that fails raises a `DispatchError` whose `retryable` says whether asking again may help, or a
    `ResponseValidationError`; neither its message nor its cause holds a prompt or a key.
    """

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether its answers are made up."""
        ...

    async def complete(self, call: ProviderCall) -> JsonObject:
        """Return the completion object as the provider sent it."""
        ...

    def stream(self, call: ProviderCall) -> AsyncIterator[JsonObject]:
        """Yield chunks as they come, the provider's usage last; closing the iterator ends the call upstream.

        A stream that breaks off raises `StreamInterruptedError`.
        """
        ...

    def latency_ms(self, call: ProviderCall, measured_ms: float) -> float:
        """Return what the answered call took: as measured, or the virtual time of a simulated answer."""
        ...

    async def aclose(self) -> None:
        """Close what the running event loop holds open here."""
        ...


class _ProviderClass(Protocol):
    def __call__(self, provider: ProviderConfig, config: Config) -> Provider: ...


def make_providers(config: Config) -> Mapping[str, Provider]:
    """Return every provider of `config` by name; nothing is connected yet.

    Raises
    ------
    ConfigError
        If a kind is unknown, or a provider lacks what its kind needs.
    """
    return {name: _make(provider, config) for name, provider in config.providers.items()}


def _make(provider: ProviderConfig, config: Config) -> Provider:
    try:
        module, _, name = _KINDS[provider.kind].partition(":")
    except KeyError:
        place = f"{config.source}: providers.{provider.name}.kind"
        raise ConfigError(f"{place} is {provider.kind!r}; {nearest(provider.kind, list(_KINDS))}") from None
    made = cast("_ProviderClass", getattr(importlib.import_module(module), name))
    return made(provider, config)
