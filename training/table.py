"""From teacher vectors to a table of word-piece rows: PCA, SIF start, regression, quantisation. numpy only."""

# ruff: noqa: T201 - a script
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from teacher import PIECES, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

#: Smooth inverse frequency; Arora et al., "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017.
SIF = 1e-3


def pca(vectors: Floats, dim: int) -> tuple[Floats, Floats]:
    """Mean, and the leading directions of the centred unit vectors: shapes (n,) and (n, dim).

    The mean goes first: two unrelated texts have a cosine of .4 in bge. The directions belong to the table: fitted
    again on other text they turn, and a table carried over no longer fits its targets.
    """
    mean = vectors.mean(0)
    centred = unit(vectors - mean)
    _, basis = np.linalg.eigh(centred.T @ centred / len(centred))
    return mean, np.ascontiguousarray(basis[:, ::-1][:, :dim], dtype=np.float32)


def project(vectors: Floats, mean: Floats, basis: Floats) -> Floats:
    """Targets of the regression: unit vectors of `dim` numbers."""
    return unit((vectors - mean) @ basis)


def count(pieces: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """How often each piece occurs."""
    return np.bincount(np.concatenate([np.asarray(row) for row in pieces]), minlength=PIECES)


def start(tokens: Floats, basis: Floats, counts: NDArray[np.int64]) -> Floats:
    """Rows before any training: the teacher's view of each piece alone, in the same directions, rare ones heavier."""
    share = (counts + 0.5) / (counts + 0.5).sum()
    rows = (tokens - tokens.mean(0)) @ basis * (SIF / (SIF + share))[:, None].astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1).mean()).astype(np.float32)


def regress(
    table: Floats,
    pieces: Sequence[Sequence[int]],
    targets: Floats,
    *,
    epochs: int = 6,
    batch: int = 512,
    rate: float = 2e-3,
    weight: float = 20.0,
    seed: int = 0,
    log: str = "",
) -> Floats:
    """Train the rows so that the normalised sum of a text's rows is its target.

    Loss of a batch: mean(1 - cosine) + `weight` x mean squared difference of the two similarity matrices. Adam with a
    warm-up of 50 steps, then linear to 2 %. The gradients are written out, so that training needs no framework.
    """
    rng = np.random.default_rng(seed)
    batch = min(batch, len(pieces))
    table = table.copy()
    first, second = np.zeros_like(table), np.zeros_like(table)
    lengths = np.array([len(row) for row in pieces])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate([np.asarray(row, np.int32) for row in pieces])
    steps = epochs * (len(pieces) // batch)
    step = 0
    for epoch in range(epochs):
        order = rng.permutation(len(pieces))
        total = 0.0
        for begin in range(0, len(order) - batch + 1, batch):
            picked = order[begin : begin + batch]
            ids = np.concatenate([flat[starts[at] : starts[at + 1]] for at in picked])
            sizes = lengths[picked]
            summed = np.add.reduceat(table[ids], np.concatenate([[0], np.cumsum(sizes)[:-1]]), axis=0)
            norms = np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-9)
            found, wanted = summed / norms, targets[picked]
            cosine = np.einsum("ij,ij->i", found, wanted)
            apart = found @ found.T - wanted @ wanted.T
            total += float((1 - cosine).mean())
            slope = -wanted / batch + (4 * weight / batch**2) * (apart @ found)
            slope = (slope - found * np.einsum("ij,ij->i", slope, found)[:, None]) / norms
            # Gradient of each row: the sum over its places. Sorting by id turns the scatter into runs.
            by_id = np.argsort(ids, kind="stable")
            rows, runs = np.unique(ids[by_id], return_index=True)
            gradient = np.add.reduceat(np.repeat(slope, sizes, axis=0)[by_id], runs, axis=0)
            step += 1
            pace = rate * min(1.0, step / 50) * max(0.02, 1 - (step - 1) / steps)
            first *= 0.9
            first[rows] += 0.1 * gradient
            second *= 0.999
            second[rows] += 0.001 * gradient * gradient
            pace = pace * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            table -= np.float32(pace) * first / (np.sqrt(second) + np.float32(1e-8))
        if log:
            print(f"{log}: epoch {epoch + 1} of {epochs}, 1 - cosine {total / (len(order) // batch):.4f}", flush=True)
    return table


def spread(table: Floats, before: Floats, counts: NDArray[np.int64], least: int = 3) -> Floats:
    """Rows seen fewer than `least` times get the linear map that takes the start to the trained rows."""
    seen = counts >= least
    change, *_ = np.linalg.lstsq(before[seen], table[seen], rcond=None)
    out = table.copy()
    out[~seen] = before[~seen] @ change
    return out


def quantise(table: Floats, bits: int) -> tuple[NDArray[np.int8], Floats]:
    """Whole numbers in [-m, m] with m = 2**(bits - 1) - 1, and one scale a row.

    The scale is the best of 24 by squared error: at 4 bits the largest number of a row would waste the range.
    """
    top = 2 ** (bits - 1) - 1
    peak = np.maximum(np.abs(table).max(1), 1e-12)
    best, scales = np.full(len(table), np.inf), peak / top
    for share in np.linspace(0.42, 1.0, 24) if bits < 8 else [1.0]:
        scale = (peak * share / top).astype(np.float32)
        codes = np.clip(np.round(table / scale[:, None]), -top, top)
        error = ((codes * scale[:, None] - table) ** 2).sum(1)
        better = error < best
        best[better], scales[better] = error[better], scale[better]
    scales = scales.astype(np.float32)
    return np.clip(np.round(table / scales[:, None]), -top, top).astype(np.int8), scales


def embed(table: Floats, pieces: Sequence[Sequence[int]]) -> Floats:
    """Unit vectors of texts: what the library computes, in numpy."""
    sizes = [len(row) for row in pieces]
    flat = np.concatenate([np.asarray(row) for row in pieces])
    return unit(np.add.reduceat(table[flat], np.concatenate([[0], np.cumsum(sizes)[:-1]]), axis=0))
