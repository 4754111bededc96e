"""Answers that know what they were made from: when a document changes, what was made from it is asked anew.

Run it with ``python examples/knowledge_base.py``. `ask_model` stands in for a call to a model.
"""

import compound_fast as cf

RETURNS = {7: "You have 30 days.", 8: "You have 60 days."}
version = 7
calls = 0


def ask_model() -> str:
    """Answer from the document as it stands."""
    global calls
    calls += 1
    return RETURNS[version]


def ask(cache: cf.SemanticCache, question: str) -> str:
    """Answer a question, from the cache where it can."""
    return cache.get_or_call(question, ask_model, sources=[f"kb/returns.md@{version}"]).response


with cf.SemanticCache(ttl_s=None) as cache:
    print(ask(cache, "How long may I take to return a tent?"))
    print(ask(cache, "how long may I take to return a tent"), "(from the cache)")

    version = 8  # the document changed
    removed = cache.invalidate(source="kb/returns.md@*")
    print(ask(cache, "How long may I take to return a tent?"), f"({removed} answer was removed)")

print(f"{calls} calls for 3 questions")
