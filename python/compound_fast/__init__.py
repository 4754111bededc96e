"""compound_fast: a router and a semantic cache in front of large language models, in your own process.

Names are looked up at first use (PEP 562): importing the package reads no other module, so neither numpy nor an HTTP
client is loaded before something needs it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from compound_fast import integrations as integrations
    from compound_fast._core import Decision as Decision
    from compound_fast._core import ManualClock as ManualClock
    from compound_fast._core import RouteDecision as RouteDecision
    from compound_fast.cache import CacheEntry as CacheEntry
    from compound_fast.cache import Hit as Hit
    from compound_fast.cache import SemanticCache as SemanticCache
    from compound_fast.cache import Served as Served
    from compound_fast.client import AsyncClient as AsyncClient
    from compound_fast.client import Client as Client
    from compound_fast.config import Config as Config
    from compound_fast.embedders import Embedder as Embedder
    from compound_fast.embedders import OpenAIEmbedder as OpenAIEmbedder
    from compound_fast.embedders import StaticEmbedder as StaticEmbedder
    from compound_fast.engine import Engine as Engine
    from compound_fast.errors import AllCandidatesFailedError as AllCandidatesFailedError
    from compound_fast.errors import CacheError as CacheError
    from compound_fast.errors import CacheLockedError as CacheLockedError
    from compound_fast.errors import ClientError as ClientError
    from compound_fast.errors import CompoundFastError as CompoundFastError
    from compound_fast.errors import ConfigError as ConfigError
    from compound_fast.errors import DimensionError as DimensionError
    from compound_fast.errors import DispatchError as DispatchError
    from compound_fast.errors import IndexFileError as IndexFileError
    from compound_fast.errors import InternalError as InternalError
    from compound_fast.errors import NoCandidateError as NoCandidateError
    from compound_fast.errors import ProviderConnectionError as ProviderConnectionError
    from compound_fast.errors import ProviderStatusError as ProviderStatusError
    from compound_fast.errors import ProviderTimeoutError as ProviderTimeoutError
    from compound_fast.errors import RateLimitedError as RateLimitedError
    from compound_fast.errors import ResponseValidationError as ResponseValidationError
    from compound_fast.errors import RoutingError as RoutingError
    from compound_fast.errors import SnapshotError as SnapshotError
    from compound_fast.errors import StreamInterruptedError as StreamInterruptedError
    from compound_fast.errors import TextError as TextError
    from compound_fast.errors import TrafficError as TrafficError
    from compound_fast.features import Features as Features
    from compound_fast.features import extract as extract
    from compound_fast.index import VectorIndex as VectorIndex
    from compound_fast.pipeline import Pipeline as Pipeline
    from compound_fast.router import Router as Router
    from compound_fast.tokens import Cut as Cut
    from compound_fast.tokens import Fit as Fit
    from compound_fast.tokens import TokenCount as TokenCount
    from compound_fast.tokens import Tokenizer as Tokenizer
    from compound_fast.tokens import count_tokens as count_tokens
    from compound_fast.tokens import fit as fit
    from compound_fast.transport import CacheTransport as CacheTransport
    from compound_fast.transport import wrap as wrap
    from compound_fast.types import CallOptions as CallOptions
    from compound_fast.types import ChatCompletion as ChatCompletion
    from compound_fast.types import ChatCompletionChunk as ChatCompletionChunk
    from compound_fast.types import CompoundInfo as CompoundInfo
    from compound_fast.types import Usage as Usage

    __version__: str

_MODULES = {
    "_core": ("Decision", "ManualClock", "RouteDecision", "__version__"),
    "cache": ("CacheEntry", "Hit", "SemanticCache", "Served"),
    "client": ("AsyncClient", "Client"),
    "config": ("Config",),
    "embedders": ("Embedder", "OpenAIEmbedder", "StaticEmbedder"),
    "engine": ("Engine",),
    "errors": (
        "AllCandidatesFailedError",
        "CacheError",
        "CacheLockedError",
        "ClientError",
        "CompoundFastError",
        "ConfigError",
        "DimensionError",
        "DispatchError",
        "IndexFileError",
        "InternalError",
        "NoCandidateError",
        "ProviderConnectionError",
        "ProviderStatusError",
        "ProviderTimeoutError",
        "RateLimitedError",
        "ResponseValidationError",
        "RoutingError",
        "SnapshotError",
        "StreamInterruptedError",
        "TextError",
        "TrafficError",
    ),
    "features": ("Features", "extract"),
    "index": ("VectorIndex",),
    "integrations": ("integrations",),
    "pipeline": ("Pipeline",),
    "router": ("Router",),
    "tokens": ("Cut", "Fit", "TokenCount", "Tokenizer", "count_tokens", "fit"),
    "transport": ("CacheTransport", "wrap"),
    "types": ("CallOptions", "ChatCompletion", "ChatCompletionChunk", "CompoundInfo", "Usage"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{home}")
    value = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
