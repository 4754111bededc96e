"""The transport without a network; tests/integration has it under real clients."""

from __future__ import annotations

import subprocess
import sys

import httpx

from compound_fast.transport.calls import read_head


def test_no_http_client_is_loaded_before_a_request_comes() -> None:
    """Making a transport loads neither httpx nor httpx2."""
    code = (
        "import sys, compound_fast as cf; cf.CacheTransport(cf.SemanticCache()); cf.wrap; cf.integrations; "
        "sys.exit(any(name in sys.modules for name in ('httpx', 'httpx2', 'openai', 'langchain_core', 'litellm')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_integration_that_is_missing_names_what_to_install() -> None:
    """Without its library an integration is an ImportError with the command that installs it."""
    code = (
        "import sys; sys.modules['langchain_core'] = sys.modules['litellm'] = None\n"
        "import compound_fast as cf\n"
        "for name in ('langchain', 'litellm'):\n"
        "    try:\n"
        "        getattr(cf.integrations, name)\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.count("pip install") == 2


def test_a_key_is_kept_as_a_hash_only() -> None:
    """What answers are filed under holds no key, from the headers or the query; other keys file elsewhere."""

    def head(header: str, query: str):
        url = f"http://localhost/v1/chat/completions?key={query}"
        headers = {"authorization": f"Bearer {header}", "content-type": "application/json"}
        return read_head(httpx.Request("POST", url, headers=headers, content=b"{}"))

    mine = head("key-of-the-shop", "key-of-the-query")

    assert "of-the" not in repr(mine)
    assert mine == head("key-of-the-shop", "key-of-the-query")
    assert mine.who != head("other", "key-of-the-query").who
    assert mine.whom != head("key-of-the-shop", "other").whom
