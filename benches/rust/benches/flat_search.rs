//! The four nearest of n vectors of 256 values, by n.
//!
//! `cargo bench -p compound-fast-benches --bench flat_search`
//!
//! The baseline in the same run, `scalar_and_sort`, is the plain reference: one sum, every similarity kept, one sort.
//!
//! Fastest of 100 on one of two shared cores of an AMD EPYC. Medians are within 5 % of it up to 1,000 vectors; longer
//! samples were cut into by other work on the machine:
//!
//! ```text
//! vectors               100      1,000     10,000
//! flat               4.4 us      38 us     379 us
//! flat_from_0_95     1.4 us      16 us     224 us
//! scalar_and_sort     22 us     220 us   2,358 us
//! ```

use compound_fast_benches::{Random, vector};
use compound_fast_core::index::FlatIndex;
use divan::Bencher;
use divan::counter::ItemsCount;

const DIM: usize = 256;
const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn flat(bencher: Bencher<'_, '_>, n: usize) {
    let mut random = Random::new(1);
    let Some((index, query)) = filled(&mut random, n) else { return };
    bencher.counter(ItemsCount::new(n)).bench(|| index.search(&query, 4, -1.0).ok());
}

/// With the cache's own floor a row is read only as far as it can still reach it.
#[divan::bench(args = SIZES)]
fn flat_from_0_95(bencher: Bencher<'_, '_>, n: usize) {
    let mut random = Random::new(1);
    let Some((index, query)) = filled(&mut random, n) else { return };
    bencher.counter(ItemsCount::new(n)).bench(|| index.search(&query, 4, 0.95).ok());
}

#[divan::bench(args = SIZES)]
fn scalar_and_sort(bencher: Bencher<'_, '_>, n: usize) {
    let mut random = Random::new(1);
    let rows: Vec<Vec<f32>> = (0..n).map(|_| unit(vector(&mut random, DIM))).collect();
    let query = unit(vector(&mut random, DIM));
    bencher.counter(ItemsCount::new(n)).bench(|| {
        let mut found: Vec<(f32, usize)> =
            rows.iter().enumerate().map(|(id, row)| (row.iter().zip(&query).map(|(x, y)| x * y).sum(), id)).collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0));
        found.truncate(4);
        found
    });
}

/// An index of n random vectors, and a query that is near none of them.
fn filled(random: &mut Random, n: usize) -> Option<(FlatIndex, Vec<f32>)> {
    let mut index = FlatIndex::new(DIM);
    for id in 0..n as u64 {
        index.add(id, &vector(random, DIM)).ok()?;
    }
    Some((index, vector(random, DIM)))
}

fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    for value in &mut values {
        *value /= norm;
    }
    values
}
