//! From the bytes of a body to its exact key, by size of the last turn.
//!
//! `cargo bench -p compound-fast-benches --bench fingerprint`
//!
//! Baselines in the same run: `json_value` parses the body and does nothing with it (the floor of any canonical form);
//! `raw_siphash` hashes the raw bytes (a key that another key order or another blank misses).
//!
//! Medians on one of two shared cores of an AMD EPYC (spread below 5 % but for first samples):
//!
//! ```text
//! text in the last turn     100 B     1,000 B    10,000 B
//! parse_and_fingerprint    2.6 us      5.1 us      29 us
//! fingerprint_alone       0.20 us     0.43 us     2.6 us
//! json_value              0.69 us     0.83 us     2.0 us
//! raw_siphash             0.08 us     0.22 us     1.5 us
//! ```

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use compound_fast_benches::body_of;
use compound_fast_core::request::{FingerprintKey, Request};
use divan::Bencher;
use divan::counter::BytesCount;

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn parse_and_fingerprint(bencher: Bencher<'_, '_>, bytes: usize) {
    let key = FingerprintKey::new([7; 16]);
    let body = body_of(bytes);
    bencher.counter(BytesCount::new(body.len())).with_inputs(|| body.clone()).bench_values(|body| {
        Request::parse(body, "tenant", "").map(|request| key.exact(key.scope(&request), &request)).ok()
    });
}

#[divan::bench(args = SIZES)]
fn fingerprint_alone(bencher: Bencher<'_, '_>, bytes: usize) {
    let key = FingerprintKey::new([7; 16]);
    let body = body_of(bytes);
    let size = body.len();
    let Ok(request) = Request::parse(body, "tenant", "") else { return };
    bencher.counter(BytesCount::new(size)).bench(|| key.exact(key.scope(&request), &request));
}

#[divan::bench(args = SIZES)]
fn json_value(bencher: Bencher<'_, '_>, bytes: usize) {
    let body = body_of(bytes);
    bencher.counter(BytesCount::new(body.len())).bench(|| serde_json::from_slice::<serde_json::Value>(&body).ok());
}

#[divan::bench(args = SIZES)]
fn raw_siphash(bencher: Bencher<'_, '_>, bytes: usize) {
    let keyed = RandomState::new();
    let body = body_of(bytes);
    bencher.counter(BytesCount::new(body.len())).bench(|| keyed.hash_one(&body));
}
