"""Token counting against its peers, called from Python, interleaved within each round.

    pip install -r benches/python/requirements-peers.txt
    python benches/python/bench_tokens.py [--rounds 7] [--encoding o200k_base] [--only prompts_92,...]

The texts come from `COMPOUND_FAST_DATA` (default `../shared/data`), folder `tokens`. A text is counted once in a round;
`snippets` are new in every round. Times are per text, the call from Python included: the best round, ours with its median in
brackets; ratios to ours are of the best rounds and of the medians. On a shared machine trust the best rounds: a peer that
takes longer is interrupted more often, which flatters us in the medians.
"""

import argparse
import base64
import functools
import gc
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("COMPOUND_FAST_DATA", ROOT.parent / "shared/data")) / "tokens"
CACHE = pathlib.Path(tempfile.gettempdir()) / "compound_fast_bench"
# The names under which tiktoken looks for its rank files.
TIKTOKEN_NAMES = {
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}
SCRIPTS = {
    "cjk": ("zh", "ja", "ko"),
    "arabic_hebrew": ("ar", "he", "fa"),
    "cyrillic_greek": ("ru", "el"),
    "latin_accented": ("de", "tr"),
}


def tiktoken_encoding(name: str):
    """tiktoken's encoding, from the rank files of the data folder."""
    CACHE.mkdir(exist_ok=True)
    for ranks, known_as in TIKTOKEN_NAMES.items():
        if not (CACHE / known_as).exists():
            (CACHE / known_as).write_bytes((DATA / "vocab" / f"{ranks}.tiktoken").read_bytes())
    os.environ["TIKTOKEN_CACHE_DIR"] = str(CACHE)
    import tiktoken

    return tiktoken.get_encoding(name)


def byte_symbols() -> dict[int, str]:
    """The printable characters that byte-level BPE files write bytes as."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = {byte: chr(byte) for byte in printable}
    symbols.update({byte: chr(256 + extra) for extra, byte in enumerate(b for b in range(256) if b not in symbols)})
    return symbols


def last_merge(ranks: dict[bytes, int], token: bytes, rank: int) -> tuple[bytes, bytes]:
    """The two parts of a token before its last merge."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        best, at = min((ranks.get(a + b, rank), i) for i, (a, b) in enumerate(zip(parts, parts[1:])))
        if best >= rank:
            raise ValueError(f"token {rank} is not reachable by merging")
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def tokenizer_json(name: str) -> pathlib.Path:
    """A `tokenizer.json` with the ranks and the pattern of the encoding, for the peers that read nothing else."""
    path = CACHE / f"{name}.json"
    if not path.exists():
        encoding = tiktoken_encoding(name)
        lines = (line.split() for line in (DATA / "vocab" / f"{name}.tiktoken").read_bytes().splitlines())
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        symbols = byte_symbols()
        text = lambda token: "".join(symbols[byte] for byte in token)  # noqa: E731
        merges = [list(map(text, last_merge(ranks, token, rank))) for token, rank in ranks.items() if len(token) > 1]
        # Oniguruma, which tokenizers uses, reads `{1,3}+` as a repetition of the whole; not being possessive changes nothing.
        pattern = encoding._pat_str.replace("{1,3}+", "{1,3}")
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        model = {"type": "BPE", "vocab": {text(token): rank for token, rank in ranks.items()}, "merges": merges}
        model |= {"ignore_merges": False, "byte_fallback": False, "fuse_unk": False, "dropout": None, "unk_token": None}
        body = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None}
        body |= {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "post_processor": None}
        body |= {"decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}}
        path.write_text(json.dumps(body | {"model": model}))
    return path


def peers(name: str) -> dict:
    """A counting function for each peer that is installed, ours first."""
    from compound_fast._core import Tokenizer

    encoding = tiktoken_encoding(name)
    found = {"compound_fast": Tokenizer.get(name).count, "tiktoken": lambda text: len(encoding.encode_ordinary(text))}
    if importlib.util.find_spec("toktok"):
        from toktok._toktok import Tokenizer as Toktok

        found["toktok"] = Toktok(name, "").count
    for module in ("fastokens", "snaptokens"):
        if importlib.util.find_spec(module):
            encode = importlib.import_module(module).Tokenizer.from_file(str(tokenizer_json(name))).encode
            found[module] = functools.partial(lambda encode, text: len(encode(text)), encode)
    return found


def read(pattern: str) -> list[str]:
    """The texts of the files that match."""
    return [path.read_bytes().decode() for path in sorted(DATA.glob(pattern))]


def prompts(name: str) -> list[str]:
    """The prompts of a JSON list of texts, or of objects that hold one."""
    found = json.loads((DATA / name).read_text())
    return [prompt["text"] if isinstance(prompt, dict) else prompt for prompt in found]


def snippets(texts: list[str]) -> list[str]:
    """Distinct stretches of 92 characters."""
    cut = dict.fromkeys(text[at : at + 92] for text in texts for at in range(0, len(text) - 92, 92))
    return list(cut)


def workloads(rounds: int) -> dict[str, list[list[str]]]:
    """For each case, the texts of each round (one list for all rounds where they repeat between rounds)."""
    fresh = snippets(read("c_*") + read("d_*"))
    per_round = len(fresh) // rounds
    cases = {
        "prompts_92": [prompts("a_prompts_100c.json")],
        # Every `rounds`-th, so that all rounds draw on all files.
        "snippets": [fresh[turn::rounds][:per_round] for turn in range(rounds)],
        "prompts_2k": [prompts("b_prompts_2k.json")],
        "english_100k": [read("c_*")],
        "code_100k": [read("d_*")],
        "indic_thai": [read("e_indic*")],
        "emoji": [read("e_emoji*")],
    }
    for script, languages in SCRIPTS.items():
        cases[script] = [[text for language in languages for text in read(f"e_{language}_*")]]
    return cases


def once(count, texts: list[str]) -> float:
    """Seconds to count each text once."""
    start = time.perf_counter()
    for text in texts:
        count(text)
    return time.perf_counter() - start


def table(name: str, rounds: int, only: set[str]) -> None:
    """Prints the table of times per text and ratios to tiktoken."""
    counters = peers(name)
    others = [peer for peer in counters if peer != "compound_fast"]
    print(
        f"| {name}: us a text | MB/s | compound_fast (median) | "
        + " | ".join(f"{peer} (ratios)" for peer in others)
        + " |"
    )
    print("|---" * (3 + len(others)) + "|")
    gc.disable()
    for case, lists in workloads(rounds).items():
        if only and case not in only:
            continue
        times = {peer: [] for peer in counters}
        for texts in lists[:1] if len(lists) == 1 else []:
            for text in texts:
                counts = {count(text) for count in counters.values()}
                if len(counts) > 1:
                    print(f"<!-- {case}: counts differ {counts} -->")
        for turn in range(rounds):
            texts = lists[turn % len(lists)]
            for peer, count in counters.items():
                times[peer].append(once(count, texts) / len(texts) * 1e6)
        best = {peer: min(each) for peer, each in times.items()}
        median = {peer: statistics.median(each) for peer, each in times.items()}
        size = statistics.mean(len(text.encode()) for text in lists[0])
        ours, usual = best["compound_fast"], median["compound_fast"]
        cells = [f"{best[peer]:.2f} ({best[peer] / ours:.1f}x, {median[peer] / usual:.1f}x)" for peer in others]
        print(f"| {case} | {size / ours:.0f} | {ours:.3f} ({usual:.3f}) | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Parses the command and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--encoding", default="o200k_base", choices=sorted(TIKTOKEN_NAMES))
    parser.add_argument("--only", default="", help="cases, separated by commas")
    args = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is missing; set COMPOUND_FAST_DATA to the folder that holds tokens/")
    print(
        f"<!-- {platform.processor() or platform.machine()}, Python {platform.python_version()}, {args.rounds} rounds -->"
    )
    table(args.encoding, args.rounds, set(filter(None, args.only.split(","))))


if __name__ == "__main__":
    main()
