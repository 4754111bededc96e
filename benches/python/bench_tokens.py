"""Token counting against its peers, called from Python, interleaved within each round.

    pip install -r benches/python/requirements-peers.txt
    python benches/python/bench_tokens.py [--rounds 7] [--encoding o200k_base] [--only prompts_92,...] [--more]

The texts come from `COMPOUND_FAST_DATA` (default `../shared/data`), folder `tokens`. A text is counted once in a round;
`snippets` are new in every round. Times are per text, the call from Python included: the best round, ours with its
median in brackets; ratios to ours are of the best rounds and of the medians. On a shared machine trust the best rounds:
a peer that takes longer is interrupted more often, which flatters us in the medians.

Last run (`--rounds 21 --more`): 2 shared vCPUs of an AMD Zen 3 (AVX2, 512 KB L2, no AVX-512), Python 3.11.7,
November 2026.

| o200k_base: us a text | MB/s | compound_fast (median) | tiktoken (ratios) | toktok (ratios) | fastokens (ratios) | snaptokens (ratios) |
|---|---|---|---|---|---|---|
| prompts_92 | 190 | 0.487 (0.700) | 7.10 (14.6x, 16.8x) | 1.24 (2.5x, 2.9x) | 1.22 (2.5x, 3.1x) | 2.55 (5.2x, 6.0x) |
| snippets | 58 | 1.594 (1.886) | 11.07 (6.9x, 6.3x) | 3.20 (2.0x, 2.0x) | 1.97 (1.2x, 1.2x) | 3.48 (2.2x, 2.1x) |
| prompts_2k | 328 | 5.830 (6.024) | 139.34 (23.9x, 25.0x) | 20.80 (3.6x, 3.8x) | 8.65 (1.5x, 1.5x) | 14.84 (2.5x, 2.6x) |
| english_100k | 373 | 269.202 (284.982) | 6740.37 (25.0x, 24.6x) | 805.93 (3.0x, 3.0x) | 395.53 (1.5x, 1.5x) | 555.12 (2.1x, 2.1x) |
| code_100k | 355 | 225.909 (233.181) | 5508.35 (24.4x, 24.4x) | 568.55 (2.5x, 2.5x) | 289.89 (1.3x, 1.4x) | 374.65 (1.7x, 1.7x) |
| indic_thai | 106 | 1082.200 (1130.762) | 9037.67 (8.4x, 8.1x) | 3011.53 (2.8x, 2.8x) | 637.17 (0.6x, 0.6x) | 1369.72 (1.3x, 1.3x) |
| emoji | 138 | 1050.101 (1085.427) | 11479.41 (10.9x, 11.3x) | 2511.20 (2.4x, 2.4x) | 1377.18 (1.3x, 1.3x) | 2089.14 (2.0x, 2.0x) |
| cjk | 79 | 755.591 (821.285) | 6442.14 (8.5x, 8.0x) | 2013.45 (2.7x, 2.6x) | 764.36 (1.0x, 1.0x) | 673.44 (0.9x, 0.9x) |
| arabic_hebrew | 142 | 423.435 (437.999) | 4581.28 (10.8x, 11.0x) | 1033.09 (2.4x, 2.6x) | 382.33 (0.9x, 0.9x) | 523.45 (1.2x, 1.3x) |
| cyrillic_greek | 104 | 578.010 (591.901) | 5065.72 (8.8x, 9.0x) | 1927.45 (3.3x, 3.4x) | 397.67 (0.7x, 0.7x) | 690.28 (1.2x, 1.2x) |
| latin_accented | 142 | 422.277 (441.199) | 6141.04 (14.5x, 14.5x) | 1269.65 (3.0x, 3.1x) | 331.05 (0.8x, 0.8x) | 519.90 (1.2x, 1.2x) |

1 MB of hostile text, ns a byte: random letters 49.8, Arabic without spaces 40.1, base64 38.0, punctuation 37.0,
Chinese 20.5, one character repeated 1.0 to 4.3. Load 0.004 ms, first call 0.06 ms, memory +21.8 MB after 1.9 MB of the
corpus. A request of 7 messages and 3 tools (2430 bytes): 7.0 us. count_batch on 2 threads: 1.83x and 1.88x when the second core was free.
"""

# ruff: noqa: E501 - the table of the last run is wide.

import argparse
import base64
import functools
import gc
import importlib.util
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
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
    """An encoding of tiktoken, from the rank files of the data folder."""
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
        best, at = min((ranks.get(a + b, rank), i) for i, (a, b) in enumerate(itertools.pairwise(parts)))
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
        # Oniguruma, which tokenizers uses, reads `{1,3}+` as a repetition of the whole.
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
            try:
                encode = importlib.import_module(module).Tokenizer.from_file(str(tokenizer_json(name))).encode
            except ValueError:  # snaptokens does not know the pattern of cl100k_base as tiktoken 0.14 writes it
                continue
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


def hostile(name: str) -> None:
    """Prints nanoseconds a byte on 1 MB of each hostile text: the best of three."""
    from compound_fast._core import Tokenizer

    spec = importlib.util.spec_from_file_location("adversarial", DATA / "adversarial.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    texts = module.adv(1_000_000) | {character * 3: character * 1_000_000 for character in "=*_#."}
    count = Tokenizer.get(name).count
    print(f"\n| {name}, 1 MB | ns a byte |\n|---|---|")
    for kind, text in texts.items():
        size = len(text.encode())
        print(f"| {kind} | {min(once(count, [text]) for _ in range(3)) / size * 1e9:.1f} |", flush=True)


FRESH = """
import os, time
page = os.sysconf("SC_PAGE_SIZE")
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * page / 1e6
from compound_fast._core import Tokenizer
text = open({path!r}, "rb").read()  # bytes: a str would count the copy that it makes of itself
small, before, start = "hello", rss(), time.perf_counter()
tokenizer = Tokenizer.get({name!r})
loaded = time.perf_counter()
tokenizer.count(small)
first = time.perf_counter()
tokenizer.count(text)
print((loaded - start) * 1e3, (first - loaded) * 1e3, rss() - before)
"""


def load(name: str) -> None:
    """Prints what loading an encoding and counting the corpus once takes in a fresh process: the median of seven."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as corpus:
        corpus.write("".join(read("[cde]_*")))
        corpus.flush()
        command = [sys.executable, "-c", FRESH.format(path=corpus.name, name=name)]
        runs = [
            list(map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))
            for _ in range(7)
        ]
    loaded, first, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    print(
        f"\n{name}: load {loaded:.3f} ms, first call {first:.3f} ms, memory after 1.9 MB of the corpus +{memory:.1f} MB"
    )


def requests() -> None:
    """Prints the time of a request of seven messages and three tools given as JSON bytes."""
    from compound_fast._core import count_request

    prompts_92, prompt_2k = prompts("a_prompts_100c.json"), prompts("b_prompts_2k.json")[0]
    roles = ["user", "assistant"]
    properties = {
        "place": {"type": "string", "description": "The city and state, such as Boston, MA"},
        "unit": {"type": "string", "enum": ["c", "f"]},
    }
    parameters = {"type": "object", "properties": properties, "required": ["place"]}
    function = {"description": "Get the current weather in a place", "parameters": parameters}
    tools = [{"type": "function", "function": {"name": f"get_weather_{at}", **function}} for at in range(3)]
    bodies = []
    for first in range(0, 600, 6):
        turns = [{"role": roles[at % 2], "content": text} for at, text in enumerate(prompts_92[first : first + 6])]
        messages = [{"role": "system", "content": prompt_2k[first % 7 : 600]}, *turns]
        bodies.append(json.dumps({"model": "gpt-4o", "messages": messages, "tools": tools}).encode())
    best = min(once(lambda body: count_request(body, ""), bodies) for _ in range(50)) / len(bodies)
    size = statistics.mean(map(len, bodies))
    print(f"\nrequest of 7 messages and 3 tools, {size:.0f} bytes of JSON: {best * 1e6:.2f} us")


def batch(name: str) -> None:
    """Prints the gain of two threads on a batch of 2 KB texts."""
    from compound_fast._core import Tokenizer

    tokenizer = Tokenizer.get(name)
    texts = [text[at:] for at in range(40) for text in prompts("b_prompts_2k.json")]
    one, two = [], []
    for _ in range(15):
        one.append(once(lambda texts: tokenizer.count_batch(texts, threads=1), [texts]))
        two.append(once(lambda texts: tokenizer.count_batch(texts, threads=2), [texts]))
    best, usual = min(one) / min(two), statistics.median(one) / statistics.median(two)
    print(f"\ncount_batch of {len(texts)} texts of 2 KB: 2 threads are {best:.2f}x one (medians {usual:.2f}x)")


def main() -> None:
    """Parses the command and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--encoding", default="o200k_base", choices=sorted(TIKTOKEN_NAMES))
    parser.add_argument("--only", default="", help="cases, separated by commas")
    parser.add_argument("--more", action="store_true", help="hostile texts, loading, requests and batches too")
    args = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is missing; set COMPOUND_FAST_DATA to the folder that holds tokens/")
    print(f"<!-- {platform.machine()}, Python {platform.python_version()}, {args.rounds} rounds -->")
    if args.only != "none":
        table(args.encoding, args.rounds, set(filter(None, args.only.split(","))))
    if args.more:
        hostile(args.encoding)
        load(args.encoding)
        requests()
        batch(args.encoding)


if __name__ == "__main__":
    main()
