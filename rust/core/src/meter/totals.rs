//! Totals of a ledger: constant memory, however many requests are recorded.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Who gave the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedFrom {
    /// The exact tier of the cache.
    Exact,
    /// The semantic tier of the cache.
    Semantic,
    /// A model.
    Model,
    /// Nobody: every attempt failed.
    Failed,
}

/// One request, as the ledger counts it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Who gave the answer.
    pub served_from: ServedFrom,
    /// The model that wrote it.
    pub model: &'a str,
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// What the call cost; `None` where the model has no price.
    pub cost_nano: Option<u64>,
    /// What the same tokens cost at the baseline model; `None` where that has no price.
    pub baseline_nano: Option<u64>,
    /// From the request's bytes to the decision.
    pub decision_ns: u64,
    /// From the request's bytes to the answer.
    pub end_to_end_ns: u64,
}

/// What one model served.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ModelTotals {
    /// Answers it wrote.
    pub requests: u64,
    /// Tokens that it read.
    pub input_tokens: u64,
    /// Tokens that it wrote.
    pub output_tokens: u64,
    /// What it cost, unpriced answers left out.
    pub cost_nano: u64,
    /// Answers without a price.
    pub unpriced: u64,
}

/// Sums over all requests.
#[derive(Debug)]
pub struct Totals {
    /// Requests by who answered them, in the order of [`ServedFrom`].
    pub served: [u64; 4],
    /// Tokens that models read, and wrote.
    pub tokens: [u64; 2],
    /// Tokens, read and written, of answers that came from the cache.
    pub tokens_saved: u64,
    /// What it all cost, unpriced answers left out.
    pub cost_nano: u64,
    /// What it would have cost at the baseline, unpriced answers left out.
    pub baseline_nano: u64,
    /// Requests whose cost or baseline is not known.
    pub unpriced: u64,
    /// What each model served, in the order of their names.
    pub models: BTreeMap<String, ModelTotals>,
    decision_ns: Histogram<u64>,
    end_to_end_ns: Histogram<u64>,
}

/// An hour: a longer time counts as this.
const LONGEST_NS: u64 = 3_600_000_000_000;

impl Totals {
    /// Nothing recorded yet. About 60 KB for the two histograms (two significant digits).
    pub fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_NS, 2).unwrap_or_else(|_| unreachable!("the bounds are constants"))
        };
        Self {
            served: [0; 4],
            tokens: [0; 2],
            tokens_saved: 0,
            cost_nano: 0,
            baseline_nano: 0,
            unpriced: 0,
            models: BTreeMap::new(),
            decision_ns: histogram(),
            end_to_end_ns: histogram(),
        }
    }

    /// Counts one request. A failed one counts itself, its time to the decision and what it cost; it saved nothing.
    pub fn record(&mut self, record: &Record<'_>) {
        self.served[record.served_from as usize] += 1;
        self.decision_ns.saturating_record(record.decision_ns.clamp(1, LONGEST_NS));
        self.cost_nano = self.cost_nano.saturating_add(record.cost_nano.unwrap_or(0));
        if record.served_from == ServedFrom::Failed {
            self.unpriced += u64::from(record.cost_nano.is_none());
            return;
        }
        self.end_to_end_ns.saturating_record(record.end_to_end_ns.clamp(1, LONGEST_NS));
        self.baseline_nano = self.baseline_nano.saturating_add(record.baseline_nano.unwrap_or(0));
        self.unpriced += u64::from(record.cost_nano.is_none() || record.baseline_nano.is_none());
        if record.served_from != ServedFrom::Model {
            self.tokens_saved += record.input_tokens + record.output_tokens;
            return;
        }
        self.tokens[0] += record.input_tokens;
        self.tokens[1] += record.output_tokens;
        if !self.models.contains_key(record.model) {
            self.models.insert(record.model.to_owned(), ModelTotals::default());
        }
        if let Some(model) = self.models.get_mut(record.model) {
            model.requests += 1;
            model.input_tokens += record.input_tokens;
            model.output_tokens += record.output_tokens;
            model.cost_nano = model.cost_nano.saturating_add(record.cost_nano.unwrap_or(0));
            model.unpriced += u64::from(record.cost_nano.is_none());
        }
    }

    /// Requests recorded.
    pub fn requests(&self) -> u64 {
        self.served.iter().sum()
    }

    /// Time to the decision at each of these quantiles, in nanoseconds, within 1 %.
    pub fn decision_ns<const N: usize>(&self, quantiles: [f64; N]) -> [u64; N] {
        quantiles.map(|quantile| self.decision_ns.value_at_quantile(quantile))
    }

    /// Time to the answer at each of these quantiles, in nanoseconds, within 1 %.
    pub fn end_to_end_ns<const N: usize>(&self, quantiles: [f64; N]) -> [u64; N] {
        quantiles.map(|quantile| self.end_to_end_ns.value_at_quantile(quantile))
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(served_from: ServedFrom) -> Record<'static> {
        Record {
            served_from,
            model: "weak",
            input_tokens: 10,
            output_tokens: 20,
            cost_nano: Some(if served_from == ServedFrom::Model { 5 } else { 0 }),
            baseline_nano: Some(50),
            decision_ns: 1_000,
            end_to_end_ns: 2_000,
        }
    }

    #[test]
    fn a_hit_saves_tokens_and_a_model_spends_them() {
        let mut totals = Totals::new();
        totals.record(&record(ServedFrom::Model));
        totals.record(&record(ServedFrom::Exact));
        totals.record(&record(ServedFrom::Semantic));

        assert_eq!((totals.served, totals.tokens, totals.tokens_saved), ([1, 1, 1, 0], [10, 20], 60));
        assert_eq!((totals.cost_nano, totals.baseline_nano, totals.unpriced), (5, 150, 0));
        let expected = ModelTotals { requests: 1, input_tokens: 10, output_tokens: 20, cost_nano: 5, unpriced: 0 };
        assert_eq!(totals.models["weak"], expected);
    }

    #[test]
    fn an_unknown_price_is_counted_and_never_zero() {
        let mut totals = Totals::new();
        totals.record(&Record { cost_nano: None, ..record(ServedFrom::Model) });
        totals.record(&Record { baseline_nano: None, ..record(ServedFrom::Exact) });

        assert_eq!((totals.unpriced, totals.models["weak"].unpriced, totals.cost_nano), (2, 1, 0));
    }

    #[test]
    fn a_failed_request_counts_what_it_cost_and_saves_nothing() {
        let mut totals = Totals::new();
        totals.record(&Record { cost_nano: Some(7), ..record(ServedFrom::Failed) });
        totals.record(&Record { cost_nano: None, ..record(ServedFrom::Failed) });

        assert_eq!((totals.requests(), totals.served[3], totals.baseline_nano), (2, 2, 0));
        assert_eq!((totals.cost_nano, totals.unpriced), (7, 1));
        assert!(totals.models.is_empty());
    }

    #[test]
    fn quantiles_are_within_one_per_cent() {
        let mut totals = Totals::new();
        for number in 1..=1_000 {
            totals.record(&Record { decision_ns: number * 1_000, ..record(ServedFrom::Exact) });
        }

        let [p50, p99] = totals.decision_ns([0.5, 0.99]);

        assert!((495_000..=505_000).contains(&p50) && (980_000..=1_000_000).contains(&p99), "{p50} {p99}");
    }
}
