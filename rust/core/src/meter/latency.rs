//! Durations, counted.

use hdrhistogram::Histogram;

/// An hour: a longer time counts as this.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// How many durations there were of which length, within 1 %: 36 KB, however many.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None counted yet.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 2);
        Self(histogram.unwrap_or_else(|_| unreachable!("the bounds are constants")))
    }

    /// Counts one, in nanoseconds.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns.clamp(1, LONGEST_NS));
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration at each of these quantiles, in nanoseconds; 0 where none was counted.
    pub fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> [u64; N] {
        quantiles.map(|quantile| self.0.value_at_quantile(quantile))
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_one_per_cent() {
        let mut latencies = Latencies::new();
        assert_eq!((latencies.count(), latencies.quantiles([0.5])), (0, [0]));
        for number in 1..=1_000 {
            latencies.record(number * 1_000);
        }

        let [p50, p99] = latencies.quantiles([0.5, 0.99]);

        assert!((495_000..=505_000).contains(&p50) && (980_000..=1_000_000).contains(&p99), "{p50} {p99}");
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 1_001);
    }
}
