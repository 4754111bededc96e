"""The servers on the loopback interface that these tests talk to, and the clients that talk to them."""

from callers import caller, module
from loopback import loopback, second

__all__ = ["caller", "loopback", "module", "second"]
