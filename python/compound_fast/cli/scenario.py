"""The monthly bill of a support desk: everything to the large model, against tiers and a cache. Exact arithmetic.

A query costs (input tokens x input price + output tokens x output price) / 1000. A hit costs nothing, and hits are
taken to fall on all tiers alike. All sums are fractions of integers; they are rounded once, when shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from compound_fast._arguments import shown
from compound_fast.errors import ConfigError

__all__ = ["SCENARIO", "TIERS", "Scenario", "from_replay", "percent"]

LARGEST_COUNT = 10**15
TIERS = ("weak", "medium", "strong")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is assumed about a month of traffic.

    Attributes
    ----------
    queries : int
        Requests in a month.
    input_tokens, output_tokens : int
        Of one request, on average.
    shares : tuple of Fraction
        How much of what the cache does not answer goes to the weak, the medium and the strong tier; they add up to 1.
    prices : tuple of (Fraction, Fraction)
        Dollars per 1,000 input and output tokens of each tier.
    hit_rate : Fraction
        Share of the requests that the cache answers, in [0, 1].
    """

    queries: int
    input_tokens: int
    output_tokens: int
    shares: tuple[Fraction, ...]
    prices: tuple[tuple[Fraction, Fraction], ...]
    hit_rate: Fraction

    def __post_init__(self) -> None:
        for name in ("queries", "input_tokens", "output_tokens"):
            if not 0 <= getattr(self, name) <= LARGEST_COUNT:
                raise ConfigError(f"{name}={shown(getattr(self, name))} is outside [0, {LARGEST_COUNT}]")
        if len(self.shares) != len(TIERS) or len(self.prices) != len(TIERS):
            raise ConfigError(f"{len(self.shares)} shares and {len(self.prices)} prices; give one for each of {TIERS}")
        if min(self.shares) < 0 or sum(self.shares) != 1:
            mix = "/".join(percent(share) for share in self.shares)
            raise ConfigError(f"shares {mix} add up to {percent(sum(self.shares, Fraction()))}, not 100%")
        if min(price for pair in self.prices for price in pair) < 0:
            raise ConfigError("a price is negative; dollars per 1,000 tokens are meant")
        if not 0 <= self.hit_rate <= 1:
            raise ConfigError(f"hit_rate={float(self.hit_rate)} is outside [0, 1]; it is a share of the requests")

    def query_usd(self, tier: int) -> Fraction:
        """What one request costs at `tier`."""
        price_in, price_out = self.prices[tier]
        return (self.input_tokens * price_in + self.output_tokens * price_out) / 1000

    def tier_usd(self, tier: int) -> Fraction:
        """What the requests of `tier` cost in a month, without a cache."""
        return self.queries * self.shares[tier] * self.query_usd(tier)

    @property
    def baseline_usd(self) -> Fraction:
        """Everything to the strong tier, without a cache."""
        return self.queries * self.query_usd(len(TIERS) - 1)

    @property
    def routed_usd(self) -> Fraction:
        """Tiers, without a cache."""
        return sum((self.tier_usd(tier) for tier in range(len(TIERS))), Fraction())

    @property
    def cached_usd(self) -> Fraction:
        """A cache in front of the strong tier alone."""
        return self.baseline_usd * (1 - self.hit_rate)

    @property
    def cost_usd(self) -> Fraction:
        """Tiers and cache together."""
        return self.routed_usd * (1 - self.hit_rate)

    def saving(self, cost_usd: Fraction) -> Fraction:
        """Share of the baseline that `cost_usd` saves; 0 where the baseline is free."""
        return 1 - cost_usd / self.baseline_usd if self.baseline_usd else Fraction()

    def hit_rate_for(self, target_usd: Fraction) -> Fraction | None:
        """The hit rate at which the bill is `target_usd`; 0 where the tiers alone get there, None if nothing does."""
        if self.routed_usd <= target_usd:
            return Fraction()
        return 1 - target_usd / self.routed_usd if target_usd >= 0 else None

    def with_weak_share(self, weak: Fraction) -> Scenario:
        """The same month with another weak share; medium and strong keep their ratio."""
        rest = self.shares[1] + self.shares[2]
        medium = (1 - weak) * (self.shares[1] / rest if rest else 1)
        return replace(self, shares=(weak, medium, 1 - weak - medium))


SCENARIO = Scenario(
    queries=1_000_000,
    input_tokens=500,
    output_tokens=300,
    shares=(Fraction(70, 100), Fraction(25, 100), Fraction(5, 100)),
    prices=(
        (Fraction("0.003"), Fraction("0.006")),
        (Fraction("0.01"), Fraction("0.03")),
        (Fraction("0.03"), Fraction("0.06")),
    ),
    hit_rate=Fraction(30, 100),
)


def from_replay(scenario: Scenario, path: Path) -> Scenario:
    """Return `scenario` with the hit rate and the tier shares that ``compound-fast replay --json`` measured.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is not the output of a replay.
    """
    try:
        figures = json.loads(path.read_bytes())
        served = figures["served"]
        hits, sent = _count(served["exact"]) + _count(served["semantic"]), _count(served["model"])
        counts = dict.fromkeys(TIERS, 0)
        for model in figures["models"].values():
            counts[model["tier"]] += _count(model["requests"])
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give what `compound-fast replay --json` wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Its kind only: the text of a UnicodeDecodeError is the whole file.
        what = type(error).__name__
        raise ConfigError(f"{path}: not the output of `compound-fast replay --json` ({what})") from None
    if not sent or not sum(counts.values()):
        raise ConfigError(f"{path}: no request reached a model, so there are no shares to take; replay more traffic")
    total = sum(counts.values())
    shares = tuple(Fraction(counts[tier], total) for tier in TIERS)
    return replace(scenario, shares=shares, hit_rate=Fraction(hits, hits + sent))


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ValueError("no count of requests")
    return value


def percent(share: Fraction, digits: int = 0) -> str:
    """A share as a percentage; a whole number of percent needs no decimals, unless `digits` asks for them."""
    value = float(share * 100)
    decimals = digits or (0 if abs(value - round(value)) < 1e-9 else 1)
    return f"{value:.{decimals}f}%"
