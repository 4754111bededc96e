"""Features against a slow reading of the same text in Python: regular expressions, sets and loops."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compound_fast.features import Features, extract
from compound_fast.request import to_body
from compound_fast.tokens import count_tokens

LEXICON = Path(__file__).parents[2] / "rust/core/src/features/lexicon"
FAMILIES = ["python", "javascript", "rust", "c", "java", "sql", "shell", "html", "go"]
TASKS = ["summarise", "translate", "extract", "classify", "rewrite"]
COUNTED = {
    "negations": "negations",
    "reasoning_words": "reasoning",
    "stale_words": "stale",
    "comparisons": "comparisons",
    "constraints": "constraints",
    "creative_words": "creative",
}
ASKING = {"who": "who", "whom": "who", "whose": "who", "why": "why", "how": "how", "what": "what", "when": "when"}
ASKING |= {"where": "where", "which": "which"}
# What Rust's `char::is_whitespace` takes away.
BLANKS = "".join(
    map(chr, (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
TOKEN = re.compile(r"[A-Za-zé]+(?:'[A-Za-z]+)*|[.!?](?=\s|$)")


def words_of(name: str) -> dict[str, str]:
    """A word list with the value of each word."""
    lines = (LEXICON / f"{name}.txt").read_text("utf-8").splitlines()
    entries = (line.strip().partition(" ") for line in lines if line.strip() and not line.startswith("#"))
    return {word: value for word, _, value in entries}


LISTS = {path.stem: words_of(path.stem) for path in LEXICON.glob("*.txt") if path.stem not in {"antonyms", "languages"}}

KNOWN = {word for words in LISTS.values() for word in words} | {
    side for line in words_of("antonyms").items() for side in line
}


def is_in(name: str, word: str) -> bool:
    """Whether a list holds a word, with or without its genitive."""
    word = word.lower()
    if word not in KNOWN and word.endswith("'s"):
        word = word[:-2]
    return (word in LISTS[name] and len(word) <= 16) or (name == "negations" and len(word) > 3 and word.endswith("n't"))


def intent(tokens: list[str]) -> dict[str, Any]:
    """Question type and orders, from words and end marks in order."""
    words = [token for token in tokens if token not in {".", "!", "?"}]
    kind, place, orders, after = "none", 0, 0, ""
    for token in tokens:
        if token in {".", "!", "?"}:
            place, after = 0, ""
            continue
        orders += is_in("imperatives", token) and (place == 0 or is_in("openers", after))
        place, after = place + 1, token
    for at, word in enumerate(words):
        asking = re.sub("['\u2019]s$", "", word.lower())
        if is_in("questions", word) and asking in ASKING:
            kind = ASKING[asking]
            then = words[at + 1].lower() if at + 1 < len(words) else ""
            if kind == "how":
                kind = {"many": "how_many", "much": "how_many", "long": "when", "often": "when"}.get(then, "how")
            break
    opens = bool(words) and is_in("questions", words[0])
    asks = opens or "?" in "".join(tokens)
    return {"question_type": (kind if kind != "none" else "yes_no") if asks else "none", "imperatives": orders}


def of_prose(text: str) -> dict[str, Any]:
    """What the words of a text of plain words and end marks say."""
    tokens = TOKEN.findall(text)
    words = [token for token in tokens if token not in {".", "!", "?"}]
    found: dict[str, Any] = {field: sum(is_in(name, word) for word in words) for field, name in COUNTED.items()}
    found |= intent(tokens)
    found["words"] = len(words)
    found["sentences"] = max(len(tokens) - len(words), bool(words))
    found["questions"] = text.count("?")
    found["is_question"] = "?" in text or (bool(words) and is_in("questions", words[0]))
    found["parts"] = max(max(found["questions"], found["is_question"]) + found["imperatives"], bool(words))
    named = {LISTS["tasks"][word.lower()] for word in words if word.lower() in LISTS["tasks"]}
    found["tasks"] = [task for task in TASKS if task in named]
    letters = "".join(words)
    found["foreign"] = pytest.approx(sum(2 for c in letters if c == "é") / max(len(letters.encode()), 1))
    found["maths_signs"] = len(re.findall(r"==?|\^|\\[A-Za-z]|[∑∫√≤≥≠]", text))
    signs = len(re.findall(r"\(\)|\):|\};|==|=(?=> \{)|</", text))
    families = Counter(LISTS["code"][word.lower()] for word in words if word.lower() in LISTS["code"])
    found["has_code"] = "```" in text or signs >= 2 or (signs == 1 and bool(families))
    found["code_family"] = max(FAMILIES, key=lambda family: families[family]) if set(families) & set(FAMILIES) else None
    if not found["has_code"]:
        found["code_family"] = None
    return found


def of_lines(text: str) -> dict[str, int]:
    """The layout of a text as it was typed."""
    lines = [line.strip(BLANKS) for line in text.split("\n")]
    item = re.compile(r"(?:[-*+•]|[0-9]{1,3}[.)]|[A-Za-z][.)]) ")
    return {
        "lines": sum(line != "" for line in lines),
        "paragraphs": sum(line != "" and (at == 0 or lines[at - 1] == "") for at, line in enumerate(lines)),
        "list_items": sum(item.match(line) is not None for line in lines),
        "table_rows": sum(
            line.count("\t") >= 2 or (line.count("|") >= 2 and (line[0] == "|" or line.count(" | ") >= 2))
            for line in lines
        ),
        "headings": sum(re.match(r"#{1,6} ", line) is not None for line in lines),
    }


def same(found: Features, expected: dict[str, Any]) -> None:
    """Compare field by field, so that a failure names the field."""
    for name, value in expected.items():
        assert getattr(found, name) == value, name


LISTED = sorted(word for words in LISTS.values() for word in words if re.fullmatch(r"[a-z]+(?:'[a-z]+)*", word))
PROSE = st.lists(
    st.one_of(
        st.sampled_from(LISTED),
        st.sampled_from(["how many", "How long", "please cancel", "café", "today's", "Shouldn't", "box", "lamp", "I"]),
        st.sampled_from(
            ["step.", "now!", "there?", "so,", "well;", "()", "):", "};", "==", "=> {", "=", "^", "√", "\\alpha"]
        ),
        st.from_regex(r"[A-Z]?[a-zé]{1,9}", fullmatch=True),
    ),
    max_size=30,
).map(" ".join)


@given(PROSE)
def test_words_say_what_the_lists_say(text: str) -> None:
    """Counts, questions, orders, tasks, code and mathematics of prose are those of a slow reading."""
    same(extract(text), of_prose(text))


def test_real_requests_say_what_the_lists_say(evaluation_data: Path) -> None:
    """The same holds for requests that people wrote, as far as they are plain words."""
    lines = (evaluation_data / "cache/streams/support_dev.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    plain = [text for text in texts if re.fullmatch(r"[A-Za-z' ,.?!]+", text) and not re.search(r"[.?!][A-Za-z]", text)]
    plain = [text for text in plain if not re.search(r"[a-z][A-Z]|'(?![a-z])|(?<![A-Za-z])'", text)]
    assert len(plain) >= 500
    for text in plain:
        same(extract(text), of_prose(text))


LAYOUT = st.lists(
    st.one_of(
        st.sampled_from(
            ["\n", "\n\n", "\r\n", " ", "- ", "* a", "12) ", "a. ", "# h", "####### h", "|", " | ", "\t", "x"]
        ),
        st.sampled_from(["**", "</b", "/>", "](", "<", "</", "/", "•", " \u3000", "?", "é"]),
        st.text(max_size=4),
    ),
    max_size=40,
).map("".join)


@given(st.one_of(LAYOUT, st.text(max_size=120)))
def test_any_text_is_measured_as_python_measures_it(text: str) -> None:
    """Characters, bytes, question marks, markup, lines and tokens of any text."""
    found = extract(text)
    canonical = json_text(text)

    same(found, of_lines(text))
    assert (found.chars, found.bytes) == (len(canonical), len(canonical.encode()))
    starts = range(len(canonical))
    assert found.markup_signs == sum(re.match(r"</[A-Za-z]|/>|\*\*|\]\(", canonical[at:]) is not None for at in starts)
    assert found.tokens == count_tokens([{"role": "user", "content": text}], model="gpt-4o").tokens
    if canonical.isascii():
        assert found.script == ("latin" if re.search("[A-Za-z]", canonical) else None)


def json_text(text: str) -> str:
    """The canonical form of a text, which another test holds to its definition."""
    from compound_fast import _core

    return _core.Request(to_body(text)).text


SLOTS = [
    ("$5.00", "amount", "usd:5"),
    ("twenty dollars", "amount", "usd:20"),
    ("€1,200", "amount", "eur:1200"),
    ("#32227", "id", "32227"),
    ("INV-2024-0017", "id", "inv-2024-0017"),
    ("150351613775", "id", "150351613775"),
    ("5 kg", "quantity", "kg:5"),
    ("30 days", "duration", "day:30"),
    ("10%", "percent", "10"),
    ("5 pm", "time", "17:00"),
    ("2024-05-01", "date", "2024-05-01"),
    ("Monday", "weekday", "1"),
    ("September", "month", "9"),
    ("3rd", "ordinal", "3"),
    ("3.9.1", "version", "3.9.1"),
    ("17", "number", "17"),
    ("Ann@mail.example", "email", "ann@mail.example"),
    ("https://a.example/B", "url", "https://a.example/B"),
    ("user_id", "code", "user_id"),
    ('"good morning"', "quoted", "good morning"),
]
PIECES = st.lists(
    st.one_of(st.sampled_from(SLOTS), st.sampled_from(["box", "Lamp", "please", "don't", "café"])),
    min_size=1,
    max_size=12,
)


@given(PIECES)
def test_slots_and_frame_are_the_pieces_of_the_text(pieces: list[Any]) -> None:
    """Slots between words have their kind, value and span; the frame is the words."""
    expected, words, text = [], [], "hello"
    for piece in pieces:
        text += " "
        if isinstance(piece, str):
            words.append(piece.lower())
            text += piece
        else:
            words.append("lamp")
            expected.append((*piece[1:], len(text), len(text) + len(piece[0])))
            text += f"{piece[0]} lamp"

    found = extract(text)

    assert [(slot.kind, slot.value, slot.start, slot.end) for slot in found.slots] == expected
    assert found.frame == " ".join(["hello", *words])
    backwards = "hello lamp " + " lamp ".join(piece[0] for piece in reversed(pieces) if not isinstance(piece, str))
    assert found.slot_key == (extract(backwards + " lamp").slot_key if expected else 0)


@given(PROSE)
def test_the_vector_is_the_dictionary_as_numbers(text: str) -> None:
    """Each number of the vector follows from the fields by its name."""
    found = extract({"messages": [{"role": "user", "content": text}], "temperature": 0.25, "tools": []})
    fields = found.to_dict()
    kinds = Counter(f"slots_{slot.kind}" for slot in found.slots)
    defaults = {"temperature": 1.0, "top_p": 1.0, "samples": 1.0, "max_output_tokens": 0.0}

    for name, value in zip(Features.schema()[1], found.vector().tolist(), strict=True):
        if name.startswith("slots_"):
            expected = float(kinds[name])
        elif name.startswith("question_"):
            expected = float(fields["question_type"] == name.removeprefix("question_"))
        elif name.startswith("task_"):
            expected = float(name.removeprefix("task_") in fields["tasks"])
        else:
            expected = defaults[name] if fields[name] is None else float(fields[name])
        assert value == expected, name


@given(st.one_of(PROSE, st.text(max_size=40)), st.integers(8, 24))
def test_ngrams_are_hashed_one_by_one(text: str, bits: int) -> None:
    """Words, word pairs and 3- to 5-grams of bytes, each at its hashed place with its sign, scaled to unit length."""
    found = extract(text)
    sums: dict[int, float] = {}

    def add(kind: bytes, gram: bytes) -> None:
        hashed = 0xCBF29CE484222325 ^ kind[0]
        for byte in gram:
            hashed = (hashed ^ byte) * 0x100000001B3 % 2**64
        hashed = (hashed ^ hashed >> 32) * 0xBF58476D1CE4E5B9 % 2**64
        place = (hashed >> 24) % 2**bits
        sums[place] = sums.get(place, 0.0) + (1.0 if hashed >> 63 == 0 else -1.0)

    words = found.frame.encode().split(b" ") if found.frame else []
    for at, word in enumerate(words):
        add(b"w", word)
        if at:
            add(b"p", words[at - 1] + b" " + word)
        for size in (3, 4, 5):
            for start in range(len(word) - size + 1):
                add(b"c", word[start : start + size])
    places, values = found.ngrams(bits=bits)
    kept = dict(sorted(sums.items()))
    length = float(np.sqrt(sum(value * value for value in kept.values())))

    assert places.tolist() == list(kept)
    np.testing.assert_allclose(values, [value / (length or 1.0) for value in kept.values()], rtol=1e-5)
