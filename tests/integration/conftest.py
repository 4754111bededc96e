"""The servers on the loopback interface that these tests talk to."""

from loopback import loopback, second

__all__ = ["loopback", "second"]
