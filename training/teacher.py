"""The teachers: small sentence encoders, run in onnxruntime on one thread."""

# ruff: noqa: T201 - a script
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PIECES = 30522
UNKNOWN, CLS, SEP = 100, 101, 102
CHUNK = 4096


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; zero rows stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


class Teacher:
    """A BERT-uncased sentence encoder from an ONNX file.

    The quantised models scale activations by batch, so a vector depends a little (cosine above .99) on its batch.
    Texts are sorted by length within chunks of a fixed size, which makes a run repeatable and wastes no padding.

    Parameters
    ----------
    model, tokenizer : Path
        The ONNX graph and the Hugging Face tokenizer file.
    pool : {"cls", "mean"}
        What stands for the sentence: the vector of ``[CLS]``, or the mean over its pieces.
    """

    def __init__(self, model: Path, tokenizer: Path, pool: str) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A spinning thread on a busy machine costs more than it wins.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(66)
        self._tokenizer.no_padding()
        self._pool = pool
        self.name = model.stem

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Word pieces of each text, without the two marks; a text of none is one unknown piece."""
        return [item.ids[1:-1] or [UNKNOWN] for item in self._tokenizer.encode_batch(list(texts))]

    def piece(self, at: int) -> str:
        """How a word piece is written."""
        return str(self._tokenizer.id_to_token(at))

    def encode(self, texts: Sequence[str], batch: int = 32) -> NDArray[np.float32]:
        """Unit vectors, shape (n, 384)."""
        return self._encode([[CLS, *pieces, SEP] for pieces in self.pieces(texts)], batch)

    def encode_kept(self, texts: Sequence[str], folder: Path, *, log: str = "") -> NDArray[np.float32]:
        """Encode in chunks, each kept in `folder` under the hash of its texts, so that a broken run goes on."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = []
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            digest = hashlib.sha256("\n".join([self.name, *chunk]).encode()).hexdigest()[:24]
            path = folder / f"{digest}.npy"
            if not path.exists():
                vectors = self.encode(chunk).astype(np.float16)
                np.save(path.with_suffix(".part.npy"), vectors)
                path.with_suffix(".part.npy").rename(path)
                if log:
                    print(f"{log}: {start + len(chunk)} of {len(texts)} texts", flush=True)
            parts.append(np.load(path).astype(np.float32))
        return unit(np.concatenate(parts))

    def token_table(self, pieces: Sequence[int]) -> NDArray[np.float32]:
        """Each of the word pieces alone, as ``[CLS] piece [SEP]``, less their mean: shape (30522, 384), others zero."""
        table = np.zeros((PIECES, 384), np.float32)
        alone = self._encode([[CLS, piece, SEP] for piece in pieces], 64)
        table[list(pieces)] = alone - alone.mean(0)
        return table

    def _encode(self, rows: list[list[int]], batch: int) -> NDArray[np.float32]:
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        out = np.zeros((len(rows), 384), np.float32)
        for start in range(0, len(order), batch):
            picked = order[start : start + batch]
            width = max(len(rows[row]) for row in picked)
            ids = np.zeros((len(picked), width), np.int64)
            mask = np.zeros_like(ids)
            for line, row in enumerate(picked):
                ids[line, : len(rows[row])] = rows[row]
                mask[line, : len(rows[row])] = 1
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = self._session.run(None, {name: feed[name] for name in self._inputs})[0]
            if self._pool == "cls":
                out[picked] = hidden[:, 0]
            else:
                out[picked] = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return unit(out)
