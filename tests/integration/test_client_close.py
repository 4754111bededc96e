"""Closing a client over real sockets: the calls that wait for a server end, and so do their connections."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import compound_fast as cf
from compound_fast.config import LedgerConfig
from loopback import config, events, silent, stream

ASK = {"messages": [{"role": "user", "content": "Where is my order?"}]}


def received(loopback, count):
    """Wait until the server has so many requests."""
    for _ in range(10_000):
        if len(loopback.received) == count:
            return
        time.sleep(0.001)
    raise AssertionError(f"the server got {len(loopback.received)} requests, not {count}")


def test_calls_that_wait_for_a_silent_server_end_at_close(loopback, tmp_path):
    """Each raises at once; a stream that had begun is booked with what had come, a call with an unknown cost."""
    loopback.script = [stream(events("Hello")[:2], after=silent), silent, silent]
    path = tmp_path / "rows.jsonl"
    client = cf.Client(replace(config(loopback, idle_timeout_s=60, timeout_s=60), ledger=LedgerConfig(path=str(path))))
    begun = client.chat.completions.create(**ASK, stream=True)
    next(begun)
    next(begun)
    with ThreadPoolExecutor(3) as pool:
        calls = [
            pool.submit(next, begun),
            pool.submit(client.chat.completions.create, **ASK),
            pool.submit(lambda: next(client.chat.completions.create(**ASK, stream=True))),
        ]
        received(loopback, 3)
        started = time.monotonic()
        client.close()
        errors = [call.exception(timeout=10) for call in calls]

    assert time.monotonic() - started < 5
    assert [type(error) for error in errors] == [cf.ClientError] * 3
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(row["served_from"] for row in rows) == ["failed", "failed", "model"]
    assert {row["cost_nano_usd"] for row in rows if row["served_from"] == "failed"} == {None}
