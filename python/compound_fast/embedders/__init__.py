"""Text to unit vectors: the protocol, and the embedders that come with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from compound_fast.embedders.openai import OpenAIEmbedder
from compound_fast.embedders.static import StaticEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Embedder", "OpenAIEmbedder", "StaticEmbedder"]


@runtime_checkable
class Embedder(Protocol):
    """What turns texts into vectors."""

    @property
    def id(self) -> str:
        """Name and version: written into whatever is stored with its vectors; vectors of two ids are never compared."""
        ...

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return a unit vector, shape ``(dim,)``; zeros for a text that holds nothing it knows."""
        ...

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text, shape ``(len(texts), dim)``."""
        ...
