"""Mixed operations on a full cache by several threads, with every hit checked: is it the asker's, is memory bounded.

``python tests/soak_cache.py --operations 10000000``; `tests/unit/test_cache_soak.py` runs fewer. Tenants, namespaces,
models and system prompts that look alike ask the same few questions, so that only the scope keeps their answers apart;
entries come, go and take each other's places all the time. An answer names its scope; one that is served to another
scope, or past its time, ends the run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from pathlib import Path

import compound_fast as cf

TENANTS = ("", "a", "a\0", "ab", "b", "A", "a ", "tenant", "tenant\u200b", "\u00e9", "e\u0301")
NAMESPACES = ("", "a", "b", "ab")
MODELS = ("auto", "m", "a")
SYSTEMS = (None, "", "You are kind.", "You are kind. Tenant: a")
QUESTIONS = (
    "cancel purchase {}", "please cancel the purchase {}", "track purchase {}", "where is my order {}?",
    "How do I turn on dark mode in app {}?", "how do I turn off dark mode in app {}", "what does it cost to ship it?",
)  # fmt: skip
TTL_S = 5.0


def scope_and_body(chance: random.Random) -> tuple[str, dict[str, str], bytes]:
    """Draw who asks what, and how."""
    tenant, namespace = chance.choice(TENANTS), chance.choice(NAMESPACES)
    model, system = chance.choice(MODELS), chance.choice(SYSTEMS)
    number = chance.randrange(10**5, 10**5 + 40)
    messages = [] if system is None else [{"role": "system", "content": system}]
    messages.append({"role": "user", "content": chance.choice(QUESTIONS).format(number)})
    who = {"tenant": tenant, "namespace": namespace}
    body = json.dumps({"model": model, "messages": messages}).encode()
    return json.dumps([tenant, namespace, model, system]), who, body


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * 4096 if statm.exists() else 0


def work(cache: cf.SemanticCache, operations: int, seed: int, faults: list[str]) -> None:
    """Do so many operations, and note the first that is wrong."""
    chance = random.Random(seed)
    for _ in range(operations):
        scope, who, body = scope_and_body(chance)
        what = chance.random()
        if what < 0.6:
            hit = cache.get(body, **who)
            if hit is not None and not str(hit.response).startswith(scope):
                faults.append(f"an answer of {str(hit.response)[:80]!r} was served to {scope!r}")
            elif hit is not None and hit.age_s > TTL_S:
                faults.append(f"an answer of {hit.age_s} s was served")
            elif hit is not None and chance.random() < 0.001:
                cache.mark_wrong(hit)
        elif what < 0.97:
            answer = scope + "x" * chance.randrange(2_000)
            cache.put(body, answer, sources=[f"kb/{chance.randrange(50)}.md@1"], **who)
        elif what < 0.9705:
            cache.invalidate(source=f"kb/{chance.randrange(50)}.md@*")
        elif what < 0.97051:
            cache.invalidate(tenant=who["tenant"])
        else:
            cache.explain(body, **who)
        if faults:
            return


def run(operations: int, *, threads: int, max_bytes: int, **options: object) -> list[str]:
    """Run in steps, print a line after each, and return what was wrong."""
    cf.SemanticCache().get("hi")  # reads tables and word lists
    before = resident()
    faults: list[str] = []
    steps = 10
    with cf.SemanticCache(max_bytes, TTL_S, **options) as cache:  # type: ignore[arg-type]
        for step in range(steps):
            start = time.monotonic()
            done = operations // threads // steps
            workers = [
                threading.Thread(target=work, args=(cache, done, step * threads + number, faults))
                for number in range(threads)
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            stats = cache.stats()
            hits = stats["exact_hits"] + stats["semantic_hits"]
            line = {
                "operations": (step + 1) * done * threads,
                "hit ratio": round(hits / stats["lookups"], 4),
                "semantic hits": stats["semantic_hits"],
                "entries": stats["entries"],
                "evicted": stats["evicted"],
                "expired": stats["expired"],
                "resident over budget": round((resident() - before) / max_bytes - 1, 3),
                "operations a second": round(done * threads / (time.monotonic() - start)),
            }
            print(line, flush=True)
            if stats["bytes"] > max_bytes:
                faults.append(f"{stats['bytes']} bytes are held")
            if faults:
                break
    return faults


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--max-bytes", type=int, default=16 << 20)
    parser.add_argument("--eviction", default="lru")
    parser.add_argument("--path")
    given = parser.parse_args()
    options = {"eviction": given.eviction, "path": given.path, "tenant_share": 0.5}
    faults = run(given.operations, threads=given.threads, max_bytes=given.max_bytes, **options)
    sys.exit("; ".join(faults) or None)


if __name__ == "__main__":
    main()
