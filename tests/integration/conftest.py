"""The server on the loopback interface that these tests talk to, and the clients that talk to it."""

from callers import caller, module
from loopback import loopback

__all__ = ["caller", "loopback", "module"]
