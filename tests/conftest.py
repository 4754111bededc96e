"""What every test shares: the evaluation data, hypothesis profiles, and a guard that keeps tests off the network."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
# Where evaluation data that is not part of the project stands, relative to the root; COMPOUND_FAST_DATA overrides it.
DATA_DEFAULT = "../shared/data"

# The clock of a shared machine says nothing about the code, so no test has a deadline of hypothesis's.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

_may_connect = False


def _on_audit(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse every connection but those of integration tests (by folder or mark) to the loopback interface."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if not isinstance(address, tuple):  # a Unix socket
        return
    host = str(address[0])
    if not (_may_connect and _is_loopback(host)):
        raise RuntimeError(f"a test tried to connect to {host}; only tests/integration may, and only to the loopback")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


sys.addaudithook(_on_audit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Open the loopback for the whole of an integration test, its fixtures included."""
    global _may_connect
    is_integration = "integration" in item.path.relative_to(ROOT).parts
    _may_connect = is_integration or item.get_closest_marker("integration") is not None
    try:
        return (yield)
    finally:
        _may_connect = False


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def evaluation_data() -> Path:
    """The folder with evaluation data; the test is skipped where it is missing."""
    folder = Path(os.environ.get("COMPOUND_FAST_DATA") or ROOT / DATA_DEFAULT).resolve()
    if not folder.is_dir():
        pytest.skip(f"no evaluation data at {folder}; set COMPOUND_FAST_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, which is what the client runs on."""
    return "asyncio"
