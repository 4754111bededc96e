//! Price arithmetic in integer nano-dollars.

use serde::Deserialize;

/// Prices of one model, in nano-dollars per million tokens: $0.15 a million is 150,000,000.
///
/// Integers, so that sums do not depend on their order and a cent is never lost to rounding but once a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For a million input tokens.
    pub input: u64,
    /// For a million output tokens.
    pub output: u64,
    /// For a million input tokens that the provider had cached; `None` = as other input.
    pub cached_input: Option<u64>,
}

impl Price {
    /// What a call costs, in nano-dollars, rounded half up once.
    ///
    /// `cached_input_tokens` is the part of `input_tokens` that the provider had cached; more than all counts as all.
    pub fn cost_nano(&self, input_tokens: u64, output_tokens: u64, cached_input_tokens: u64) -> u64 {
        const MILLION: u128 = 1_000_000;
        let cached = cached_input_tokens.min(input_tokens);
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = part(input_tokens - cached, self.input)
            .saturating_add(part(cached, self.cached_input.unwrap_or(self.input)))
            .saturating_add(part(output_tokens, self.output));
        u64::try_from(sum.saturating_add(MILLION / 2) / MILLION).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: 150_000_000, output: 600_000_000, cached_input: Some(75_000_000) };

    #[test]
    fn a_call_costs_its_tokens_at_their_prices() {
        assert_eq!(PRICE.cost_nano(1_000_000, 0, 0), 150_000_000);
        assert_eq!(PRICE.cost_nano(500, 300, 0), 75_000 + 180_000);
        assert_eq!(PRICE.cost_nano(500, 300, 200), 45_000 + 15_000 + 180_000);
        assert_eq!(PRICE.cost_nano(500, 300, 9_999), 37_500 + 180_000);
        assert_eq!(PRICE.cost_nano(0, 0, 0), 0);
    }

    #[test]
    fn rounding_happens_once_and_half_up() {
        let price = Price { input: 250_000, output: 250_000, cached_input: None };

        assert_eq!(price.cost_nano(1, 0, 0), 0);
        assert_eq!(price.cost_nano(1, 1, 0), 1);
        assert_eq!(price.cost_nano(1, 1, 1), 1);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let price = Price { input: u64::MAX, output: u64::MAX, cached_input: Some(u64::MAX) };

        assert_eq!(price.cost_nano(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    }
}
