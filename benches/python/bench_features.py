"""Features against regular expressions and sets of words in Python that find the same, interleaved within each round.

    python benches/python/bench_features.py [--rounds 2000]

The body is parsed outside the clock; what is timed is `request.features`, the call from Python included. "one" reads
the same text in every round, as loops do; "distinct" never reads a text twice, as servers do. The Python makes counts
and slots, no frame, signature or canonical values.

Two shared cores of an AMD EPYC, Python 3.11, microseconds, both cores busy (300 rounds)::

                                      features             in Python    ratio of medians
                               least    median       least    median
       100 bytes, one            1.3       1.4          81        83                  58
       100 bytes, distinct       1.3       1.9          85        94                  50
      4096 bytes, one           23.7      24.8        2998      3065                 124
      4096 bytes, distinct      24.5      28.0        2910      3050                 109
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import statistics
import time
from pathlib import Path

from compound_fast import _core
from compound_fast.request import to_body

LEXICON = Path(__file__).parents[2] / "rust/core/src/features/lexicon"
LINES = [
    "Where is my order 483920, it should have been here yesterday?",
    "I would like to return the blue jacket that I bought on May 5 and get my $49.90 back.",
    "Please don't cancel the subscription before the end of the month.",
    "How many days does a transfer from my savings account to another bank usually take?",
    "The app closes whenever I try to open the settings page on my phone.",
    "Can you explain step by step how the interest on my loan is calculated?",
    "What's the difference between the basic plan and the premium plan, and which one is cheaper?",
    "Write to ann@mail.example or call me at 10:30 on Monday about invoice #55671.",
]
LISTS = [
    *("negations", "reasoning", "stale", "comparisons", "constraints", "creative", "imperatives", "questions"),
    *("tasks", "directions", "code", "weekdays", "months", "ordinals", "numbers"),
]


def _words(name: str) -> list[str]:
    lines = (LEXICON / f"{name}.txt").read_text("utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


COUNTS = [set(_words(name)) for name in LISTS]
WORD = re.compile(r"\w+(?:'\w+)*")
UNITS = rf"{'|'.join(_words('durations') + _words('units'))}"
SLOTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"[$£€¥]\s?\d[\d,.]*\d?|\d[\d,.]*\s(?:dollars?|euros?|pounds?)\b",
        r"#?\b\d{5,}\b|\b[A-Z]{1,6}-?\d{3,}\b",
        rf"\b\d[\d.,]*[\s-](?:{UNITS})\b",
        r"\b\d+(?:\.\d+)?\s?(?:%|per\s?cent)",
        r"\b\d{1,2}:\d\d(?:\s?[ap]m)?\b|\b\d{1,2}\s?[ap]m\b",
        r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b",
        r"\b\d+(?:st|nd|rd|th)\b",
        r"\bv?\d+\.\d+\.\d+\b",
        r"[\w.+-]+@[\w-]+\.[\w.]+",
        r"\bhttps?://[^\s\"<>]+",
        r"\b[a-z]+_\w+\b|\b\w+\(\)|\b[a-z]{2,}[A-Z]\w+\b",
        r'"[^"]{1,60}"',
        r"\b\d+(?:[.,]\d+)*\b",
    )
]
SHAPES = [
    re.compile(pattern)
    for pattern in (r"[.!?](?=\s|$)", r"\?", r"==|\(\)|</|\};", r"[=^]|\\[a-z]", r"</\w|/>|\*\*|\]\(", r"[^\x00-\x7f]")
]


def by_expressions(text: str) -> list[int]:
    """Counts of everything: words by sets, the rest by one expression each."""
    words = WORD.findall(text.lower())
    counted = [sum(word in known for word in words) for known in COUNTS]
    return [len(words), *counted, *(len(pattern.findall(text)) for pattern in (*SLOTS, *SHAPES))]


def text_of(size: int, seed: int) -> str:
    """Lines in an order of their own, with numbers of their own, cut to a size."""
    draw = random.Random(seed)
    lines = []
    while sum(map(len, lines)) + len(lines) < size:
        line = draw.choice(LINES).replace("483920", str(draw.randrange(10**5, 10**6)))
        lines.append(line.replace("55671", str(draw.randrange(10**4, 10**5))))
    return " ".join(lines)[:size]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    print(f"{'':22}{'features':>20}{'in Python':>22}{'ratio of medians':>20}")
    print(f"{'':22}{'least':>10}{'median':>10}{'least':>12}{'median':>10}")
    for size, kind in itertools.product((100, 4096), ("one", "distinct")):
        ours, theirs = [], []
        for seed in range(rounds):
            text = text_of(size, seed if kind == "distinct" else 0)
            request = _core.Request(to_body(text))
            began = time.perf_counter_ns()
            request.features  # noqa: B018 - this is what is timed
            ours.append(time.perf_counter_ns() - began)
            # A tenth of the rounds is enough for what takes so much longer.
            if seed % 10 == 0:
                began = time.perf_counter_ns()
                by_expressions(text)
                theirs.append(time.perf_counter_ns() - began)
        one, other = statistics.median(ours), statistics.median(theirs)
        row = f"{min(ours) / 1000:10.1f}{one / 1000:10.1f}{min(theirs) / 1000:12.0f}{other / 1000:10.0f}"
        print(f"{size:6} bytes, {kind:8}{row}{other / one:20.0f}")


if __name__ == "__main__":
    main()
