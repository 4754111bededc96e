//! Totals of a ledger: constant memory, however many requests are recorded.

use std::collections::BTreeMap;

use super::Latencies;

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
    /// Whether a model answered somebody else, and this request waited for that answer.
    pub is_shared: bool,
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

/// Sums over all requests; some 72 KB, most of it for the two latencies.
#[derive(Debug, Default)]
pub struct Totals {
    /// Requests by who answered them, in the order of [`ServedFrom`].
    pub served: [u64; 4],
    /// Requests that waited for the answer to another one; [`Totals::served`] has them under the model.
    pub shared: u64,
    /// Tokens that models read, and wrote.
    pub tokens: [u64; 2],
    /// Tokens, read and written, of answers that came from the cache or were shared.
    pub tokens_saved: u64,
    /// What it all cost, unpriced answers left out.
    pub cost_nano: u64,
    /// What it would have cost at the baseline, unpriced answers left out.
    pub baseline_nano: u64,
    /// Requests whose cost or baseline is not known.
    pub unpriced: u64,
    /// What each model served, in the order of their names.
    pub models: BTreeMap<String, ModelTotals>,
    /// Time to the decision.
    pub decision: Latencies,
    /// Time to the answer.
    pub end_to_end: Latencies,
}

impl Totals {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one request. A failed one counts itself, its time to the decision and what it cost; it saved nothing.
    pub fn record(&mut self, record: &Record<'_>) {
        self.served[record.served_from as usize] += 1;
        self.decision.record(record.decision_ns);
        self.cost_nano = self.cost_nano.saturating_add(record.cost_nano.unwrap_or(0));
        if record.served_from == ServedFrom::Failed {
            self.unpriced += u64::from(record.cost_nano.is_none());
            return;
        }
        self.end_to_end.record(record.end_to_end_ns);
        self.baseline_nano = self.baseline_nano.saturating_add(record.baseline_nano.unwrap_or(0));
        self.unpriced += u64::from(record.cost_nano.is_none() || record.baseline_nano.is_none());
        self.shared += u64::from(record.is_shared);
        if record.served_from != ServedFrom::Model || record.is_shared {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(served_from: ServedFrom) -> Record<'static> {
        Record {
            served_from,
            is_shared: false,
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
    fn a_shared_answer_counts_once_for_its_model_and_saves_its_tokens() {
        let mut totals = Totals::new();
        totals.record(&record(ServedFrom::Model));
        totals.record(&Record { is_shared: true, cost_nano: Some(0), ..record(ServedFrom::Model) });

        assert_eq!((totals.served, totals.shared, totals.tokens_saved), ([0, 0, 2, 0], 1, 30));
        assert_eq!((totals.tokens, totals.models["weak"].requests, totals.cost_nano), ([10, 20], 1, 5));
        assert_eq!(totals.baseline_nano, 100);
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
}
