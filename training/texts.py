"""The text that the table learns from: gathered, cleaned, capped and shuffled with fixed seeds."""

from __future__ import annotations

import csv
import html
import json
import random
import re
from collections import Counter
from pathlib import Path

#: How many texts of each source are taken at most.
CAPS = {
    "examples": 40_000,
    "glosses": 20_000,
    "lemmas": 18_000,
    "manuals": 16_000,
    "conversations": 6_000,
    "requests": 84_000,
}


def is_readable(text: str) -> bool:
    """Whether the text is a short line of English words."""
    return (
        3 <= len(text) <= 220
        and sum(c.isascii() for c in text) >= 0.97 * len(text)
        and sum(c.isalpha() or c == " " for c in text) >= 0.75 * len(text)
    )


def wordnet(folder: Path) -> dict[str, list[str]]:
    """Examples, glosses and lemmas of WordNet, and its commonest nouns."""
    examples, glosses = [], []
    lemmas: dict[str, None] = {}
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text("latin-1").splitlines():
            if line.startswith(" "):
                continue
            head, gloss = line.split(" | ", 1)
            fields = head.split()
            words = [fields[4 + 2 * at].replace("_", " ").split("(")[0] for at in range(int(fields[3], 16))]
            examples += re.findall(r'"([^"]{8,})"', gloss)
            glosses.append(re.sub(r'"[^"]*"?', "", gloss).split(";")[0].strip())
            lemmas.update(dict.fromkeys(word for word in words if len(word) > 2))
    uses: Counter[str] = Counter()
    for line in (folder / "index.sense").read_text("latin-1").splitlines():
        fields = line.split()
        uses[fields[0].split("%")[0].replace("_", " ")] += int(fields[3])
    index = {
        part: {
            line.split()[0].replace("_", " ")
            for line in (folder / f"index.{part}").read_text("latin-1").splitlines()
            if not line.startswith(" ")
        }
        for part in ("noun", "verb")
    }
    nouns = [
        word
        for word, _ in uses.most_common(9000)
        if word in index["noun"] and word not in index["verb"] and len(word) > 2
    ]
    return {
        "examples": examples,
        "glosses": [gloss for gloss in glosses if 3 <= len(gloss.split()) <= 18],
        "lemmas": list(lemmas),
        "nouns": nouns[:3000],
    }


def manuals(folder: Path) -> list[str]:
    """Sentences of 3 to 24 words from the paragraphs, items and headings of HTML manuals."""
    sentences = []
    for path in sorted(folder.rglob("*.html")):
        page = path.read_text("utf-8", errors="ignore")
        page = re.sub(r"(?s)<(script|style|pre|table)\b.*?</\1>", " ", page)
        for block in re.finditer(r"(?s)<(p|li|h[1-4]|dt)\b[^>]*>(.*?)</\1>", page):
            text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", block.group(2)))).strip()
            sentences += [part for part in re.split(r"(?<=[.!?])\s+", text) if 3 <= len(part.split()) <= 24]
    return sentences


def conversations(folder: Path) -> list[str]:
    """Questions and answers of the English chatterbot-corpus."""
    import yaml

    lines = []
    for path in sorted((folder / "chatterbot_corpus/data/english").glob("*.yml")):
        for turns in yaml.safe_load(path.read_text("utf-8")).get("conversations", []):
            for turn in turns:
                lines += re.split(r"(?<=[.!?])\s+", str(turn)) if len(str(turn)) > 120 else [str(turn)]
    return lines


def requests(path: Path, nouns: list[str], count: int, seed: int = 11) -> list[str]:
    """Requests filled from the phrases of `requests.yaml`, a quarter of them with a WordNet noun as their object.

    They need not make sense: the teacher says what they mean.
    """
    import yaml

    phrases = yaml.safe_load(path.read_text("utf-8"))
    fill = random.Random(seed)
    frames, pools = phrases["frames"], phrases["pools"]
    domains = [
        {
            "things": [item.strip() for item in domain["things"].split(",")],
            "actions": [item.strip() for item in domain["actions"].split(",")],
            "lines": domain.get("lines", []),
        }
        for domain in phrases["domains"].values()
    ]
    pools = {name: [item.strip() for item in items.split("|")] for name, items in pools.items()}
    field = re.compile(r"\{(\w+)\}")
    made: dict[str, None] = {}
    while len(made) < count:
        domain = fill.choice(domains)
        verb = fill.choice(domain["actions"])
        thing = fill.choice(nouns) if fill.random() < 0.25 else fill.choice(domain["things"])
        other = fill.choice(domain["things"])
        draw = fill.random()
        if domain["lines"] and draw < 0.25:
            frame = fill.choice(domain["lines"])
        else:
            frame = fill.choice(frames["action"] if draw < 0.66 else frames["thing"])
        given = {
            "v": verb,
            "o": thing,
            "o2": other,
            "n": str(fill.choice((fill.randint(2, 30), fill.randint(2, 2000)))),
        }

        def value(match: re.Match[str], given: dict[str, str] = given) -> str:
            name = match.group(1)
            return given[name] if name in given else fill.choice(pools[name])

        text = field.sub(value, field.sub(value, frame))
        after = fill.choice(pools["after"])
        text = f"{fill.choice(pools['before'])} {text}{' ' if after[:1].isalpha() else ''}{after}"
        text = re.sub(r"\s+", " ", text).strip()
        made[text[0].upper() + text[1:] if fill.random() < 0.25 else text] = None
    return list(made)


def intents(folder: Path) -> list[str]:
    """Training utterances of the three intent sets, without their labels."""
    with (folder / "banking77/train.csv").open(newline="") as file:
        lines = [row["text"] for row in csv.DictReader(file)]
    clinc = json.loads((folder / "clinc150/data.json").read_text())
    lines += [text for part in ("train", "oos_train") for text, _ in clinc[part]]
    return lines + (folder / "hwu64/train.seq.in").read_text().splitlines()


def plain(text: str) -> str:
    """The form in which texts are compared: lower case, no final punctuation."""
    return re.sub(r"\s+", " ", text).strip().lower().rstrip(".?!")


def clean(texts: list[str], cap: int, seed: int) -> list[str]:
    """Distinct readable texts, shuffled, at most `cap`."""
    kept = list(
        dict.fromkeys(text for text in (re.sub(r"\s+", " ", raw).strip() for raw in texts) if is_readable(text))
    )
    random.Random(seed).shuffle(kept)
    return kept[:cap]
