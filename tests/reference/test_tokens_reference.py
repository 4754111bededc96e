"""Counts and tokens against tiktoken 0.14 and Hugging Face's tokenizers, and against golden counts.

Needs the evaluation data (rank files and corpus), tiktoken and tokenizers; skipped with a message where they are
with a message where they are missing. The project's own golden set in `tests/unit/test_tokens.py` always runs.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from compound_fast.tokens import Tokenizer, count_tokens

NAMES = ("o200k_base", "cl100k_base")
FRAGMENTS = [
    "a", "b", "B", "S", "s", "t", "re", "LL", "ve", "'", "'s", "'T", "1", "23", "456", " ", "  ", "\t", "\n", "\r\n",
    "/", "//", ".", "!", "_", "é", "É", "ǅ", "ʰ", "中", "ｱ", "\u0301", "½", "٣", "\u00a0", "\u3000", "\u2028",
    "\u0085", "\u200b", "🙂", "👨\u200d👩", "\u017f", "ก", "हि", "한", "İ", "-", "----", "<|endoftext|>", "the",
    "Hello", "World", "x" * 20, " " * 30, "\x00", "ß", "Ж", "ж",
]  # fmt: skip

encodings = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def data(evaluation_data: Path) -> Path:
    """The token corpus."""
    folder = evaluation_data / "tokens"
    if not folder.is_dir():
        pytest.skip(f"no token corpus at {folder}")
    return folder


@pytest.fixture(scope="module")
def peers(data: Path, root: Path) -> ModuleType:
    """The helpers of the benchmark, which run the peers offline from the rank files."""
    pytest.importorskip("tiktoken", reason="pip install -r benches/python/requirements-peers.txt")
    spec = importlib.util.spec_from_file_location("bench_tokens", root / "benches/python/bench_tokens.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.DATA = data
    return module


def assert_like_tiktoken(peers: ModuleType, name: str, texts: Iterator[str]) -> None:
    """Fails with the first texts whose tokens differ."""
    theirs, ours = peers.tiktoken_encoding(name), Tokenizer.get(name)
    wrong = []
    for text in texts:
        expected = theirs.encode_ordinary(text)
        if ours.count(text) != len(expected) or ours.encode(text).tolist() != expected:
            wrong.append(text)
    assert wrong[:5] == [], f"{len(wrong)} texts differ"


def corpus(data: Path) -> dict[str, str]:
    """The files of the corpus."""
    return {path.name: path.read_bytes().decode() for path in sorted(data.glob("[cde]_*"))}


def adversarial(data: Path) -> Any:
    """The module of hostile texts."""
    spec = importlib.util.spec_from_file_location("adversarial", data / "adversarial.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@encodings
def test_golden_counts(data: Path, name: str) -> None:
    """Every count that three implementations agree on is ours."""
    golden = json.loads((data / "golden_counts.json").read_text())["encodings"][name]
    tokenizer, texts, hostile = Tokenizer.get(name), corpus(data), adversarial(data)

    assert {file: tokenizer.count(texts[file]) for file in golden["files"]} == golden["files"]
    for prompts in ("a_prompts_100c", "b_prompts_2k"):
        found = json.loads((data / f"{prompts}.json").read_text())
        counts = [tokenizer.count(prompt["text"] if isinstance(prompt, dict) else prompt) for prompt in found]
        assert counts == golden[prompts]
    assert [tokenizer.count(text) for text in hostile.EDGE] == golden["edge"]
    for size, counts in golden["adversarial"].items():
        made = hostile.adv(int(size))
        assert {kind: tokenizer.count(made[kind]) for kind in counts} == counts
    for file, prefixes in golden["prefix"].items():
        assert {k: tokenizer.count(texts[file][: int(k)]) for k in prefixes} == prefixes


@encodings
def test_every_code_point_beside_every_class(peers: ModuleType, name: str) -> None:
    """Each code point of Unicode alone, doubled, and before and after a character of each class."""
    points = (chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000)

    assert_like_tiktoken(
        peers, name, (f"a{c}B {c}{c}1{c}\n{c}中{c}\u0301{c} '{c}s.{c}\u3000{c}/{c}A{c}b" for c in points)
    )


@encodings
def test_100_000_random_mixes(peers: ModuleType, name: str) -> None:
    """Fragments of every kind, put together at random."""
    draw = random.Random(20)

    assert_like_tiktoken(
        peers,
        name,
        ("".join(draw.choices(FRAGMENTS, k=draw.choice((1, 2, 3, 4, 6, 10, 20, 40)))) for _ in range(100_000)),
    )


@encodings
def test_white_space_runs_with_a_late_newline(peers: ModuleType, name: str) -> None:
    """Where a run of white space ends depends on newlines that come later in it."""
    runs = (
        f"{before}{first * length}{newline}{after}"
        for before, first, newline, after, length in itertools.product(
            ("", "a", ".", "\n"),
            (" ", "\t", "\n ", " \u00a0"),
            ("", "\n", "\r\n ", "\n\t\n", "\u00a0", "\u00a0\n"),
            ("", "b", "/", "'s"),
            (1, 2, 3, 60, 61, 62, 63, 64, 65, 130),
        )
    )

    assert_like_tiktoken(peers, name, runs)


@encodings
def test_long_pieces(peers: ModuleType, name: str) -> None:
    """Pieces of up to 2,000 bytes without a boundary, with runs of one character inside."""
    draw = random.Random(21)
    alphabets = (
        "abcdefghijklmnopqrstuvwxyz",
        "ACGT",
        "01",
        "-=",
        "=_*",
        "一的是不了",
        "абв",
        "!@#$%^&*()",
        "ha",
        "\t ",
        "\n ",
    )

    def pieces() -> Iterator[str]:
        for _ in range(1_500):
            length = draw.choice((70, 200, 600, 2_000))
            text = "".join(draw.choices(draw.choice(alphabets), k=length))
            if draw.random() < 0.4:
                text = text[: length // 2] + draw.choice("-=*_#a.") * draw.randrange(1, 1_200) + text[length // 2 :]
            yield text

    assert_like_tiktoken(peers, name, pieces())


@encodings
def test_a_million_times_one_character(peers: ModuleType, name: str) -> None:
    """1 MB of one character; Hugging Face's tokenizers where tiktoken panics (spaces)."""
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer.from_file(str(peers.tokenizer_json(name)))
    ours = Tokenizer.get(name)

    assert_like_tiktoken(peers, name, (character * (1_000_000 // len(character.encode())) for character in "a-\n中"))
    assert ours.count(" " * 1_000_000) == len(theirs.encode(" " * 1_000_000).ids)


@encodings
def test_hugging_face_agrees(peers: ModuleType, data: Path, name: str) -> None:
    """The corpus and random mixes, against tokenizers with the same ranks."""
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer.from_file(str(peers.tokenizer_json(name)))
    ours, draw = Tokenizer.get(name), random.Random(22)
    mixes = ["".join(draw.choices(FRAGMENTS, k=12)) for _ in range(5_000)]

    for text in [*corpus(data).values(), *mixes]:
        assert ours.count(text) == len(theirs.encode(text).ids), text[:80]


@pytest.mark.parametrize("name", ["o200k_base", "o200k_harmony", "cl100k_base"])
def test_special_tokens(peers: ModuleType, name: str) -> None:
    """allowed_special means what it means to tiktoken: none, all, or a set."""
    theirs = peers.tiktoken_encoding(name)
    ours, draw = Tokenizer.get(name), random.Random(23)
    special = sorted(theirs.special_tokens_set)
    parts = [
        *draw.sample(special, min(12, len(special))),
        "<|",
        "|>",
        "<|endoftext",
        " ",
        "text",
        "\n\n",
        "<|<|endoftext|>",
    ]

    assert set(ours.special_tokens) == theirs.special_tokens_set
    assert ours.vocabulary_size == theirs.n_vocab
    for _ in range(3_000):
        text = "".join(draw.choices(parts, k=draw.randrange(1, 8)))
        some = set(draw.sample(special, min(2, len(special))))
        for ours_allows, theirs_allows in ((None, set()), ("all", "all"), (some, some)):
            expected = theirs.encode(text, allowed_special=theirs_allows, disallowed_special=())
            assert ours.encode(text, allowed_special=ours_allows).tolist() == expected
            assert ours.count(text, allowed_special=ours_allows) == len(expected)


@pytest.mark.parametrize(
    ("encoding", "model"),
    [
        ("llama3", "llama-3-70b"),
        ("qwen2_5", "qwen2.5-72b"),
        ("deepseek_v3", "deepseek-v3"),
        ("mistral_nemo", "mistral-nemo"),
        ("gemma2", "gemma-2-27b"),
    ],
)
def test_estimates_stay_below_their_bound(data: Path, encoding: str, model: str) -> None:
    """On every file of the corpus the true count is at most `upper`; in the sum the estimate is within 8 %."""
    golden = json.loads((data / "golden_counts.json").read_text())["encodings"][encoding]["files"]
    texts = corpus(data)
    found = {file: count_tokens(texts[file], model=model) for file in golden}
    off = {file: round(golden[file] / found[file].tokens - 1, 3) for file in golden}

    assert {file: error for file, error in off.items() if golden[file] > found[file].upper} == {}
    assert abs(sum(golden.values()) / sum(count.tokens for count in found.values()) - 1) < 0.08, off
