"""How good the embedding is: few-shot intents, out-of-scope detection, and pairs.

    COMPOUND_FAST_DATA=../shared/data python benches/quality/embedding.py [--wordllama] [--minilm JAR_FOLDER]
        [--table HELD_OUT.cfm ...]

10 examples an intent, logistic head, mean of five draws, test splits; out-of-scope AUC by the nearest centroid; pairs
by cosine. `--wordllama` needs its package; `--minilm` a folder with that teacher's ONNX and tokenizer files, as
`training/fetch.py` leaves them; `--table` any file that `training/build.py` made, read in numpy.

                         banking77      clinc150  out of scope  semanticmemo           fow
static-en-256-v1             0.834         0.882         0.949         0.937         0.997
wordllama 256                0.801         0.839         0.925         0.929         0.993
(made again, 2026-11-24)     0.834         0.882         0.949         0.937         0.997
MiniLM int8                  0.854         0.906         0.960         0.946         0.999

The pair columns: semanticmemo, paraphrase or not; fow, paraphrases against pairs of unrelated texts.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Embed = Callable[[list[str]], Floats]
DATA = Path(os.environ.get("COMPOUND_FAST_DATA", "../shared/data")) / "cache"


def intent_sets() -> tuple[dict[str, tuple[list[list[str]], list[list[str]]]], list[str]]:
    """Train and test parts of (text, intent), and CLINC150's out-of-scope test texts."""
    parts = {}
    for part in ("train", "test"):
        with (DATA / f"banking77/{part}.csv").open(newline="") as file:
            parts[part] = [[row["text"], row["category"]] for row in csv.DictReader(file)]
    clinc = json.loads((DATA / "clinc150/data.json").read_text())
    sets = {"banking77": (parts["train"], parts["test"]), "clinc150": (clinc["train"], clinc["test"])}
    return sets, [text for text, _ in clinc["oos_test"]]


def logistic(rows: Floats, labels: NDArray[np.int64], classes: int) -> Callable[[Floats], Floats]:
    """Multinomial logistic regression, full batches, Adam, 300 steps; the inputs scaled by 4, weight decay 1/(10 n)."""
    x = np.c_[rows * 4, np.ones(len(rows), np.float32)]
    y = np.eye(classes, dtype=np.float32)[labels]
    weights, first, second = (np.zeros((x.shape[1], classes), np.float32) for _ in range(3))
    decay = np.r_[np.ones((rows.shape[1], 1)), [[0]]] / (10 * len(rows))
    for step in range(1, 301):
        scores = x @ weights
        odds = np.exp(scores - scores.max(1, keepdims=True))
        slope = x.T @ (odds / odds.sum(1, keepdims=True) - y) / len(rows) + weights * decay
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope * slope
        weights = weights - 0.1 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return lambda queries: np.c_[queries * 4, np.ones(len(queries), np.float32)] @ weights


def auc(positive: Floats, negative: Floats) -> float:
    """Chance that a positive scores above a negative, ties for half."""
    order = np.sort(negative)
    below = np.searchsorted(order, positive, "left") + np.searchsorted(order, positive, "right")
    return float(below.sum() / 2 / (len(positive) * len(negative)))


def few_shot(embed: Embed, shots: int = 10, draws: int = 5) -> dict[str, float]:
    """Accuracy on both sets, and the out-of-scope AUC."""
    sets, outside = intent_sets()
    found = {}
    for name, (train, test) in sets.items():
        names = sorted({intent for _, intent in train})
        rows, queries = embed([text for text, _ in train]), embed([text for text, _ in test])
        labels = np.array([names.index(intent) for _, intent in train])
        wanted = np.array([names.index(intent) for _, intent in test])
        strangers = embed(outside) if name == "clinc150" else None
        right, apart = [], []
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            picks = [rng.permutation(np.flatnonzero(labels == at))[:shots] for at in range(len(names))]
            picked = np.concatenate(picks)
            head = logistic(rows[picked], labels[picked], len(names))
            right.append(float((head(queries).argmax(1) == wanted).mean()))
            if strangers is not None:
                centres = np.stack([rows[pick].mean(0) for pick in picks])
                centres /= np.linalg.norm(centres, axis=1, keepdims=True)
                apart.append(auc((queries @ centres.T).max(1), (strangers @ centres.T).max(1)))
        found[name] = float(np.mean(right))
        found[f"{name} spread"] = float(np.std(right))
        if apart:
            found["out of scope"] = float(np.mean(apart))
    return found


def pairs(embed: Embed) -> dict[str, float]:
    """AUC of the cosine: semanticmemo paraphrase or not, fow paraphrase against pairs of unrelated texts."""
    memo = [json.loads(line) for line in (DATA / "semanticmemo/pairs.jsonl").read_text().splitlines()]
    cosine = (embed([row["prompt_a"] for row in memo]) * embed([row["prompt_b"] for row in memo])).sum(1)
    label = np.array([row["label"] for row in memo])
    fow = [json.loads(line) for line in (DATA / "fow/pairs.jsonl").read_text().splitlines()]
    same = [row for row in fow if row["category"] == "paraphrase"]
    one, other = embed([row["a"] for row in same]), embed([row["b"] for row in same])
    shifted = np.concatenate([(one * np.roll(other, by, 0)).sum(1) for by in (1, 7, 31)])
    return {"semanticmemo": auc(cosine[label == 1], cosine[label == 0]), "fow": auc((one * other).sum(1), shifted)}


def of_table(path: Path, pieces: Callable[[str], list[int]]) -> Embed:
    """Vectors by a model file: the normalised sum of a text's rows."""
    import pack

    _, rows = pack.read(path)

    def embed(texts: list[str]) -> Floats:
        sums = np.stack([rows[pieces(text)].sum(0) for text in texts])
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)

    return embed


def main() -> int:
    """Print one row an embedder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordllama", action="store_true")
    parser.add_argument("--minilm", type=Path)
    parser.add_argument("--table", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"{DATA} is missing: set COMPOUND_FAST_DATA", file=sys.stderr)
        return 2
    from compound_fast import _core

    shipped = _core.StaticEmbedder()
    embedders: dict[str, Embed] = {shipped.id: shipped.embed_batch}
    sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
    for path in args.table:
        embedders[path.stem] = of_table(path, shipped.pieces)
    if args.wordllama:
        import wordllama

        # Its loader looks for the tokenizer in a cache and never in its own wheel, which has it.
        own = Path(wordllama.__file__).parent
        llama = wordllama.WordLlama.load(cache_dir=own, disable_download=True)
        embedders["wordllama 256"] = lambda texts: np.asarray(llama.embed(texts, norm=True), np.float32)
    if args.minilm:
        from teacher import Teacher

        stem = args.minilm / "all-minilm-l6-v2-q"
        minilm = Teacher(stem.with_suffix(".onnx"), Path(f"{stem}-tokenizer.json"), "mean")
        embedders["MiniLM int8"] = minilm.encode
    columns = ("banking77", "clinc150", "out of scope", "semanticmemo", "fow")
    print(f"{'':20}" + "".join(f"{column:>14}" for column in columns))
    for name, embed in embedders.items():
        found = few_shot(embed) | pairs(embed)
        spread = max(value for column, value in found.items() if column.endswith("spread"))
        row = "".join(f"{found[column]:14.3f}" for column in columns)
        print(f"{name:20}{row}   +/- {spread:.3f} a draw", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
