"""`compound-fast replay --base-url` against a server on the loopback interface."""

from __future__ import annotations

import http.server
import json
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = Path(sysconfig.get_path("scripts")) / "compound-fast"
offered: list[str] = []
seen: list[tuple[str, str | None]] = []
"""Model and key of every request that the server saw."""
listed_for: list[str | None] = []
"""Key of everybody who asked for the list of models."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Lists `offered` (none = no such page) and answers everything."""

    def do_GET(self) -> None:
        """The list of models."""
        listed_for.append(self.headers["authorization"])
        if offered:
            self._send(200, {"data": [{"id": name} for name in offered]})
        else:
            self._send(404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        """One completion."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seen.append((body["model"], self.headers["authorization"]))
        message = {"role": "assistant", "content": "There."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
        self._send(200, {"id": "c", "created": 1, "model": body["model"], "choices": [choice], "usage": usage})

    def _send(self, status: int, answer: object) -> None:
        encoded = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def base_url() -> Iterator[str]:
    """A server of its own for each test."""
    offered.clear()
    seen.clear()
    listed_for.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def replay(base_url: str, *options: str, key: str = "") -> subprocess.CompletedProcess[bytes]:
    """Three requests, of which the last repeats the first."""
    traffic = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in ("one", "two", "one"))
    command = [COMMAND, "replay", "-", "--json", "--base-url", base_url, *options]
    environment = {"PATH": "", "OPENAI_API_KEY": key} if key else {"PATH": ""}
    return subprocess.run(command, input=traffic, capture_output=True, check=False, env=environment, timeout=60)


@pytest.mark.parametrize(("listed", "asked"), [(["llama"], "llama"), ([], "default")])
def test_a_server_needs_no_more_than_its_address(base_url: str, listed: list[str], asked: str) -> None:
    """The one model that it lists is asked, "default" where it lists none; the repeat comes from the cache."""
    offered.extend(listed)

    done = replay(base_url, key="k-123")

    figures = json.loads(done.stdout)
    assert figures["served"] == {"exact": 1, "semantic": 0, "model": 2, "failed": 0}
    assert (figures["simulated"], figures["cost_usd"], figures["unpriced"]) == (False, None, 2)
    assert figures["tokens"] == {"input": 18, "output": 4, "saved": figures["tokens"]["saved"]}
    assert seen == [(asked, "Bearer k-123")] * 2


def test_one_of_several_models_has_to_be_named(base_url: str) -> None:
    """With several models the choice is the user's: exit code 2, one line that lists them, nothing sent."""
    offered.extend(["a", "b"])

    refused = replay(base_url)
    chosen = replay(base_url, "--model", "b")

    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert b"a, b" in refused.stderr
    assert b"--model" in refused.stderr
    assert chosen.returncode == 0
    assert seen == [("b", None)] * 2


def test_an_address_with_a_password_is_refused_before_anything_is_sent(base_url: str) -> None:
    """The password goes nowhere, not even to the server that it is for, and is not shown."""
    done = replay(base_url.replace("http://", "http://user:secret@"))

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert b"holds a user or password" in done.stderr
    assert b"secret" not in done.stderr
    assert listed_for == []


def test_a_server_that_is_not_there_fails_each_request_and_says_so(base_url: str) -> None:
    """Exit code 1, the kind of the failure on standard error, and figures all the same."""
    done = replay(base_url.replace(base_url.split(":")[2], "9/v1"))

    assert done.returncode == 1
    assert json.loads(done.stdout)["served"]["failed"] == 3
    assert b"ProviderConnectionError" in done.stderr
