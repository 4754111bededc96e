"""The static table that ships."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from compound_fast import _core
from compound_fast._arguments import check_texts
from compound_fast.errors import TextError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of a text, shape ``(dim,)``; zeros for a text without words.

        Raises
        ------
        TextError
            If the text holds a lone surrogate.
        """
        with _utf8():
            return self._core.embed(text)

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text, shape ``(len(texts), dim)``, with the GIL released.

        Raises
        ------
        ConfigError
            If `texts` is one str.
        TextError
            If a text holds a lone surrogate.
        """
        rows = check_texts("texts", texts)
        with _utf8():
            return self._core.embed_batch(rows)

    def coverage(self, text: str) -> float:
        """Return how much of a text the table knows, in [0, 1]: near 0 for other scripts and for symbols."""
        with _utf8():
            return self._core.coverage(text)

    def __repr__(self) -> str:
        return repr(self._core)


@contextmanager
def _utf8() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise TextError("the text holds a lone surrogate, which has no UTF-8 form; remove or replace it") from error
