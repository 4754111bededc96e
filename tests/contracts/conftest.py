"""The server on the loopback interface that these tests talk to."""

from loopback import loopback

__all__ = ["loopback"]
