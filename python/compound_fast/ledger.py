"""The books: what each request cost, what it would have cost, and who served it."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from compound_fast._core import Meter
from compound_fast.errors import ConfigError

if TYPE_CHECKING:
    from compound_fast._core import ManualClock, Price
    from compound_fast.config import Config
    from compound_fast.types import Usage

__all__ = ["Ledger", "LedgerRow"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One request. It holds no text of the request or the answer.

    Attributes
    ----------
    served_from : {"exact", "semantic", "model", "failed"}
        Which tier answered; "failed" where none did.
    model, provider : str
        Who answered, now or when it was stored; for a failure, the last one asked.
    input_tokens, output_tokens : int
        Of the answer, as the provider billed them; counted here where it did not say.
    cost_nano_usd, baseline_nano_usd : int or None
        Nano-dollars: what all attempts together cost, each at its own model's price; and the answer's tokens at the
        baseline model. None where unknown.
    failed_cost_nano_usd : int or None
        What of `cost_nano_usd` the attempts cost that gave no answer. None where one of them may have been billed and
        nobody says how much.
    decision_us, end_to_end_us : float
        Wall time to the hit or route, and of the whole call.
    latency_ms : float or None
        What the provider took; None for a hit.
    attempts : int
        How many times a provider was asked.
    shared : bool
        Whether it is the answer to another request, for which this one has waited.
    finish_reason : str or None
        As the provider gave it; None for a failure, and where the caller left the stream.
    error : str or None
        Name of the error's class, for a failure.
    """

    served_from: Literal["exact", "semantic", "model", "failed"]
    model: str
    provider: str
    tenant: str
    namespace: str
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    baseline_nano_usd: int | None
    decision_us: float
    end_to_end_us: float
    failed_cost_nano_usd: int | None = 0
    latency_ms: float | None = None
    attempts: int = 0
    entry_id: str | None = None
    similarity: float | None = None
    shared: bool = False
    finish_reason: str | None = None
    error: str | None = None


_COLUMNS = tuple(LedgerRow.__dataclass_fields__)


class Ledger:
    """Keeps totals in memory, of constant size, and appends each row to a JSON-lines file if one is configured.

    A row is one `write` to a file opened for appending, so several processes may share the file and a fork loses and
    doubles nothing. A row that cannot be written (a full disk) is counted in ``totals()["rows_lost"]`` and logged; the
    request it belongs to is served all the same. A named pipe has to be read by somebody; what it cannot hold is lost.

    Parameters
    ----------
    config : Config
        For the prices, and for where rows go.
    clock : ManualClock or None
        What dates the rows (`at_ms`); None = the system's clock.

    Raises
    ------
    ConfigError
        If the file cannot be opened.
    """

    def __init__(self, config: Config, *, clock: ManualClock | None = None) -> None:
        self._meter = Meter()
        self._prices = {name: model.price for name, model in config.models.items()}
        self._baseline = self._prices[config.baseline]
        self._clock = clock
        self._rows_lost = 0
        self._cache_faults = 0
        self._file: int | None = None
        self._path = path = config.ledger.path
        if path is not None:
            # Not blocking: a named pipe that nobody reads would hold up the process here, a slow reader every request.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            try:
                self._file = os.open(path, flags, 0o644)
            except OSError as error:
                raise ConfigError(f"ledger.path {path!r} cannot be opened: {error.strerror}") from error

    def __repr__(self) -> str:
        """Say what it has counted, in dollars, and where rows go."""
        totals = self._meter.totals()
        baseline = None if self._baseline is None else totals["baseline_nano_usd"] / 1e9
        return (
            f"Ledger(requests={totals['requests']}, cost_usd={totals['cost_nano_usd'] / 1e9}, "
            f"baseline_cost_usd={baseline}, unpriced={totals['unpriced']}, path={self._path!r})"
        )

    def cost_nano(self, model: str, usage: Usage) -> int | None:
        """Return what `usage` costs at `model`, in nano-dollars; None where its price is unknown."""
        return _cost_nano(self._prices[model], usage)

    def baseline_nano(self, usage: Usage) -> int | None:
        """Return what `usage` would have cost at the baseline model; None where its price is unknown."""
        return _cost_nano(self._baseline, usage)

    def record(self, row: LedgerRow) -> None:
        """Add one request; to the totals a baseline only where the cost is known: both sums are over the same ones.

        ``unpriced`` counts the requests of unknown cost. Where the baseline model has no price, its sum is 0 and hits,
        which cost 0, are not counted as unpriced for it: who shows the sum looks at the configuration.
        """
        self._meter.record(
            served_from=row.served_from,
            model=row.model,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_nano=row.cost_nano_usd,
            baseline_nano=None if row.cost_nano_usd is None else row.baseline_nano_usd or 0,
            decision_us=row.decision_us,
            end_to_end_us=row.end_to_end_us,
            shared=row.shared,
        )
        if self._file is not None:
            self._append(self._file, row)

    def count_cache_fault(self) -> None:
        """Count a fault of the cache that a request survived as a miss."""
        self._cache_faults += 1

    def totals(self) -> dict[str, Any]:
        """Return the sums: `Meter.totals`, with ``cache_faults`` and ``rows_lost``."""
        return {**self._meter.totals(), "cache_faults": self._cache_faults, "rows_lost": self._rows_lost}

    def close(self) -> None:
        """Close the file; totals stay, and later rows are only counted."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, file: int, row: LedgerRow) -> None:
        at_ms = time.time_ns() // 1_000_000 if self._clock is None else self._clock.now_ms
        values: dict[str, object] = {"at_ms": at_ms}
        for column in _COLUMNS:
            value = getattr(row, column)
            values[column] = round(value, 3) if column.endswith(("_us", "_ms")) and value is not None else value
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"
        try:
            written = os.write(file, line)
        except OSError as error:
            written, why = 0, error.strerror
        else:
            why = "a part of it only was written"
        if written != len(line):
            self._rows_lost += 1
            if self._rows_lost == 1:
                _log.error("a ledger row was lost: %s; further ones are counted in totals()['rows_lost']", why)


def _cost_nano(price: Price | None, usage: Usage) -> int | None:
    if price is None:
        return None
    return price.cost_nano(usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens)
