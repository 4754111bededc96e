"""Every error that compound_fast raises.

::

    CompoundFastError
    ├── ConfigError (ValueError)          a configuration file or argument is wrong
    ├── TextError (ValueError)            text that is not UTF-8, or a body that is not a chat request
    ├── DimensionError (ValueError)       a vector of the wrong length, or with NaN or only zeros
    ├── IndexFileError                    an index file is damaged, or newer than this version
    ├── CacheError
    │   ├── SnapshotError                 a snapshot or journal cannot be read
    │   └── CacheLockedError              the cache directory is open already
    ├── RoutingError
    │   └── NoCandidateError              no configured model can take the request
    ├── DispatchError                     a provider did not answer
    │   ├── ProviderTimeoutError
    │   ├── ProviderConnectionError
    │   ├── ProviderStatusError
    │   │   └── RateLimitedError
    │   ├── StreamInterruptedError
    │   └── AllCandidatesFailedError
    ├── ResponseValidationError           a provider answered, but not with an answer
    ├── ClientError (RuntimeError)        a client was used after it was closed, or from its own event loop
    ├── TrafficError                      a line of recorded traffic is not a request
    └── InternalError                     a fault of ours

Wrong arguments always raise. Messages name the value and the remedy; they never hold a prompt or a key.
This module imports nothing, so that the extension can raise its classes.
"""

__all__ = [
    "AllCandidatesFailedError",
    "CacheError",
    "CacheLockedError",
    "ClientError",
    "CompoundFastError",
    "ConfigError",
    "DimensionError",
    "DispatchError",
    "IndexFileError",
    "InternalError",
    "NoCandidateError",
    "ProviderConnectionError",
    "ProviderStatusError",
    "ProviderTimeoutError",
    "RateLimitedError",
    "ResponseValidationError",
    "RoutingError",
    "SnapshotError",
    "StreamInterruptedError",
    "TextError",
    "TrafficError",
]


class CompoundFastError(Exception):
    """The root: ``except CompoundFastError`` catches everything that this library raises on purpose."""


class ConfigError(CompoundFastError, ValueError):
    """A configuration file or an argument is wrong; the message names the value and the allowed range."""


class TextError(CompoundFastError, ValueError):
    """Text that is not UTF-8 (a lone surrogate, for one), or a body that is not a chat request."""


class DimensionError(CompoundFastError, ValueError):
    """A vector of the wrong length or dtype, or one that holds NaN, infinity or only zeros."""


class IndexFileError(CompoundFastError):
    """An index file is truncated, damaged, or written by a newer version."""


class CacheError(CompoundFastError):
    """The cache could not do what was asked."""


class SnapshotError(CacheError):
    """A cache snapshot or journal cannot be read."""


class CacheLockedError(CacheError):
    """The cache directory is open already, in this process or another one."""


class RoutingError(CompoundFastError):
    """No route could be chosen."""


class NoCandidateError(RoutingError):
    """No configured model can take the request; the message says why each was refused."""


class DispatchError(CompoundFastError):
    """A provider did not answer.

    Attributes
    ----------
    provider : str
        Name of the provider in the configuration.
    attempt : int
        Which attempt failed, counted from 1.
    retryable : bool
        Whether the same request may succeed when sent again.
    may_be_billed : bool
        Whether a model may have read the request, so that the provider may bill it, though nobody says how much. False
        where no connection was made, and where the provider refused.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        attempt: int = 1,
        retryable: bool = False,
        may_be_billed: bool = True,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.attempt = attempt
        self.retryable = retryable
        self.may_be_billed = may_be_billed


class ProviderTimeoutError(DispatchError):
    """No answer within the configured time."""


class ProviderConnectionError(DispatchError):
    """The connection could not be made, or broke before the answer was complete."""


class ProviderStatusError(DispatchError):
    """The provider answered with an HTTP error status.

    Attributes
    ----------
    status_code : int
        The HTTP status.
    """

    def __init__(
        self, message: str, *, provider: str, status_code: int, attempt: int = 1, retryable: bool = False
    ) -> None:
        billed = status_code < 300  # a success of another kind than asked for is no refusal
        super().__init__(message, provider=provider, attempt=attempt, retryable=retryable, may_be_billed=billed)
        self.status_code = status_code


class RateLimitedError(ProviderStatusError):
    """HTTP 429.

    Attributes
    ----------
    retry_after_s : float or None
        What the provider's ``Retry-After`` asked for, in seconds.
    """

    def __init__(self, message: str, *, provider: str, attempt: int = 1, retry_after_s: float | None = None) -> None:
        super().__init__(message, provider=provider, status_code=429, attempt=attempt, retryable=True)
        self.retry_after_s = retry_after_s


class StreamInterruptedError(DispatchError):
    """A stream ended without a finish reason; what came before it is not stored.

    Attributes
    ----------
    chunks : int
        How many chunks had been passed on.
    """

    def __init__(self, message: str, *, provider: str, attempt: int = 1, chunks: int = 0) -> None:
        super().__init__(message, provider=provider, attempt=attempt, retryable=chunks == 0)
        self.chunks = chunks


class AllCandidatesFailedError(DispatchError):
    """Every candidate model was tried and failed.

    Attributes
    ----------
    errors : tuple of CompoundFastError
        One for each attempt, in order.
    """

    def __init__(self, message: str, *, provider: str, errors: tuple[CompoundFastError, ...]) -> None:
        billed = any(getattr(error, "may_be_billed", True) for error in errors)
        super().__init__(message, provider=provider, attempt=len(errors), may_be_billed=billed)
        self.errors = errors


class ResponseValidationError(CompoundFastError):
    """A provider answered with something that is not an answer.

    Attributes
    ----------
    path : str
        Where in the response the fault is, as in ``choices[0].message``.
    billed_tokens : tuple of int, or None
        What the provider said that the refused answer used, and bills: input, output, and how much of the input it had
        cached. None where it did not say.
    """

    def __init__(self, message: str, *, path: str, billed_tokens: tuple[int, int, int] | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.billed_tokens = billed_tokens


class ClientError(CompoundFastError, RuntimeError):
    """A client was closed before or during the call, or a `Client` was called from its own event loop."""


class TrafficError(CompoundFastError, ValueError):
    """A line of recorded traffic is not a request.

    Attributes
    ----------
    line : int
        Line number in the file, counted from 1.
    """

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


class InternalError(CompoundFastError):
    """A fault of ours (a Rust panic, caught before it could end the process)."""
