//! The four nearest of n vectors of 256 values, by n.
//!
//! `cargo bench -p compound-fast-benches --bench flat_search`
//!
//! The baseline in the same run, `scalar_and_sort`, is the plain reference: one sum, every similarity kept, one sort.
//!
//! Medians on one of two shared cores of an AMD EPYC (slowest sample up to 2.7 times the median):
//!
//! ```text
//! vectors               100      1,000     10,000
//! flat               4.2 us      38 us     400 us
//! scalar_and_sort     22 us     220 us   2,410 us
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
    let mut index = FlatIndex::new(DIM);
    for id in 0..n as u64 {
        if index.add(id, &vector(&mut random, DIM)).is_err() {
            return;
        }
    }
    let query = vector(&mut random, DIM);
    bencher.counter(ItemsCount::new(n)).bench(|| index.search(&query, 4, -1.0).ok());
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

fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    for value in &mut values {
        *value /= norm;
    }
    values
}
