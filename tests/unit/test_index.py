"""The vector index as a user calls it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from compound_fast.errors import ConfigError, DimensionError, IndexFileError
from compound_fast.index import VectorIndex

NO_ID = 2**64 - 1


@pytest.fixture(params=["auto", "graph", "hnswlib"])
def index(request) -> VectorIndex:
    """Three vectors of two values."""
    if request.param == "hnswlib":
        pytest.importorskip("hnswlib", reason="hnswlib is not installed")
    index = VectorIndex(2, kind=request.param)
    index.add([1, 2, 3], [[1, 0], [1, 1], [0, -2]])
    return index


def test_the_nearest_comes_first(index):
    """Neighbours come by falling cosine, as uint64 ids and float32 similarities."""
    ids, similarities = index.search([2.0, 0.0])

    assert ids.tolist() == [1, 2, 3]
    assert (ids.dtype, similarities.dtype) == (np.uint64, np.float32)
    np.testing.assert_allclose(similarities, [1, 0.5**0.5, 0], atol=1e-3)


def test_floor_and_allowed_ids_hold(index):
    """Nothing below the floor and nothing outside the allowed ids is returned."""
    assert index.search([1, 0], min_similarity=0.5)[0].tolist() == [1, 2]
    assert index.search([1, 0], allowed=[3, 2, 2, 99])[0].tolist() == [2, 3]
    assert index.search([1, 0], allowed=[])[0].tolist() == []
    assert index.search([1, 0], 0)[0].shape == (0,)


def test_an_id_that_is_held_gets_the_new_vector(index):
    """Adding under a held id replaces; of an id that stands twice in one call, the last vector stays."""
    index.add([1, 1], [[5, 5], [0, 7]])

    assert len(index) == 3
    np.testing.assert_allclose(index.get(1), [0, 1], atol=1e-3)


def test_what_was_removed_is_gone(index):
    """Removing says how many ids were held; the others stay findable."""
    assert index.remove([2, 2, 77]) == 1
    assert (len(index), index.get(2)) == (2, None)
    assert index.search([1, 1])[0].tolist() == [1, 3]
    assert index.get(-1) is None
    assert index.get(2**70) is None


@pytest.mark.parametrize(
    ("ids", "vectors", "error", "said"),
    [
        ([4, 5], [[1, 1], [0, 0]], DimensionError, "vector 1 holds only zeros"),
        ([4, 5], [[1, 1], [1, float("nan")]], DimensionError, "vector 1 holds NaN"),
        ([4, 5], [[1, 1], [1, 1e300]], DimensionError, "vector 1 holds (inf|NaN or infinity)"),
        ([4], [[1, 1, 1]], DimensionError, r"shape \(1, 3\)"),
        ([4], [1, 1], DimensionError, r"shape \(2,\)"),
        ([4], [["a", "b"]], DimensionError, "dtype"),
        ([4], [[1j, 1]], DimensionError, "complex128"),
        ([4], [[1, 1], [1]], DimensionError, "ragged"),
        ([4, 5], [[1, 1]], DimensionError, "2 ids do not go with 1 vectors"),
        ([[4]], [[1, 1]], DimensionError, r"shape \(1, 1\)"),
        ([-4], [[1, 1]], ConfigError, "-4"),
        ([4.5], [[1, 1]], ConfigError, "float64"),
        ([NO_ID], [[1, 1]], ConfigError, str(NO_ID)),
    ],
)
def test_a_faulty_argument_is_named_and_nothing_is_added(index, ids, vectors, error, said):
    """An error says what was wrong, and the index is as it was."""
    with pytest.raises(error, match=said):
        index.add(ids, vectors)

    assert len(index) == 3
    assert index.get(4) is None


def test_a_faulty_query_or_option_is_named(index):
    """A query is held to the same rules as a vector that is added."""
    with pytest.raises(DimensionError, match=r"shape \(3,\)"):
        index.search([1, 2, 3])
    with pytest.raises(DimensionError, match="2 values"):
        VectorIndex(5).search(np.ones(2, dtype=np.float32))
    with pytest.raises(DimensionError, match=r"shape \(\)"):
        index.search(1.0)
    with pytest.raises(DimensionError, match="only zeros"):
        index.search(np.zeros(2, dtype=np.float32))
    with pytest.raises(ConfigError, match=r"1\.7"):
        index.search([1, 2], min_similarity=1.7)
    with pytest.raises(ConfigError, match="nan"):
        index.search([1, 2], min_similarity=float("nan"))
    with pytest.raises(ConfigError, match="-1"):
        index.search([1, 2], -1)
    with pytest.raises(ConfigError, match="threads=0"):
        index.search_batch([[1, 2]], threads=0)
    with pytest.raises(DimensionError, match="query 1"):
        index.search_batch([[1, 2], [0, 0]])
    with pytest.raises(ConfigError, match=str(2**62)):
        index.search_batch([[1, 2]], 2**62)


def test_dim_and_kind_are_held_to_what_is_built():
    """A length outside 1 to 4096 and a kind that does not exist are refused by name."""
    for dim in (0, -1, 4097):
        with pytest.raises(DimensionError, match=str(dim)):
            VectorIndex(dim)
    with pytest.raises(ConfigError, match="'tree' is not known"):
        VectorIndex(2, kind="tree")  # type: ignore[arg-type]


def test_any_layout_and_precision_finds_the_same():
    """float32, float16, float64, Fortran order, strides and read-only arrays are all taken."""
    rows = np.random.default_rng(1).standard_normal((20, 8)).astype(np.float16)
    frozen = rows.astype(np.float32)
    frozen.setflags(write=False)
    expected = None
    for form in (rows, frozen, rows.astype(np.float64), np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2]):
        index = VectorIndex(8)
        index.add(np.arange(20), form)
        found = index.search(form[3], 5)
        expected = expected or found
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_a_short_batch_is_padded(index):
    """A row with fewer neighbours than k ends in the id 2^64 - 1 and NaN."""
    ids, similarities = index.search_batch(np.array([[1, 0], [0, 1]], dtype=np.float32), 5, threads=2)

    assert ids.shape == similarities.shape == (2, 5)
    assert ids[0].tolist() == [1, 2, 3, NO_ID, NO_ID]
    assert np.isnan(similarities[:, 3:]).all()
    assert not np.isnan(similarities[:, :3]).any()
    assert index.search_batch(np.empty((0, 2), dtype=np.float32), 5)[0].shape == (0, 5)


def test_stats_say_what_is_held(index):
    """The figures name size, kind, precision and the loops in use."""
    stats = index.stats()

    assert (stats["entries"], stats["dim"]) == (3, 2)
    expected = {"flat": ("12-bit", {"avx2", "portable"}), "graph": ("12-bit", {"avx2", "portable"})}
    precision, kernels = expected.get(stats["kind"], ("f32", {"hnswlib"}))
    assert stats["precision"] == precision
    assert stats["kernels"] in kernels
    assert stats["bytes"] > 0


def test_a_saved_index_opens_and_can_be_changed(index, tmp_path):
    """The file is whole, opening it gives the same index, and changing that leaves the file alone."""
    path = tmp_path / "some.index"
    index.save(path)
    before = path.read_bytes()

    opened = VectorIndex.open(str(path))
    opened.add([9], [[1, 0]])

    assert opened.dim == 2
    assert opened.search([1, 0], 2)[0].tolist() == [1, 9]
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["some.index"]


@pytest.mark.parametrize("content", [b"", b"no index at all", None])
def test_a_file_that_is_no_index_is_refused(index, tmp_path, content):
    """A missing, foreign, truncated or corrupted file is an IndexFileError that names it."""
    path = tmp_path / "some.index"
    if content is None:
        index.save(path)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(IndexFileError, match=r"some\.index"):
        VectorIndex.open(path)
    with pytest.raises(IndexFileError, match="nowhere"):
        VectorIndex.open(Path(tmp_path, "nowhere"))


def test_threads_search_while_one_changes():
    """Readers beside a writer always find the entries that stay, whichever others come and go."""
    vectors = np.random.default_rng(2).standard_normal((400, 64)).astype(np.float32)
    index = VectorIndex(64)
    index.add(np.arange(200), vectors[:200])
    missed, done = [], threading.Event()

    def read(first: int) -> None:
        while not done.is_set():
            missed.extend(own for own in range(first, 200, 40) if index.search(vectors[own], 1)[0].tolist() != [own])

    readers = [threading.Thread(target=read, args=(first,)) for first in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(30):
        index.add(np.arange(200, 400), vectors[200:])
        index.remove(np.arange(200, 400))
    done.set()
    for reader in readers:
        reader.join()

    assert missed == []
    assert len(index) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_a_copy_of_its_own(index):
    """A child searches and changes its copy; the parent's stays as it was."""
    child = os.fork()
    if child == 0:
        index.add([9], [[1, 0]])
        os._exit(0 if index.search([1, 0], 2)[0].tolist() == [1, 9] else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert index.search([1, 0], 2)[0].tolist() == [1, 2]
