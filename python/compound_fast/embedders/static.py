"""The static table that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compound_fast import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class StaticEmbedder:
    """Vectors by table look-up, in the process: no network, no model to load.

    256 dimensions, English first, blind to word order: "from Oslo to Bergen" and "from Bergen to Oslo" have one vector.
    A text of 12 words costs about 1.4 us in the core. Its model card is ``rust/core/models/static-en-v1.md``.
    """

    def __init__(self) -> None:
        self._core = _core.StaticEmbedder()

    @property
    def id(self) -> str:
        """Name and version."""
        return self._core.id

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._core.dim

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dim)``; zeros for a text without words."""
        return self._core.embed_batch(list(texts))

    def coverage(self, text: str) -> float:
        """Return how much of a text the table knows, in [0, 1]: near 0 for other scripts and for symbols."""
        return self._core.coverage(text)
