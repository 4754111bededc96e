"""A support desk: two customers ask, the router picks a model for each question, and the cache answers what it knows.

Run it with ``python examples/support_desk.py``. The models are simulated: nothing is sent anywhere.
"""

import compound_fast as cf

QUESTIONS = [
    ("ann", "Where is my order 1042?"),
    ("ann", "where is my order 1042"),  # other words, the same order: a semantic hit
    ("ann", "Where is my order 1043?"),  # another order: never served with the answer to the first
    ("bob", "Where is my order 1042?"),  # another tenant: never shared
    ("bob", "Why does `SELECT state FROM orders WHERE id = 1042` return nothing?"),  # code: a rule of the default
]

with cf.Client() as client:  # cf.Client("compound.yaml") for your own models
    for tenant, question in QUESTIONS:
        reply = client.chat.completions.create(
            messages=[{"role": "user", "content": question}], compound={"tenant": tenant}
        )
        found = reply.compound
        print(f"{tenant}: {question[:40]:40}  {found.served_from:8}  {found.model:10}  ${found.cost_usd:.6f}")
    totals = client.pipeline.ledger.totals()

print(f"{totals['served']['semantic']} of {totals['requests']} from the cache; ", end="")
print(f"${totals['cost_nano_usd'] / 1e9:.4f} instead of ${totals['baseline_nano_usd'] / 1e9:.4f}")
