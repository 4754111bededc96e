//! Money and counts: what every request cost, in integers.

mod latency;
mod price;
mod totals;

pub use self::latency::Latencies;
pub use self::price::Price;
pub use self::totals::{ModelTotals, Record, ServedFrom, Totals};
