"""Expand `support_phrases.yaml` into the sample traffic: 1,500 requests to the support of a shop that does not exist.

Run ``python examples/make_support_traffic.py`` after a change to the phrases; the same seed gives the same bytes.
Each line is a request as an application would have sent it, with `t_ms` (arrival), `tenant` and `cls`: two requests
carry the same `cls` exactly when one answer serves both. What a line repeats, and how, is drawn by `MIX`.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
PHRASES = HERE / "support_phrases.yaml"
TRAFFIC = HERE.parent / "python" / "compound_fast" / "data" / "support_traffic.jsonl"

SEED = 20261124
REQUESTS = 1500
MEAN_GAP_MS = 26_000  # eight hours in all, bursts included: a working day
BURST_CHANCE, BURST_LENGTH, BURST_SPEED = 0.02, (6, 24), 12  # a newsletter goes out, a courier is late

# What a request is, as shares of the traffic. "repeat" has been asked with these very words, "reworded" with others;
# "near" copies the words of an earlier one and changes what the answer depends on; "twin" keeps the order number and
# asks for another action.
MIX = {"repeat": 0.135, "reworded": 0.185, "near": 0.15, "twin": 0.05, "followup": 0.04, "hard": 0.10, "new": 0.34}
TENANTS = {"web": 0.55, "app": 0.30, "search": 0.15}
NEW_GROUPS = {"personal": 0.50, "product": 0.34, "general": 0.16}


@dataclass(frozen=True)
class Intent:
    """One thing that customers want, with its phrasings."""

    name: str
    group: str
    phrases: tuple[str, ...]
    twin: bool = False
    each: bool = False  # every phrasing has an answer of its own


@dataclass(frozen=True)
class Asked:
    """One request: the phrasing it came from, with its slots filled."""

    intent: Intent
    template: str  # the phrasing after greetings and typos, slots still open
    phrase: int
    slots: tuple[tuple[str, str], ...]
    history: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the customer typed."""
        return self.template.format(**dict(self.slots))

    @property
    def cls(self) -> str:
        """Class of equivalent answers."""
        parts = [self.intent.name, *([str(self.phrase)] if self.intent.each else []), *(v for _, v in self.slots)]
        return "/".join(parts)


def load_intents(phrases: dict[str, Any]) -> list[Intent]:
    """Read the intents of every group."""
    intents = []
    for group in ("personal", "product"):
        for name, entry in phrases[group].items():
            intents.append(
                Intent(name, group, tuple(entry["say"]), twin=entry.get("twin", False), each=entry.get("each", False))
            )
    intents += [Intent(name, "general", tuple(says)) for name, says in phrases["general"].items()]
    intents += [Intent(f"hard:{name}", "hard", (text,)) for name, text in phrases["hard"].items()]
    for number, turn in enumerate(phrases["followup"]):
        intents.append(Intent(f"followup:{number}", "followup", (turn["ask"],)))
    return intents


@dataclass
class Shop:
    """The state of the expansion: who has asked what so far."""

    phrases: dict[str, Any]
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))
    asked: dict[str, list[Asked]] = field(default_factory=lambda: {tenant: [] for tenant in TENANTS})
    seen: set[tuple[str, str]] = field(default_factory=set)  # (tenant, cls) and (tenant, text), both

    def __post_init__(self) -> None:
        self.intents = load_intents(self.phrases)
        self.by_name = {intent.name: intent for intent in self.intents}
        pairs = self.phrases["opposites"]
        self.opposite = {**dict(pairs), **{second: first for first, second in pairs}}

    # -- slots and wording

    def draw(self, slot: str) -> str:
        """A value for `slot`."""
        rng = self.rng
        if slot == "order":
            return f"{'LF-' if rng.random() < 0.5 else ''}{rng.randrange(200_000, 980_000)}"
        if slot == "invoice":
            return f"R{rng.randrange(20_000, 99_000)}"
        if slot == "amount":
            return f"{rng.choice('£€$')}{rng.randrange(15, 420)}.{rng.choice(['00', '50', '90', '95', '99'])}"
        if slot == "quantity":
            return str(rng.choice([8, 10, 12, 15, 20, 24, 30]))
        return str(rng.choice(self.phrases["slots"][slot.rstrip("2")]))

    def fill(self, template: str, *, keep: dict[str, str] | None = None) -> tuple[tuple[str, str], ...]:
        """Values for every slot in `template`; those in `keep` stay."""
        values = dict(keep or {})
        for slot in re.findall(r"(?<!\{)\{(\w+)\}(?!\})", template):
            while slot not in values:
                value = self.draw(slot)
                if value not in values.values():  # "compare A with A" is no question
                    values[slot] = value
        return tuple(sorted(values.items()))

    def reword(self, phrase: str, intent: Intent) -> str:
        """The phrase with or without a greeting, a closing, a typo."""
        rng = self.rng
        if intent.group == "hard" or intent.name.endswith(("_de", "_fr")) or len(phrase) < 18:
            return phrase
        if rng.random() < 0.16:
            phrase = self.mistype(phrase)
        if rng.random() < 0.10:
            phrase = phrase[0].lower() + phrase[1:].rstrip("?.")
        if rng.random() < 0.18:
            greeting = rng.choice(self.phrases["greetings"])
            keep_case = greeting.endswith((". ", "! ")) or re.match(r"I\b|Lark|\W", phrase)
            phrase = greeting + (phrase if keep_case else phrase[0].lower() + phrase[1:])
        if rng.random() < 0.14:
            closing = rng.choice(self.phrases["closings"])
            stop = "." if closing[1].isupper() and phrase[-1] not in "?.!" else ""
            phrase = phrase + stop + closing
        return phrase

    def mistype(self, phrase: str) -> str:
        """Swap, drop or double one letter inside a word; never inside a slot."""
        words = list(re.finditer(r"(?<![{\w])[A-Za-z]{5,}(?![}\w])", phrase))
        if not words:
            return phrase
        word = self.rng.choice(words)
        at = word.start() + self.rng.randrange(1, len(word.group()) - 2)
        kind = self.rng.randrange(3)
        middle = (phrase[at + 1] + phrase[at], phrase[at + 1], phrase[at] * 2 + phrase[at + 1])[kind]
        return phrase[:at] + middle + phrase[at + 2 :]

    def phrased(self, intent: Intent, *, keep: dict[str, str] | None = None) -> Asked:
        """One request for `intent`, in words of its own."""
        number = self.rng.randrange(len(intent.phrases))
        raw = intent.phrases[number]
        return Asked(intent, self.reword(raw, intent), number, self.fill(raw, keep=keep))

    # -- one way of asking each; None where what it needs has not been asked yet

    def repeat(self, earlier: list[Asked]) -> Asked | None:
        """The very words of an earlier request; questions that everybody asks come back more often."""
        common = [one for one in earlier if one.intent.group == "general"]
        pool = common if common and self.rng.random() < 0.55 else earlier
        return self.rng.choice(pool) if pool else None

    def reworded(self, earlier: list[Asked]) -> Asked | None:
        """An earlier question in other words."""
        pool = [one for one in earlier if one.intent.group in NEW_GROUPS and not one.intent.each]
        if not pool:
            return None
        one = self.rng.choice(pool)
        return self.phrased(one.intent, keep=dict(one.slots))

    def near(self, earlier: list[Asked]) -> Asked | None:
        """The words of an earlier question with another number, product or date, or its opposite."""
        pool = [one for one in earlier if one.intent.group != "followup"]
        if not pool:
            return None
        one = self.rng.choice(pool)
        opposite = self.opposite.get(one.intent.name)
        if opposite and (not one.slots or self.rng.random() < 0.4):
            return self.phrased(self.by_name[opposite], keep=dict(one.slots))
        if not one.slots:
            return None
        changed = self.rng.choice([name for name, _ in one.slots])
        keep = {name: value for name, value in one.slots if name != changed}
        return Asked(one.intent, one.template, one.phrase, self.fill(f"{{{changed}}}", keep=keep), one.history)

    def twin(self, earlier: list[Asked]) -> Asked | None:
        """Another action for an order that has been asked about."""
        pool = [one for one in earlier if one.intent.twin]
        if not pool:
            return None
        one = self.rng.choice(pool)
        others = [intent for intent in self.intents if intent.twin and intent is not one.intent]
        return self.phrased(self.rng.choice(others), keep=dict(one.slots))

    def followup(self) -> Asked:
        """A short question that needs the turns before it."""
        number = self.rng.randrange(len(self.phrases["followup"]))
        turn = self.phrases["followup"][number]
        slots = self.fill(turn["before"] + turn["ask"])
        history = tuple(turn[key].format(**dict(slots)) for key in ("before", "reply"))
        return Asked(self.by_name[f"followup:{number}"], turn["ask"], 0, slots, history)

    def hard(self) -> Asked:
        """Several parts, code, a comparison, rules to reason about."""
        return self.phrased(self.rng.choice([intent for intent in self.intents if intent.group == "hard"]))

    def new(self) -> Asked:
        """Any question; `ask` keeps it only when nobody of this tenant has asked it."""
        group = self.rng.choices(list(NEW_GROUPS), list(NEW_GROUPS.values()))[0]
        return self.phrased(self.rng.choice([intent for intent in self.intents if intent.group == group]))

    def ask(self, tenant: str) -> tuple[str, Asked]:
        """The next request of `tenant`, and how it came about."""
        earlier = self.asked[tenant]
        ways: dict[str, Callable[[], Asked | None]] = {
            "repeat": lambda: self.repeat(earlier),
            "reworded": lambda: self.reworded(earlier),
            "near": lambda: self.near(earlier),
            "twin": lambda: self.twin(earlier),
            "followup": self.followup,
            "hard": self.hard,
            "new": self.new,
        }
        while True:
            kind = self.rng.choices(list(MIX), list(MIX.values()))[0]
            for _ in range(20):
                one = ways[kind]()
                if one is None:
                    break
                is_known = (tenant, one.cls) in self.seen
                is_same_text = (tenant, " ".join((*one.history, one.text))) in self.seen
                if {"repeat": True, "reworded": is_known and not is_same_text}.get(kind, not is_known):
                    earlier.append(one)
                    self.seen |= {(tenant, one.cls), (tenant, " ".join((*one.history, one.text)))}
                    return kind, one


def body(one: Asked, tenant: str, system: str) -> dict[str, Any]:
    """The request as this tenant's application sends it."""
    if tenant == "search" and not one.history:
        return {"text": one.text}
    roles = ("user", "assistant")
    turns = [{"role": role, "content": content} for role, content in zip(roles, one.history, strict=False)]
    turns.append({"role": "user", "content": one.text})
    if tenant == "web":
        return {"model": "gpt-4o", "temperature": 0.2, "messages": [{"role": "system", "content": system}, *turns]}
    return {"model": "gpt-4o-mini", "messages": turns}


def make_traffic() -> tuple[list[str], Counter[str]]:
    """The lines of the file, and how many requests of each kind they hold."""
    phrases = yaml.safe_load(PHRASES.read_text(encoding="utf-8"))
    shop = Shop(phrases)
    lines, kinds = [], Counter[str]()
    now_ms, burst_left = 0.0, 0
    for _ in range(REQUESTS):
        tenant = shop.rng.choices(list(TENANTS), list(TENANTS.values()))[0]
        kind, one = shop.ask(tenant)
        kinds[kind] += 1
        head = {"t_ms": round(now_ms), "tenant": tenant, "cls": one.cls}
        lines.append(json.dumps(head | body(one, tenant, phrases["system"]), ensure_ascii=False))
        if burst_left == 0 and shop.rng.random() < BURST_CHANCE:
            burst_left = shop.rng.randint(*BURST_LENGTH)
        speed = BURST_SPEED if burst_left else 1
        burst_left = max(burst_left - 1, 0)
        now_ms += shop.rng.expovariate(speed / MEAN_GAP_MS)
    return lines, kinds


def main() -> None:
    """Write the file and say what is in it."""
    lines, kinds = make_traffic()
    TRAFFIC.parent.mkdir(exist_ok=True)
    TRAFFIC.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    shares = ", ".join(f"{kind} {count / len(lines):.1%}" for kind, count in kinds.most_common())
    print(f"{len(lines)} requests to {TRAFFIC}: {shares}")


if __name__ == "__main__":
    main()
