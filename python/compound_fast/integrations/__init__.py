"""The cache under the interfaces of other libraries: ``integrations.langchain``, ``integrations.litellm``.

Each is loaded at first use, and needs its library then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from compound_fast.integrations import langchain as langchain
    from compound_fast.integrations import litellm as litellm

__all__ = ["langchain", "litellm"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return import_module(f"{__name__}.{name}")
