//! A look-up in a cache of 10,000 entries: exact hit, and a miss that goes through the semantic tier.
//!
//! `cargo bench -p compound-fast-benches --bench cache_get`
//!
//! Parsing is not in it (see `fingerprint`). The baseline in the same run, `hash_map`, finds the answer by the text of
//! the last turn: no scope, no expiry, no eviction.
//!
//! On one of two shared cores of an AMD EPYC, which other work cut into where a sample is long:
//!
//! ```text
//!                              fastest     median
//! exact_hit                    0.76 us    1.02 us
//! miss_by_slots                 3.5 us     3.9 us
//! miss_among_10_000_vectors     265 us     287 us
//! hash_map                     0.18 us    0.24 us
//! ```
//!
//! `miss_among_10_000_vectors` scans its whole partition: that is what a graph index is to replace.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use compound_fast_benches::{analysis, answer, body, question, question_without_slots};
use compound_fast_core::cache::{Cache, CacheConfig, PutOptions};
use compound_fast_core::clock::SystemClock;
use compound_fast_core::embed::StaticEmbedder;
use compound_fast_core::features::Analysis;
use divan::Bencher;

const ENTRIES: u64 = 10_000;

fn main() {
    // A full benchmark clones requests outside the timer, so it is bound by time and not by samples.
    divan::Divan::from_args().max_time(Duration::from_secs(3)).main();
}

/// A cache with one entry for each of the first questions of `make`.
fn filled(make: fn(u64) -> String) -> Option<Cache> {
    let cache = Cache::new(CacheConfig::default(), StaticEmbedder::shipped().ok()?, Arc::new(SystemClock)).ok()?;
    for number in 0..ENTRIES {
        cache.put(&request(make, number)?, answer(), PutOptions::default()).ok()??;
    }
    Some(cache)
}

fn request(make: fn(u64) -> String, number: u64) -> Option<Analysis> {
    analysis(body(&make(number))).ok()
}

#[divan::bench]
fn exact_hit(bencher: Bencher<'_, '_>) {
    let Some(cache) = filled(question) else { return };
    let next = AtomicU64::new(0);
    bencher
        .with_inputs(|| {
            let number = next.fetch_add(7919, Ordering::Relaxed) % ENTRIES;
            request(question, number)
        })
        .bench_refs(|request| request.as_ref().and_then(|request| cache.get(request)));
}

#[divan::bench]
fn miss_by_slots(bencher: Bencher<'_, '_>) {
    let Some(cache) = filled(question) else { return };
    let next = AtomicU64::new(ENTRIES);
    bencher
        .with_inputs(|| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            request(question, number)
        })
        .bench_refs(|request| request.as_ref().and_then(|request| cache.get(request)));
}

#[divan::bench]
fn miss_among_10_000_vectors(bencher: Bencher<'_, '_>) {
    let Some(cache) = filled(question_without_slots) else { return };
    let next = AtomicU64::new(ENTRIES);
    bencher
        .with_inputs(|| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            request(question_without_slots, number)
        })
        .bench_refs(|request| request.as_ref().and_then(|request| cache.get(request)));
}

#[divan::bench]
fn hash_map(bencher: Bencher<'_, '_>) {
    let map: HashMap<String, Vec<u8>> = (0..ENTRIES).map(|number| (question(number), vec![b'a'; 900])).collect();
    let next = AtomicU64::new(0);
    bencher
        .with_inputs(|| {
            let number = next.fetch_add(7919, Ordering::Relaxed) % ENTRIES;
            question(number)
        })
        .bench_refs(|question| map.get(question).map(Vec::len));
}
