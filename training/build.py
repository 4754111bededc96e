"""From package registries to the model file, in one command.

    python training/build.py --work WORK --out rust/core/models/static-en-v1.cfm [--intents DATA --exclude DATA]

`--intents` adds the unlabelled training utterances of three intent sets (the shipped build); `--exclude` drops every
text that the evaluation sets under that folder hold; `--sample N` runs the whole pipeline on N texts a source. Teacher
vectors are kept in WORK, so that a broken run goes on where it stopped. About 25 minutes on a free core.
"""

# ruff: noqa: S101, T201 - a script: it prints, and its assertions are for its reader

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import fetch
import numpy as np
import pack
import table
import texts
from teacher import PIECES, Teacher, unit

NEW = 10**9


def evaluation_texts(folder: Path) -> set[str]:
    """Plain forms of all texts under `folder` but the training parts of the intent sets."""
    held: set[str] = set()

    def gather(value: Any) -> None:
        if isinstance(value, str):
            held.add(texts.plain(value))
        elif isinstance(value, dict):
            for item in value.values():
                gather(item)
        elif isinstance(value, list):
            for item in value:
                gather(item)

    for path in sorted(folder.rglob("*.jsonl")):
        if path.name.startswith("intents_"):
            continue  # a stream of training and test utterances alike; its test half is read below
        for line in path.read_text().splitlines():
            gather(json.loads(line))
    for path in sorted(folder.glob("kmemo/*.json")):
        gather(json.loads(path.read_text()))
    clinc = json.loads((folder / "clinc150/data.json").read_text())
    gather([text for part in ("test", "val", "oos_test", "oos_val") for text, _ in clinc[part]])
    for part in ("banking77/test.csv", "hwu64/test.seq.in", "hwu64/valid.seq.in"):
        gather(
            [
                line.rsplit(",", 1)[0].strip('"') if part.endswith("csv") else line
                for line in (folder / part).read_text().splitlines()
            ]
        )
    return held


def gather(work: Path, intents: Path | None, sample: int | None) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Texts by source, cleaned and capped, and the digests of what they came from."""
    digests: dict[str, str] = {}
    for source in fetch.sources()["text"]:
        digests |= fetch.fetch_text(source, work)
    wordnet = texts.wordnet(work / "debian/usr/share/wordnet")
    raw = {
        "conversations": texts.conversations(work / "pypi"),
        "examples": wordnet["examples"],
        "manuals": texts.manuals(work / "debian/usr/share/doc"),
        "glosses": wordnet["glosses"],
        "lemmas": wordnet["lemmas"],
        "requests": texts.requests(
            fetch.HERE / "requests.yaml", wordnet["nouns"], min(texts.CAPS["requests"], sample or NEW)
        ),
    }
    kept = {name: texts.clean(lines, min(texts.CAPS[name], sample or NEW), 7) for name, lines in raw.items()}
    if intents:
        kept["intents"] = texts.clean(texts.intents(intents), sample or NEW, 7)
    return kept, digests


def main() -> None:
    """Run the pipeline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="static-en-256-v1")
    parser.add_argument("--intents", type=Path)
    parser.add_argument("--exclude", type=Path)
    parser.add_argument("--sample", type=int)
    parser.add_argument(
        "--teachers", type=int, default=2, help="how many of the teachers in sources.toml, from the first"
    )
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--intent-weight", type=int, default=2, help="how often an epoch sees an intent utterance")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began = time.monotonic()

    groups, digests = gather(args.work, args.intents, args.sample)
    views, token_views, used = [], [], []
    tokenizer = None
    for entry in fetch.sources()["teacher"][: args.teachers]:
        model, tokens = fetch.fetch_teacher(entry, args.work / "teachers")
        teacher = Teacher(model, tokens, entry["pool"])
        tokenizer = tokenizer or teacher
        folder = args.work / "vectors" / entry["name"]
        # Each source in chunks of its own, before anything is dropped, so that kept vectors serve every build.
        vectors = [teacher.encode_kept(lines, folder, log=f"{entry['name']}, {name}") for name, lines in groups.items()]
        stacked = np.concatenate(vectors)
        views.append(unit(stacked - stacked.mean(0)))
        # Alone, all 30,522 pieces take a minute and more; a sample needs those of its texts.
        pieces = range(PIECES)
        if args.sample:
            pieces = sorted({piece for group in groups.values() for row in teacher.pieces(group) for piece in row})
        kept = args.work / f"tokens-{entry['name']}-{len(pieces)}.npy"
        if not kept.exists():
            np.save(kept, teacher.token_table(pieces))
        token_views.append(np.load(kept))
        used.append({key: entry[key] for key in ("name", "maven", "sha256", "licence")})
    assert tokenizer is not None
    targets, alone = np.concatenate(views, axis=1), np.concatenate(token_views, axis=1)

    lines = [line for group in groups.values() for line in group]
    real = set(groups.get("intents", ()))
    held = evaluation_texts(args.exclude) if args.exclude else set()
    first: dict[str, int] = {}
    for at, line in enumerate(lines):
        if texts.plain(line) not in held:
            first.setdefault(line, at)
    chosen = np.array(list(first.values()))
    lines, targets = list(first), targets[chosen]
    pieces = tokenizer.pieces(lines)
    counts = table.count(pieces)

    mean, basis = table.pca(targets, args.dim)
    before = table.start(alone, basis, counts)
    wanted = table.project(targets, mean, basis)
    # Requests of real users are few beside the rest.
    again = [at for at, line in enumerate(lines) if line in real] * (args.intent_weight - 1)
    shown = [*range(len(lines)), *again]
    trained = table.regress(
        before, [pieces[at] for at in shown], wanted[shown], epochs=args.epochs, seed=args.seed, log=args.out.stem
    )
    rows = table.spread(trained, before, counts)
    codes, scales = table.quantise(rows, args.bits)
    vocabulary = [tokenizer.piece(at) for at in range(PIECES)]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    pack.write(
        args.out, name=args.name, vocabulary=vocabulary, seen=counts >= 3, codes=codes, scales=scales, bits=args.bits
    )
    np.savez(args.work / f"{args.out.stem}.npz", rows=rows, mean=mean, basis=basis, before=before)
    provenance = {
        "name": args.name,
        "sha256": fetch.sha256(args.out),
        "bytes": args.out.stat().st_size,
        "dim": args.dim,
        "bits": args.bits,
        "teachers": used,
        "sources": digests,
        "texts": {name: len(group) for name, group in groups.items()},
        "texts_used": len(lines),
        "pieces_seen": int((counts >= 3).sum()),
        "epochs": args.epochs,
        "intent_weight": args.intent_weight,
        "seed": args.seed,
    }
    args.out.with_suffix(".json").write_text(json.dumps(provenance, indent=1) + "\n")
    print(f"{args.out}: {provenance['bytes']} bytes, sha256 {provenance['sha256']}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
