"""Where answers came from, what goes when a source changes, and what is written out and read in."""

from __future__ import annotations

import json
import os

import pytest

import compound_fast as cf


def test_when_a_document_changes_the_answers_made_from_it_are_gone() -> None:
    """invalidate(source=...) removes every answer made from a document, in the version that is said or in all."""
    cache = cf.SemanticCache()
    cache.put("May I return it?", "Within 30 days.", sources=["kb/returns.md@7", "kb/legal.md@1"])
    cache.put("How long may I return it?", "30 days.", sources=["kb/returns.md@8"])
    cache.put("Who are you?", "A shop.", sources=["kb/about.md"])

    assert cache.invalidate(source="kb/returns.md@*", dry_run=True) == 2
    assert cache.invalidate(source="kb/returns.md@7") == 1
    assert cache.get("May I return it?") is None
    assert cache.get("How long may I return it?") is not None
    assert cache.invalidate(source="kb/returns.md@*") == 1
    assert [entry.sources for entry in cache.entries()] == [("kb/about.md",)]


def test_entries_go_by_tag_writer_tenant_namespace_and_id() -> None:
    """Everything that is said has to hold; what is not said does not matter."""
    cache = cf.SemanticCache()
    for tenant in ("a", "b"):
        for number in range(3):
            cache.put(
                f"question {number}", "x", tenant=tenant, namespace="n", tags=[f"t{number}", "all"], writer=f"w{number}"
            )
    entry_id = cache.put("alone", "x")

    assert cache.invalidate(tag="t0", tenant="a") == 1
    assert cache.invalidate(tag="t0", tenant="a") == 0
    assert cache.invalidate(writer="w1") == 2
    assert cache.invalidate(tenant="b", namespace="other") == 0
    assert cache.invalidate(tenant="b", namespace="n") == 2
    assert cache.invalidate(entry_id=entry_id) == 1
    assert [(entry.tenant, entry.tags) for entry in cache.entries()] == [("a", ("t2", "all"))]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda cache: cache.invalidate(), "was not told what"),
        (lambda cache: cache.invalidate(entry_id="xyz"), "entry_id=.*32 hexadecimal"),
        (lambda cache: cache.put("q", "a", sources="kb/a.md"), r"sources=.*is no list"),
        (lambda cache: cache.put("q", "a", sources=["kb/a.md@*"]), "has to name one thing"),
        (lambda cache: cache.put("q", "a", tags=[""]), "tags holds"),
        (lambda cache: cache.get("q", max_age_s=-1), "max_age_s=-1"),
        (lambda cache: cache.mark_wrong("q"), "was not given by get"),
    ],
)
def test_a_wrong_call_is_named_and_changes_nothing(call, words) -> None:
    """What cannot be meant is an error that says what to give instead."""
    cache = cf.SemanticCache()
    cache.put("hi", "there")

    with pytest.raises(cf.ConfigError, match=words):
        call(cache)

    assert len(cache) == 1


def test_a_hit_marked_wrong_is_not_served_so_again() -> None:
    """After mark_wrong the same request misses, however often the other one is stored, and explain says why."""
    cache = cf.SemanticCache()
    cache.put("cancel purchase 150351613775", "Cancelled.")
    hit = cache.get("please cancel the purchase 150351613775")
    assert hit is not None

    assert cache.mark_wrong(hit)

    cache.put("cancel purchase 150351613775", "Cancelled.")
    assert cache.get("please cancel the purchase 150351613775") is None
    explained = cache.explain("please cancel the purchase 150351613775")
    assert explained["candidates"][0]["refused_by"] == "marked_wrong"
    assert cache.stats()["marked_wrong"] == 1


def test_an_answer_older_than_the_caller_wants_is_a_miss() -> None:
    """max_age_s is a bound of this call; the entry stays for others."""
    clock = cf.ManualClock(0)
    cache = cf.SemanticCache(clock=clock)
    cache.put("hi", "there")
    clock.set(10_000)

    assert cache.get("hi", max_age_s=9.5) is None
    assert cache.get_many(["hi", "ho"], max_age_s=9.5) == [None, None]
    assert cache.get("hi", max_age_s=10) is not None


def test_many_are_looked_up_and_stored_as_one_by_one() -> None:
    """get_many and put_many do for each what get and put do."""
    cache = cf.SemanticCache()

    ids = cache.put_many([("one", "1"), ("two", "2")], tenant="a", tags=["bulk"])
    hits = cache.get_many(["two", "three", "one"], tenant="a")

    assert len(set(ids)) == 2
    assert [hit and hit.response for hit in hits] == ["2", None, "1"]
    assert cache.get_many(["one"], tenant="b") == [None]


def test_what_is_exported_is_imported_elsewhere_with_its_age(tmp_path) -> None:
    """Every form, its provenance and its expiry survive; another tenant's entries stay where they are."""
    clock = cf.ManualClock(0)
    cache = cf.SemanticCache(ttl_s=100, clock=clock)
    completion = {"choices": [{"message": {"content": "There."}}]}
    cache.put("cancel purchase 150351613775", "Cancelled.", tenant="a", model="m", cost_usd=0.01, sources=["kb@1"])
    cache.put("a dict", completion, tenant="a", tags=["t"], writer="w")
    cache.put("bytes", json.dumps(completion).encode(), tenant="a", ttl_s=20)
    cache.put("of b", "x", tenant="b")
    path = tmp_path / "entries.jsonl"

    assert cache.export(path, tenant="a") == 3

    clock.set(30_000)
    other = cf.SemanticCache(ttl_s=5, clock=clock)
    assert other.import_(path) == 2  # the third has had its time
    hit = other.get("please cancel the purchase 150351613775", tenant="a")
    assert hit is not None
    assert (hit.response, hit.model, hit.cost_saved_usd, hit.age_s) == ("Cancelled.", "m", 0.01, 30.0)
    served = other.get("a dict", tenant="a")
    assert served is not None
    assert served.response == completion
    assert other.invalidate(source="kb@*") == 1
    assert other.get("of b", tenant="b") is None
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 .* is not JSON"),
        ('{"request": "q"}', "line 2 .*request. and .response"),
        ('{"request": "q", "response": "a", "secret": 1}', "unknown key 'secret'"),
        ('{"request": "q", "response": 7}', "response is a int"),
        ('{"request": "q", "response": "x", "form": "bytes"}', "response is not JSON"),
        ('{"request": 7, "response": "a"}', "a request is"),
        ('{"request": "q", "response": "a", "born_ms": -1}', "born_ms=-1"),
        ('{"request": "q", "response": "a", "born_ms": 5, "expires_ms": 5}', "expires_ms=5 is not after"),
        ('{"request": "q", "response": "a", "tags": "x"}', "tags='x' is no list"),
        ('{"request": "q", "response": "a", "sources": ["kb@*"]}', "sources holds .kb@"),
    ],
)
def test_a_line_that_is_no_entry_is_named(tmp_path, line, words) -> None:
    """A file with a wrong line is not imported at all, and the message names the line."""
    path = tmp_path / "entries.jsonl"
    path.write_text('{"request": "first", "response": "1"}\n' + line + "\n", encoding="utf-8")
    cache = cf.SemanticCache()

    with pytest.raises(cf.CacheError, match=words):
        cache.import_(path)

    assert len(cache) == 0


@pytest.mark.skipif(os.name == "nt", reason="who may link, and who owns, is another matter there")
def test_an_export_follows_no_link_and_leaves_nothing_half_written(tmp_path, monkeypatch) -> None:
    """A link in the file's place, even one that comes while it is written, is replaced, and what it names is kept."""
    cache = cf.SemanticCache()
    cache.put("question", "answer")
    other, path = tmp_path / "other", tmp_path / "entries.jsonl"
    other.write_text("kept", encoding="utf-8")
    walk = cache._walk

    def walk_and_link(*chosen):
        path.unlink(missing_ok=True)
        path.symlink_to(other)
        return walk(*chosen)

    monkeypatch.setattr(cache, "_walk", walk_and_link)
    assert cache.export(path) == 1
    assert other.read_text(encoding="utf-8") == "kept"
    assert path.stat(follow_symlinks=False).st_mode & 0o777 == 0o600
    assert not path.is_symlink()

    monkeypatch.undo()
    cache.close()
    with pytest.raises(cf.CacheError):
        cache.export(path)
    assert sorted(tmp_path.iterdir()) == [path, other]
    assert path.read_text(encoding="utf-8").count("\n") == 1


def test_a_long_request_is_served_but_not_exported(tmp_path) -> None:
    """The cache keeps requests up to 16 KB; a longer one has an answer, but no line."""
    cache = cf.SemanticCache()
    cache.put("x " * 10_000, "long")
    cache.put("short", "short")

    assert cache.export(tmp_path / "entries.jsonl") == 1
    assert cache.get("x " * 10_000) is not None


def test_a_walk_goes_on_while_entries_come_and_go() -> None:
    """Entries that stay are given once, though the cache changes between two steps."""
    cache = cf.SemanticCache()
    ids = {cache.put(f"question {number}", "x", tags=["stays"]) for number in range(1_200)}

    seen = []
    for count, entry in enumerate(cache.entries(tag="stays")):
        seen.append(entry.entry_id)
        if count % 100 == 0:
            cache.put(f"another {count}", "x")
            cache.invalidate(entry_id=cache.put(f"third {count}", "x"))

    assert len(seen) == 1_200
    assert set(seen) == ids


def test_what_is_near_a_text_is_found_and_goes() -> None:
    """Whatever its slots, in one tenant or in all; a dry run and `entries` say what would go."""
    cache = cf.SemanticCache()
    cache.put("cancel purchase 150351613775", "1", tenant="a")
    cache.put("please cancel purchase 17", "2", tenant="b", tags=["faq"])
    cache.put("do you ship to Iceland", "3", tenant="b")
    near = "cancel my purchase"

    assert cache.invalidate(near=near, min_similarity=0.6, dry_run=True) == 2
    assert {entry.tenant for entry in cache.entries(near=near, min_similarity=0.6)} == {"a", "b"}
    assert cache.invalidate(near=near, min_similarity=0.6, tenant="a") == 1
    assert cache.invalidate(near=near, min_similarity=0.6, tag="other") == 0
    assert cache.invalidate(near=near, min_similarity=0.6, tag="faq") == 1
    assert len(cache) == 1


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"near": "\N{THUMBS UP SIGN}"}, cf.ConfigError, "near holds too few words that the embedder knows"),
        ({"near": "hi", "min_similarity": 1.5}, cf.ConfigError, "min_similarity=1.5 is outside"),
        ({"tag": "faq", "min_similarity": 0.5}, cf.ConfigError, "near= says to which text"),
        ({"near": 7}, cf.TextError, "near=7 is not text"),
    ],
)
def test_a_text_that_nothing_can_be_near_to_is_refused(keywords, error, words) -> None:
    """An invalidation that could find nothing does not pass for one that found nothing."""
    cache = cf.SemanticCache()
    with pytest.raises(error, match=words):
        cache.invalidate(**keywords)
    with pytest.raises(error, match=words):
        list(cache.entries(**keywords))


def test_a_cache_without_vectors_finds_nothing_near() -> None:
    """`policy="exact"` says so."""
    with pytest.raises(cf.ConfigError, match="this cache has no vectors"):
        cf.SemanticCache(policy="exact").invalidate(near="hi there")
