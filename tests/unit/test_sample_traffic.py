"""The traffic that the project ships: made up, reproducible, and true to its own labels."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAFFIC = ROOT / "python" / "compound_fast" / "data" / "support_traffic.jsonl"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Every line of the sample."""
    return [json.loads(line) for line in TRAFFIC.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script that made it."""
    spec = importlib.util.spec_from_file_location("make_support_traffic", ROOT / "examples" / "make_support_traffic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def asked(row: dict[str, Any]) -> str:
    """Everything the answer depends on: the turns, or the text."""
    turns = row.get("messages") or [{"role": "user", "content": row["text"]}]
    return json.dumps(turns)


def test_the_script_writes_the_committed_bytes(generator: ModuleType) -> None:
    """Expanding the phrases again gives the file that is committed, byte for byte."""
    lines, _ = generator.make_traffic()

    assert ("\n".join(lines) + "\n").encode() == TRAFFIC.read_bytes()


def test_the_example_is_the_shipped_file() -> None:
    """There is one copy: the example is a link to what the wheel carries."""
    assert (ROOT / "examples" / "support_traffic.jsonl").resolve() == TRAFFIC.resolve()


def test_every_line_carries_a_class_a_tenant_and_a_later_arrival(rows: list[dict[str, Any]]) -> None:
    """Every line says its class, its tenant and when it arrived, in order of arrival."""
    assert 1000 <= len(rows) <= 2000
    assert all(row["cls"] and row["tenant"] for row in rows)
    arrivals = [row["t_ms"] for row in rows]
    assert arrivals == sorted(arrivals)


def test_the_same_words_have_one_class(rows: list[dict[str, Any]]) -> None:
    """Within a tenant, two requests with the same turns are never labelled as different questions."""
    classes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        classes[row["tenant"], asked(row)].add(row["cls"])

    assert {key: found for key, found in classes.items() if len(found) > 1} == {}


def test_the_mix_is_the_documented_one(rows: list[dict[str, Any]], generator: ModuleType) -> None:
    """12-15 % repeat exactly and 15-20 % in other words, counted from the file and not from the generator."""
    seen_words: set[tuple[str, str]] = set()
    seen_classes: set[tuple[str, str]] = set()
    count: Counter[str] = Counter()
    for row in rows:
        words, cls = (row["tenant"], asked(row)), (row["tenant"], row["cls"])
        count["exact" if words in seen_words else "reworded" if cls in seen_classes else "first"] += 1
        seen_words.add(words)
        seen_classes.add(cls)

    assert 0.12 <= count["exact"] / len(rows) <= 0.15
    assert 0.15 <= count["reworded"] / len(rows) <= 0.20


def test_it_has_both_forms_and_near_misses(rows: list[dict[str, Any]]) -> None:
    """Bodies and plain texts, system prompts, histories, and orders that are asked about in several ways."""
    assert sum("text" in row for row in rows) > 100
    assert sum("messages" in row and row["messages"][0]["role"] == "system" for row in rows) > 100
    assert sum("messages" in row and any(t["role"] == "assistant" for t in row["messages"]) for row in rows) > 20
    actions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        intent, _, order = row["cls"].partition("/")
        if order.removeprefix("LF-").isdigit() and len(order) >= 6:
            actions[row["tenant"], order].add(intent)
    assert sum(len(intents) > 1 for intents in actions.values()) > 40
