"""The verbs of `VectorIndex` on hnswlib, for comparison."""

from __future__ import annotations

import io
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compound_fast.errors import ConfigError, DimensionError, IndexFileError

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

_M, _EF_CONSTRUCTION, _EF = 16, 200, 128
_FIRST_ROOM = 1024
MAGIC = b"\x93NUMPY"


class HnswlibIndex:
    """What `compound_fast._core.VectorIndex` does, by hnswlib with float32 vectors.

    One call at a time: hnswlib promises nothing for a search beside a change. A removed vector is only marked, so
    memory does not come back before the index is saved and opened. The file holds ids and vectors; opening it builds
    the graph.
    """

    def __init__(self, dim: int) -> None:
        try:
            import hnswlib
        except ImportError as fault:
            raise ConfigError("kind='hnswlib' needs hnswlib: pip install 'compound-fast[hnswlib]'") from fault
        if not 1 <= dim <= 4096:
            raise DimensionError(f"dim={dim} is outside 1 to 4096")
        self.dim = dim
        self._live: set[int] = set()
        self._marked: set[int] = set()
        self._lock = threading.Lock()
        self._index = hnswlib.Index(space="cosine", dim=dim)
        self._index.init_index(max_elements=_FIRST_ROOM, M=_M, ef_construction=_EF_CONSTRUCTION)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> HnswlibIndex:
        """Build the index of a file that :meth:`save` wrote."""
        content = Path(path).read_bytes()
        payload, checksum = content[:-4], content[-4:]
        if zlib.crc32(payload).to_bytes(4, "little") != checksum:
            raise IndexFileError(f"{path}: the file is truncated or corrupted: its checksum does not match")
        try:
            rows = np.load(io.BytesIO(payload), allow_pickle=False)
            ids, vectors = np.ascontiguousarray(rows["id"]), np.ascontiguousarray(rows["vector"])
            index = cls(vectors.shape[1])
            index.add(ids, vectors)
        except (ValueError, IndexError, KeyError, EOFError) as fault:
            raise IndexFileError(f"{path}: the file is no index: {fault}") from fault
        return index

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ids and vectors to a file, which appears whole or not at all."""
        with self._lock:
            ids = sorted(self._live)
            rows = np.zeros(len(ids), dtype=[("id", "<u8"), ("vector", "<f4", (self.dim,))])
            rows["id"] = ids
            if ids:
                rows["vector"] = self._index.get_items(ids)
        buffer = io.BytesIO()
        np.save(buffer, rows, allow_pickle=False)
        payload = buffer.getvalue()
        temporary = Path(f"{path}.tmp")
        try:
            temporary.write_bytes(payload + zlib.crc32(payload).to_bytes(4, "little"))
            temporary.replace(path)
        except OSError as fault:
            raise IndexFileError(f"{path}: the file cannot be written ({fault})") from fault

    def add(self, ids: NDArray[np.uint64], vectors: NDArray[np.float32]) -> None:
        """Add vectors; one whose id is held replaces it."""
        _check(vectors, "vector")
        # Of an id that stands twice the last vector stays.
        last = {int(key): at for at, key in enumerate(ids)}
        keys = list(last)
        if 2**64 - 1 in last:
            raise ConfigError(f"id {2**64 - 1} is what fills the rows of a short batch")
        with self._lock:
            for key in self._marked.intersection(keys):
                self._index.unmark_deleted(key)
            self._marked.difference_update(keys)
            wanted = len(self._live.union(keys)) + len(self._marked)
            if wanted > self._index.get_max_elements():
                self._index.resize_index(max(wanted, 2 * self._index.get_max_elements()))
            if keys:
                self._index.add_items(vectors[list(last.values())], np.array(keys, dtype=np.uint64), num_threads=1)
            self._live.update(keys)

    def remove(self, ids: NDArray[np.uint64]) -> int:
        """Mark vectors as removed, and return how many of the ids it held."""
        with self._lock:
            held = self._live.intersection(ids.tolist())
            for key in held:
                self._index.mark_deleted(key)
            self._live -= held
            self._marked |= held
            return len(held)

    def get(self, key: int) -> NDArray[np.float32] | None:
        """Return the unit vector under an id, or None."""
        with self._lock:
            return np.asarray(self._index.get_items([key])[0], dtype=np.float32) if key in self._live else None

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        min_similarity: float | None = None,
        allowed: NDArray[np.uint64] | None = None,
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Find the nearest vectors; exactly among those of `allowed`, where it is given."""
        if vector.shape != (self.dim,):
            raise DimensionError(f"the query has {vector.size} values; this index holds vectors of {self.dim}")
        _check(vector[None], "the query", is_one=True)
        with self._lock:
            ids, similarities = self._nearest(vector, k, allowed)
        order = np.lexsort((ids, -similarities))[:k]
        ids, similarities = ids[order], similarities[order]
        keep = similarities >= (-np.inf if min_similarity is None else min_similarity)
        return ids[keep], similarities[keep]

    def _nearest(
        self, vector: NDArray[np.float32], k: int, allowed: NDArray[np.uint64] | None
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        among = self._live if allowed is None else self._live.intersection(allowed.tolist())
        if k == 0 or not among:
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.float32)
        if allowed is None and k < len(among):
            self._index.set_ef(max(_EF, 2 * k))
            try:
                labels, distances = self._index.knn_query(vector[None], k, num_threads=1)
            except RuntimeError:
                # It reached fewer than k: entries that nothing links to, or too many that are marked.
                pass
            else:
                return labels[0].astype(np.uint64), np.clip(1 - distances[0], -1, 1).astype(np.float32)
        keys = np.array(sorted(among), dtype=np.uint64)
        rows = np.asarray(self._index.get_items(keys), dtype=np.float32)
        similarities = rows @ (vector / np.linalg.norm(vector))
        return keys, np.clip(similarities, -1, 1).astype(np.float32)

    def search_batch(
        self,
        vectors: NDArray[np.float32],
        k: int,
        threads: int,  # noqa: ARG002 -- the verbs are the same
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Find the nearest of several vectors, one after the other: `threads` is not used."""
        ids = np.full((len(vectors), k), 2**64 - 1, dtype=np.uint64)
        similarities = np.full((len(vectors), k), np.nan, dtype=np.float32)
        _check(vectors, "query")
        for row, vector in enumerate(vectors):
            found, near = self.search(vector, k)
            ids[row, : len(found)], similarities[row, : len(found)] = found, near
        return ids, similarities

    def stats(self) -> dict[str, Any]:
        """Return its figures; `bytes` is what hnswlib says that its file would take."""
        with self._lock:
            size = int(self._index.index_file_size())
            return {"entries": len(self._live), "bytes": size, "kind": "hnswlib", "waiting": 0, "kernels": "hnswlib"}

    def __len__(self) -> int:
        """Return how many vectors it holds."""
        return len(self._live)


def _check(vectors: NDArray[np.float32], what: str, *, is_one: bool = False) -> None:
    """Refuse a vector without direction, by its place."""
    for bad, holds in ((~np.isfinite(vectors).all(axis=1), "NaN or infinity"), (~vectors.any(axis=1), "only zeros")):
        if bad.any():
            name = what if is_one else f"{what} {int(bad.argmax())}"
            raise DimensionError(f"{name} holds {holds}; it has no direction to compare")
