"""Writes the model file that `rust/core/src/embed/model.rs` reads, and reads it back."""

# ruff: noqa: S101 - a script
from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA = 1


def pack_rows(codes: NDArray[np.int8], bits: int) -> bytes:
    """Rows as bytes; at 4 bits, number j in the low half of byte j and number j + dim/2 in its high half, plus 8."""
    if bits == 8:
        return codes.tobytes()
    half = codes.shape[1] // 2
    nibbles = (codes.astype(np.int16) + 8).astype(np.uint8)
    return (nibbles[:, :half] | nibbles[:, half:] << 4).tobytes()


def write(
    path: Path,
    *,
    name: str,
    vocabulary: Sequence[str],
    seen: NDArray[np.bool_],
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    bits: int,
) -> None:
    """Write the file; little-endian, as described in model.rs."""
    pieces, dim = codes.shape
    names, words = name.encode(), "".join(f"{piece}\n" for piece in vocabulary).encode()
    assert len(vocabulary) == pieces == len(seen) == len(scales)
    head = b"CFSTATIC" + struct.pack("<6I", SCHEMA, pieces, dim, bits, len(names), len(words))
    bitmap = np.packbits(seen, bitorder="little").tobytes()
    path.write_bytes(head + names + words + bitmap + scales.astype("<f4").tobytes() + pack_rows(codes, bits))


def read(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Vocabulary and rows of a model file, shape (pieces, dim)."""
    file = path.read_bytes()
    schema, pieces, dim, bits, names, words = struct.unpack_from("<6I", file, 8)
    assert file[:8] == b"CFSTATIC"
    assert schema == SCHEMA
    at = 32 + names
    vocabulary = file[at : at + words].decode().splitlines()
    at += words + -(-pieces // 8)
    scales = np.frombuffer(file, "<f4", pieces, at)
    codes = np.frombuffer(file, np.int8 if bits == 8 else np.uint8, pieces * dim * bits // 8, at + 4 * pieces)
    codes = codes.reshape(pieces, -1)
    if bits == 4:
        codes = np.concatenate([codes & 15, codes >> 4], axis=1).astype(np.int8) - 8
    return vocabulary, codes.astype(np.float32) * scales[:, None]
