"""Nearest neighbours by cosine, in the process."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from compound_fast import _core
from compound_fast.errors import ConfigError, DimensionError

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray

    from compound_fast._hnswlib import HnswlibIndex

__all__ = ["VectorIndex"]

_KINDS = ("auto", "flat", "graph", "hnswlib")
_MAX_ID = 2**64 - 2
_MAX_CELLS = 2**60


class VectorIndex:
    """Vectors under integer ids, searched by cosine.

    Kept are twelve bits a value of the unit vector. A scan (flat) or a walk through a graph of the entries (graph)
    reads four of them, and what that leaves in doubt is compared in full. Flat misses
    nothing but a row at the very edge of the k nearest, with a chance of 6 in 10 million; a graph finds the
    nearest in at least 99 of 100 searches of the texts that it was measured on. Similarities are cosines to the stored
    vector, never estimates; they differ from those of the vector as it was given by about 3e-5.

    Thread-safe, and the GIL is released in every call that searches or changes it. Searches run beside each other and
    beside a change, which keeps them waiting for some microseconds; one change at a time. A forked child has a copy of
    its own; fork while no other thread is inside a call.

    Parameters
    ----------
    dim : int
        Length of a vector, from 1 to 4096. Storage is rounded up to a multiple of 64.
    kind : {"auto", "flat", "graph", "hnswlib"}, default "auto"
        "auto" is flat up to 8,192 vectors and grows a graph above, while searches go on. "flat" scans every vector;
        "graph" has a graph from the first one on. "hnswlib" is that library behind the same verbs, for comparison: one
        call at a time, and it has to be installed (``pip install 'compound-fast[hnswlib]'``).

    Raises
    ------
    DimensionError
        If `dim` is outside its range.
    ConfigError
        If `kind` is none of these, or hnswlib is not installed.

    Notes
    -----
    See ``docs/algorithms/index.md`` for figures. Memory for 256 dimensions is about 410 bytes a vector, and 610 with a
    graph. When not to use it: many millions of vectors, or more than memory holds.

    Examples
    --------
    >>> index = VectorIndex(dim=3)
    >>> index.add([1, 2], [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    >>> ids, similarities = index.search([3.0, 0.0, 0.0], k=1)
    >>> ids.tolist(), similarities.tolist()
    ([1], [1.0])
    """

    def __init__(self, dim: int, *, kind: Literal["auto", "flat", "graph", "hnswlib"] = "auto") -> None:
        if kind not in _KINDS:
            raise ConfigError(f"kind={kind!r} is not known; use one of {', '.join(map(repr, _KINDS))}")
        dim = operator.index(dim)
        if dim < 1:
            raise DimensionError(f"dim={dim} is outside 1 to 4096")
        self._core: _core.VectorIndex | HnswlibIndex
        if kind == "hnswlib":
            from compound_fast._hnswlib import HnswlibIndex

            self._core = HnswlibIndex(dim)
        else:
            self._core = _core.VectorIndex(dim, kind)
        self._dim = dim

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> VectorIndex:
        """Open what :meth:`save` wrote; the index can be changed at once, and the file stays as it is.

        The file is mapped into memory, and its rows are read as they are needed. It may be replaced meanwhile, which
        `save` does, but not changed or cut in place: touching pages that are gone ends the process.

        Parameters
        ----------
        path : str or os.PathLike
            The file.

        Raises
        ------
        IndexFileError
            If it cannot be read, is truncated or corrupted, is no index, or has a newer schema.
        """
        index = cls.__new__(cls)
        if _is_of_hnswlib(path):
            from compound_fast._hnswlib import HnswlibIndex

            index._core = HnswlibIndex.open(path)
        else:
            index._core = _core.VectorIndex.open(path)
        index._dim = index._core.dim
        return index

    def __repr__(self) -> str:
        """Say how long its vectors are, how many it holds, and how it searches them now."""
        return f"VectorIndex(dim={self._dim}, kind={self._core.stats()['kind']!r}, entries={len(self)})"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    def __len__(self) -> int:
        """Return how many vectors it holds."""
        return len(self._core)

    def add(self, ids: ArrayLike, vectors: ArrayLike) -> None:
        """Add vectors; one whose id is held already replaces it. All are added or, on an error, none.

        Parameters
        ----------
        ids : array_like of int, shape (n,)
            From 0 to 2^64 - 2. Of an id that stands twice, the last vector stays.
        vectors : array_like of float32 or float16, shape (n, dim)
            Of any length but zero: they are scaled to unit length. Other dtypes are converted to float32.

        Raises
        ------
        DimensionError
            If the shapes do not fit, or a vector holds NaN, infinity or only zeros; nothing is added then.
        ConfigError
            If an id is not an integer in its range; nothing is added then.
        """
        rows = self._rows(vectors, "vectors")
        keys = _ids(ids, "ids")
        if len(keys) != len(rows):
            raise DimensionError(f"{len(keys)} ids do not go with {len(rows)} vectors")
        self._core.add(keys, rows)

    def remove(self, ids: ArrayLike) -> int:
        """Take vectors out, and return how many of the ids it held."""
        return self._core.remove(_ids(ids, "ids"))

    def get(self, id: int) -> NDArray[np.float32] | None:  # noqa: A002 -- the public name
        """Return the unit vector under an id, to the precision in which it is stored, or None."""
        key = operator.index(id)
        return self._core.get(key) if 0 <= key <= _MAX_ID else None

    def search(
        self,
        vector: ArrayLike,
        k: int = 10,
        *,
        min_similarity: float | None = None,
        allowed: ArrayLike | None = None,
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Find the nearest vectors, nearest first; ties in the order of their ids.

        Parameters
        ----------
        vector : array_like of float32 or float16, shape (dim,)
            Of any length but zero.
        k : int, default 10
            At most so many are returned; fewer where there are fewer.
        min_similarity : float, optional
            Least cosine, in [-1, 1], of what is returned.
        allowed : array_like of int, optional
            Only vectors under these ids are looked at, and none of them is missed. O(len(allowed)): for a lasting split
            keep one index a group.

        Returns
        -------
        ids : ndarray of uint64, shape (m,)
            With m <= k.
        similarities : ndarray of float32, shape (m,)
            Cosines.

        Raises
        ------
        DimensionError
            If the shape is another, or the vector holds NaN, infinity or only zeros.
        ConfigError
            If `k` is negative, or `min_similarity` outside its range.
        """
        if type(vector) is np.ndarray and vector.dtype == np.float32 and vector.flags.c_contiguous and vector.ndim == 1:
            row = vector
        else:
            row = self._row(vector)
        if min_similarity is not None and not -1.0 <= min_similarity <= 1.0:
            raise ConfigError(f"min_similarity={min_similarity} is outside [-1, 1]; cosine similarity was meant?")
        keys = None if allowed is None else _ids(allowed, "allowed")
        return self._core.search(row, _count(k), min_similarity, keys)

    def search_batch(
        self, vectors: ArrayLike, k: int = 10, *, threads: int | None = None
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Find the nearest of several vectors.

        Parameters
        ----------
        vectors : array_like of float32 or float16, shape (n, dim)
            Of any length but zero.
        k : int, default 10
            So many a vector.
        threads : int, optional
            How many threads share the work; they end before the call returns. Default 1.

        Returns
        -------
        ids : ndarray of uint64, shape (n, k)
            A row with fewer than k neighbours ends in 2^64 - 1.
        similarities : ndarray of float32, shape (n, k)
            Cosines; NaN where there is no neighbour.

        Raises
        ------
        DimensionError
            If the shape is another, or a vector holds NaN, infinity or only zeros.
        ConfigError
            If `k` is negative, or `threads` below 1.
        """
        if threads is not None and threads < 1:
            raise ConfigError(f"threads={threads} is below 1")
        rows, count = self._rows(vectors, "vectors"), _count(k)
        if len(rows) * count > _MAX_CELLS:
            raise ConfigError(f"k={k} for {len(rows)} queries is more than an array holds")
        return self._core.search_batch(rows, count, 1 if threads is None else threads)

    def stats(self) -> dict[str, Any]:
        """Return its figures.

        `entries`, `bytes` (room for more included), `dim`, `kind` ("flat", "graph" or "hnswlib", as it stands),
        `waiting` (entries that are compared in every search until they are linked), `precision` and the `kernels` in
        use.
        """
        stats = self._core.stats()
        return {**stats, "dim": self._dim, "precision": "f32" if stats["kind"] == "hnswlib" else "12-bit"}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, which appears whole or not at all; a file of that name is replaced.

        Searches go on meanwhile; changes wait.

        Raises
        ------
        IndexFileError
            If the file cannot be written.
        """
        self._core.save(path)

    def _row(self, vector: ArrayLike) -> NDArray[np.float32]:
        row = _floats(vector, "vector")
        if row.shape != (self._dim,):
            raise DimensionError(f"vector has shape {row.shape}; this index takes ({self._dim},)")
        return row

    def _rows(self, vectors: ArrayLike, name: str) -> NDArray[np.float32]:
        rows = _floats(vectors, name)
        if rows.ndim != 2 or rows.shape[1] != self._dim:
            raise DimensionError(f"{name} has shape {rows.shape}; this index takes (n, {self._dim})")
        return rows


def _floats(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """Contiguous float32; no copy where it is that already."""
    try:
        array = np.asarray(values)
    except ValueError as fault:
        raise DimensionError(f"{name} is ragged: {fault}") from fault
    if array.dtype.kind not in "fiu":
        raise DimensionError(f"{name} has dtype {array.dtype}; real numbers were meant")
    # A value beyond float32 becomes infinity, which the core refuses by name.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32) if array.ndim else array.astype(np.float32)


def _ids(values: ArrayLike, name: str) -> NDArray[np.uint64]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise DimensionError(f"{name} has shape {array.shape}; one dimension was meant")
    if array.size == 0:
        return np.empty(0, dtype=np.uint64)
    if array.dtype.kind not in "iu":
        raise ConfigError(f"{name} has dtype {array.dtype}; integers from 0 to 2^64 - 2 were meant")
    if array.dtype.kind == "i" and array.min() < 0:
        raise ConfigError(f"{name} holds {array.min()}; ids run from 0 to 2^64 - 2")
    return np.ascontiguousarray(array, dtype=np.uint64)


def _is_of_hnswlib(path: str | os.PathLike[str]) -> bool:
    """Whether the file begins as one of hnswlib's does. Whatever cannot be read is left to the core to name."""
    from compound_fast._hnswlib import MAGIC

    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _count(k: int) -> int:
    count = operator.index(k)
    if count < 0:
        raise ConfigError(f"k={k} is negative")
    return count
