"""What a replay keeps about the requests it sent: of constant size, however long the traffic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from compound_fast.types import CompoundInfo

__all__ = ["SERVED", "Classes", "LogHistogram", "Span", "Tally"]

SERVED = ("exact", "semantic", "model", "failed")

MOST_SPANS = 512
BINS_PER_DECADE = 12
DECADES = (-1, 9)  # 0.1 us to 1,000 s; what lies outside counts in the outermost bin


@dataclass(slots=True)
class Span:
    """Some requests in a row: who served them, and what all requests up to here have cost."""

    served: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVED, 0))
    cost_nano_usd: int = 0
    baseline_nano_usd: int = 0

    @property
    def requests(self) -> int:
        """How many."""
        return sum(self.served.values())


@dataclass(slots=True)
class LogHistogram:
    """Counts of durations, in microseconds, over bins that grow by a constant factor."""

    counts: list[int] = field(default_factory=lambda: [0] * ((DECADES[1] - DECADES[0]) * BINS_PER_DECADE))

    @property
    def edges(self) -> list[float]:
        """Where the bins meet; one more than there are bins."""
        return [10.0 ** (DECADES[0] + at / BINS_PER_DECADE) for at in range(len(self.counts) + 1)]

    def add(self, us: float) -> None:
        """Count one duration."""
        at = math.floor((math.log10(us) - DECADES[0]) * BINS_PER_DECADE) if us > 0 else 0
        self.counts[min(max(at, 0), len(self.counts) - 1)] += 1

    def quantile(self, share: float) -> float:
        """The duration that `share` of the counted ones do not exceed, to within a bin (21 %); 0 if there are none."""
        wanted = share * sum(self.counts)
        edges = self.edges
        for at, count in enumerate(self.counts):
            if count and count >= wanted:
                return edges[at] * math.pow(edges[at + 1] / edges[at], wanted / count)
            wanted -= count
        return 0.0


@dataclass(slots=True)
class Tally:
    """The course of a replay, for its plots.

    Spans hold one request each until there are `MOST_SPANS`; then neighbours are joined, and a span holds twice as
    many.
    """

    spans: list[Span] = field(default_factory=list)
    span_requests: int = 1
    decision_us: LogHistogram = field(default_factory=LogHistogram)
    end_to_end_us: LogHistogram = field(default_factory=LogHistogram)
    provider_us: LogHistogram = field(default_factory=LogHistogram)

    def answered(self, info: CompoundInfo, end_to_end_us: float) -> None:
        """Add a request that was answered."""
        span = self._span()
        span.served[info.served_from] += 1
        if info.cost_nano_usd is not None:  # else neither sum has it, as in the ledger
            span.cost_nano_usd += info.cost_nano_usd
            span.baseline_nano_usd += info.baseline_nano_usd or 0
        self.decision_us.add(info.decision_us)
        self.end_to_end_us.add(end_to_end_us)
        if info.latency_ms is not None:
            self.provider_us.add(info.latency_ms * 1000)

    def failed(self, cost_nano_usd: int) -> None:
        """Add a request that was not; `cost_nano_usd` is what all requests up to here have cost, this one included."""
        span = self._span()
        span.served["failed"] += 1
        span.cost_nano_usd = cost_nano_usd

    def _span(self) -> Span:
        if self.spans and self.spans[-1].requests < self.span_requests:
            return self.spans[-1]
        if len(self.spans) == MOST_SPANS:
            self.spans = join(self.spans, 2)
            self.span_requests *= 2
        last = self.spans[-1] if self.spans else Span()
        self.spans.append(Span(cost_nano_usd=last.cost_nano_usd, baseline_nano_usd=last.baseline_nano_usd))
        return self.spans[-1]


def join(spans: list[Span], size: int) -> list[Span]:
    """Join each `size` neighbours into one."""
    joined = []
    for start in range(0, len(spans), size):
        group = spans[start : start + size]
        served = {name: sum(span.served[name] for span in group) for name in SERVED}
        joined.append(Span(served, group[-1].cost_nano_usd, group[-1].baseline_nano_usd))
    return joined


@dataclass(slots=True)
class Classes:
    """Which class each stored entry answers: right and wrong hits are counted from it. It stands beside the path.

    Parameters
    ----------
    is_stored : callable
        Whether the cache still holds an entry; entries it has dropped are forgotten here too.
    """

    is_stored: Callable[[str], bool]
    right: int = 0
    wrong: int = 0
    seen: bool = False
    _classes: dict[str, str] = field(default_factory=dict)
    _prune_at: int = 4096

    def note(self, cls: str | None, info: CompoundInfo) -> None:
        """Remember what was stored, or judge what was served."""
        if cls is None:
            return
        self.seen = True
        if info.entry_id is None:
            return
        if info.served_from == "model":
            self._remember(info.entry_id, cls)
        elif (stored := self._classes.get(info.entry_id)) is not None:
            self.right += stored == cls
            self.wrong += stored != cls

    def _remember(self, entry_id: str, cls: str) -> None:
        self._classes[entry_id] = cls
        if len(self._classes) >= self._prune_at:
            self._classes = {entry: cls for entry, cls in self._classes.items() if self.is_stored(entry)}
            self._prune_at = max(4096, 2 * len(self._classes))  # so that pruning costs O(1) for each entry stored
