"""Counting as a user calls it."""

from __future__ import annotations

import json
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from compound_fast.errors import ConfigError, TextError
from compound_fast.tokens import Fit, Tokenizer, count_tokens, fit

ENCODINGS = ("o200k_base", "o200k_harmony", "cl100k_base")
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is my order? " * 30},
    {"role": "assistant", "content": "It is on its way. " * 30},
    {"role": "user", "content": "And the other one?"},
]
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(params=ENCODINGS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """Each shipped tokenizer."""
    return Tokenizer.get(request.param)


def test_counts_of_the_golden_set_are_tiktokens(root: Path) -> None:
    """Every text of the project's own golden set encodes as tiktoken 0.14 encodes it."""
    golden = json.loads((root / "tests/reference/tokens_golden.json").read_text())

    for name in ("o200k_base", "cl100k_base"):
        tokenizer = Tokenizer.get(name)
        for row in golden["texts"]:
            assert tokenizer.encode(row["text"]).tolist() == row[name], row["text"]
            assert tokenizer.count(row["text"]) == len(row[name])


def test_bytes_count_as_their_text(tokenizer: Tokenizer) -> None:
    """UTF-8 bytes and the str they decode to have one count."""
    text = "Grüße, 世界 🙂" * 50

    assert tokenizer.count(text.encode()) == tokenizer.count(text)


def test_decoding_gives_the_text_back(tokenizer: Tokenizer) -> None:
    """Tokens decode to the text they came from, as an array or a list."""
    text = "naïve 🙂 text\n"
    tokens = tokenizer.encode(text)

    assert tokens.dtype == np.uint32
    assert tokenizer.decode(tokens) == tokenizer.decode(tokens.tolist()) == text


def test_a_lone_surrogate_is_a_text_error(tokenizer: Tokenizer) -> None:
    """A str that no UTF-8 exists for is refused by name of the fault."""
    with pytest.raises(TextError, match="surrogate"):
        tokenizer.count("a\ud800")
    with pytest.raises(TextError, match="byte 1"):
        tokenizer.count(b"a\xff")


def test_what_is_no_text_is_a_type_error(tokenizer: Tokenizer) -> None:
    """Numbers and None have no tokens."""
    with pytest.raises(TypeError, match="int"):
        tokenizer.count(3)  # type: ignore[arg-type]


def test_special_tokens_are_text_by_default() -> None:
    """What a user typed never turns into a control token unless the caller allows it."""
    tokenizer = Tokenizer.get("o200k_base")

    assert tokenizer.count("<|endoftext|>") == 7
    assert tokenizer.count("<|endoftext|>", allowed_special="all") == 1
    assert tokenizer.encode("a<|endoftext|>", allowed_special={"<|endoftext|>"}).tolist() == [64, 199999]
    assert "<|endoftext|>" in tokenizer.special_tokens
    with pytest.raises(TypeError, match="all"):
        tokenizer.count("a", allowed_special="<|endoftext|>")


def test_an_encoding_that_is_not_shipped_is_a_config_error() -> None:
    """The message names the encodings that are."""
    with pytest.raises(ConfigError, match="o200k_base"):
        Tokenizer.get("p50k_base")
    with pytest.raises(ConfigError, match="claude"):
        Tokenizer.for_model("claude-sonnet-4-5")


def test_a_model_has_its_encoding() -> None:
    """Model names lead to the encodings that tiktoken gives them."""
    assert Tokenizer.for_model("gpt-4o-mini").name == "o200k_base"
    assert Tokenizer.for_model("gpt-4").name == "cl100k_base"
    assert Tokenizer.for_model("openai/gpt-oss-20b").name == "o200k_harmony"


def test_a_batch_counts_as_its_texts_do(tokenizer: Tokenizer) -> None:
    """count_batch gives one uint32 a text, whatever the number of threads."""
    texts = ["a b c", "", b"bytes too", "é" * 100] * 25

    for threads in (None, 1, 2, 5):
        counts = tokenizer.count_batch(texts, threads=threads)
        assert counts.dtype == np.uint32
        assert counts.tolist() == [tokenizer.count(text) for text in texts]
    with pytest.raises(ConfigError, match="threads=0"):
        tokenizer.count_batch(texts, threads=0)


def test_a_bounded_count_stops_early(tokenizer: Tokenizer) -> None:
    """None means more tokens than the limit."""
    assert tokenizer.count_up_to("one two three", 3) == 3
    assert tokenizer.count_up_to("one two three", 2) is None
    assert tokenizer.count_up_to("word " * 1_000_000, 10) is None


def test_truncation_keeps_whole_characters_within_the_limit(tokenizer: Tokenizer) -> None:
    """The part that stays is a part of the text with at most so many tokens."""
    text = "🙂 naïve 世界 " * 40

    for keep in ("start", "end", "middle"):
        for limit in (0, 1, 2, 5, 50):
            part = tokenizer.truncate(text, limit, keep)
            assert part in text
            assert tokenizer.count(part) <= limit
    assert tokenizer.truncate("short", 5) == "short"
    with pytest.raises(ConfigError, match="keep"):
        tokenizer.truncate("a", 1, "left")


def test_a_size_below_zero_is_refused_by_name(tokenizer: Tokenizer) -> None:
    """A negative limit is an error that names the argument and its value."""
    with pytest.raises(ConfigError, match="max_tokens=-1"):
        tokenizer.truncate("a", -1)
    with pytest.raises(ConfigError, match="max_tokens=-2"):
        tokenizer.split("a", -2)
    with pytest.raises(ConfigError, match="overlap=-3"):
        tokenizer.split("a", 8, -3)
    with pytest.raises(ConfigError, match="limit=-4"):
        tokenizer.count_up_to("a", -4)
    with pytest.raises(TypeError):
        tokenizer.truncate("a", "many")  # type: ignore[arg-type]


def test_one_str_is_no_batch(tokenizer: Tokenizer) -> None:
    """A str where a list of texts belongs is refused, and not read as a text a character."""
    with pytest.raises(ConfigError, match=r"call count\(text\)"):
        tokenizer.count_batch("abc")


def test_chunks_put_together_are_the_text(tokenizer: Tokenizer) -> None:
    """Without overlap nothing is lost or doubled."""
    text = "The 世界 is round. 🙂\n" * 60
    chunks = tokenizer.split(text, 16)

    assert "".join(chunks) == text
    assert all(tokenizer.count(chunk) <= 16 for chunk in chunks)


def test_overlapping_chunks_share_their_edges(tokenizer: Tokenizer) -> None:
    """Each chunk begins with the end of the one before."""
    chunks = tokenizer.split("one two three four five six seven eight", 4, overlap=2)

    assert chunks[0] == "one two three four"
    assert chunks[1].startswith(" three four")
    with pytest.raises(ConfigError, match="overlap=4"):
        tokenizer.split("a", 4, overlap=4)


def test_a_tokenizer_survives_pickling(tokenizer: Tokenizer) -> None:
    """Worker processes get the same tokenizer."""
    assert pickle.loads(pickle.dumps(tokenizer)).name == tokenizer.name


def test_many_threads_count_alike(tokenizer: Tokenizer) -> None:
    """Counting from many threads at once gives what one thread gives."""
    texts = [f"text {at} " * (at % 50) for at in range(200)]
    expected = [tokenizer.count(text) for text in texts]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tokenizer.count, texts)) == expected


def test_the_gil_is_free_while_a_long_text_is_counted() -> None:
    """Another thread runs Python while a megabyte without a space is counted."""
    tokenizer, text, ticks, done = Tokenizer.get("o200k_base"), "qzxjvkw" * 600_000, [], threading.Event()
    switch = sys.getswitchinterval()
    sys.setswitchinterval(10)  # so that only a released GIL lets the other thread run
    try:
        thread = threading.Thread(target=lambda: [tokenizer.count(text), done.set()])
        thread.start()
        while not done.is_set():
            ticks.append(None)
        thread.join()
    finally:
        sys.setswitchinterval(switch)

    assert len(ticks) > 100


def test_a_str_is_raw_text_and_messages_are_a_request() -> None:
    """Only requests carry the framing of a chat."""
    text = count_tokens("And the other one?", model="gpt-4o")
    request = count_tokens([{"role": "user", "content": "And the other one?"}], model="gpt-4o")

    assert text.exact
    assert text.upper == text.tokens == 5
    assert request.tokens == text.tokens + 3 + 1 + 3
    assert request.how == "o200k_base + chat framing"


def test_every_form_of_a_request_has_one_count() -> None:
    """A list with tools, a body and its bytes count alike."""
    body = {"model": "gpt-4o", "messages": MESSAGES, "tools": [TOOL]}
    listed = count_tokens(MESSAGES, model="gpt-4o", tools=[TOOL])

    assert count_tokens(body) == count_tokens(json.dumps(body).encode()) == listed
    assert not listed.exact
    assert listed.upper > listed.tokens > count_tokens(MESSAGES, model="gpt-4o").tokens


def test_an_estimate_says_so() -> None:
    """For a model whose tokenizer is not shipped the bound is above the count."""
    found = count_tokens("The quick brown fox. " * 20, model="claude-sonnet-4-5")

    assert not found.exact
    assert found.upper > found.tokens
    assert "ratio" in found.how
    assert "TokenCount(tokens=" in repr(found)
    assert int(found) == found.tokens


def test_a_request_that_is_none_is_refused() -> None:
    """Faults are named: no model, no messages, no JSON, tools with a str."""
    with pytest.raises(ConfigError, match="model"):
        count_tokens("text")
    with pytest.raises(ConfigError, match="model"):
        count_tokens({"messages": []})
    with pytest.raises(TextError, match="messages"):
        count_tokens({"prompt": "x"}, model="gpt-4o")
    with pytest.raises(TextError, match="byte"):
        count_tokens(b'{"messages": [', model="gpt-4o")
    with pytest.raises(TextError, match="surrogate"):
        count_tokens([{"role": "user", "content": "\ud800"}], model="gpt-4o")
    with pytest.raises(ConfigError, match="raw text"):
        count_tokens("text", model="gpt-4o", tools=[TOOL])
    with pytest.raises(TextError, match="int"):
        count_tokens(3, model="gpt-4o")  # type: ignore[arg-type]


def test_fitting_drops_the_middle_and_says_so() -> None:
    """System prompt and last turn stay as the same objects; what went is listed."""
    fitted = fit(MESSAGES, 60, model="gpt-4o", policy="drop")

    assert fitted.messages == [MESSAGES[0], MESSAGES[3]]
    assert fitted.messages[0] is MESSAGES[0]
    assert [(cut.index, cut.action, cut.role) for cut in fitted.cuts] == [
        (1, "dropped", "user"),
        (2, "dropped", "assistant"),
    ]
    assert count_tokens(fitted.messages, model="gpt-4o").tokens == fitted.tokens <= 60


def test_fitting_can_shorten_the_turn_at_the_edge() -> None:
    """What is left of a shortened turn has its start, a gap and its end."""
    fitted = fit(MESSAGES, 250, model="gpt-4o", reserve=30)

    assert [cut.action for cut in fitted.cuts] == ["shortened", "shortened"]
    assert "\n[...]\n" in fitted.messages[1]["content"]
    assert MESSAGES[1]["content"] == "Where is my order? " * 30
    assert count_tokens(fitted.messages, model="gpt-4o").tokens == fitted.tokens <= 220


def test_what_fits_stays() -> None:
    """A conversation within its budget comes back unchanged."""
    fitted = fit(MESSAGES, 10_000, model="gpt-4o")

    assert isinstance(fitted, Fit)
    assert fitted.messages == MESSAGES
    assert fitted.cuts == ()


def test_a_budget_below_what_must_stay_is_refused() -> None:
    """The error says how much the system prompt and the last turn need."""
    with pytest.raises(ConfigError, match="budget of 5"):
        fit(MESSAGES, 5, model="gpt-4o")
    with pytest.raises(ConfigError, match="reserve=10"):
        fit(MESSAGES, 10, model="gpt-4o", reserve=10)
    with pytest.raises(ConfigError, match="policy"):
        fit(MESSAGES, 10, model="gpt-4o", policy="summarise")  # type: ignore[arg-type]


def test_the_command_counts_files(tmp_path: Path) -> None:
    """One line a file and a total; --json for machines."""
    typer = pytest.importorskip("typer")
    from typer.testing import CliRunner

    from compound_fast.cli.count import count

    app = typer.Typer()
    app.command()(count)
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("hello world")
    two.write_text("How do I reset my password?")
    lines = CliRunner().invoke(app, [str(one), str(two)]).output.splitlines()
    unknown = CliRunner().invoke(app, ["--model", "foo", str(one)])
    found = json.loads(
        CliRunner().invoke(app, ["--json", "--model", "claude-sonnet-4-5", "-"], input="hello world").output
    )

    assert [line.split()[0] for line in lines] == ["2", "7", "9"]
    assert found["files"][0]["exact"] is False
    assert unknown.stdout.split()[0] == "~2"
    assert "'foo'" in unknown.stderr
    assert "o200k_base" in unknown.stderr
    assert isinstance(CliRunner().invoke(app, [str(tmp_path / "none")]).exception, ConfigError)
