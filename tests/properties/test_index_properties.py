"""The index after any sequence of changes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compound_fast.index import VectorIndex

DIM = 20
POOL = np.random.default_rng(5).standard_normal((60, DIM)).astype(np.float32)

_step = st.one_of(
    st.tuples(st.just("add"), st.lists(st.tuples(st.integers(0, 25), st.integers(0, 59)), min_size=1, max_size=6)),
    st.tuples(st.just("remove"), st.lists(st.integers(0, 25), max_size=4)),
    st.tuples(st.just("reopen"), st.just([])),
)


@settings(max_examples=60)
@given(st.lists(_step, max_size=25), st.sampled_from(["auto", "graph"]))
def test_the_index_holds_exactly_the_live_set(steps, kind):
    """After any adds, replacements, removals, saves and opens every live entry, and nothing else, is found."""
    index, live = VectorIndex(DIM, kind=kind), {}
    with tempfile.TemporaryDirectory() as folder:
        for verb, what in steps:
            if verb == "add":
                index.add([key for key, _ in what], POOL[[row for _, row in what]])
                live.update(what)
            elif verb == "remove":
                held = {key for key in what if live.pop(key, None) is not None}
                assert index.remove(what) == len(held)
            else:
                index.save(Path(folder, "index"))
                index = VectorIndex.open(Path(folder, "index"))

    assert len(index) == len(live)
    for key, row in live.items():
        ids, similarities = index.search(POOL[row], len(live) + 1)
        assert sorted(ids.tolist()) == sorted(live)
        assert similarities[ids.tolist().index(key)] > 0.9999
        assert (np.diff(similarities) <= 0).all()
