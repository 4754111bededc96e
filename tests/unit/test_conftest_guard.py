"""The guard that keeps tests off the network."""

from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize("host", ["192.0.2.1", "127.0.0.1"])
def test_a_unit_test_cannot_connect(host):
    """A test outside tests/integration reaches no network, not even the loopback."""
    with socket.socket() as connection, pytest.raises(RuntimeError, match=host):
        connection.connect((host, 9))
