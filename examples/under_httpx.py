"""The cache under code that has its own HTTP client and knows nothing of it.

Run it with ``python examples/under_httpx.py``. `model` stands in for a server; leave it out, and the requests go to the
one that the client names.
"""

import json

import httpx

import compound_fast as cf


def model(request: httpx.Request) -> httpx.Response:
    """Answer as a server would."""
    asked = json.loads(request.content)
    message = {"role": "assistant", "content": "It left the warehouse this morning."}
    return httpx.Response(
        200, json={"model": asked["model"], "choices": [{"message": message, "finish_reason": "stop"}]}
    )


cache = cf.SemanticCache()
transport = cf.CacheTransport(cache, httpx.MockTransport(model))

with httpx.Client(transport=transport, base_url="http://localhost/v1") as client:
    for key, text in [("ann", "Where is order 1042?"), ("ann", "where is order 1042"), ("bob", "Where is order 1042?")]:
        reply = client.post(
            "/chat/completions",
            headers={"authorization": f"Bearer {key}"},  # two keys share nothing
            json={"model": "m", "messages": [{"role": "user", "content": text}]},
        )
        print(f"{key}: {text:22}", reply.headers["x-cf-served-from"])
