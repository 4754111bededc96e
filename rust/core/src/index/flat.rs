//! Exact search by scanning every vector.

use crate::error::{Error, ErrorKind, Result};
use crate::heap;

/// Values of a row that are read before it is known whether the rest can matter.
///
/// By Cauchy and Schwarz the rest adds at most the product of the two remaining lengths. At a floor of .95 that rules out
/// nearly every row: a look-up among 2,000 vectors of 256 took 161 us with whole rows, and takes 80 us.
const HEAD: usize = 64;

/// Compares a query with every vector it holds; the answer is exact.
///
/// `add`, `get` and `remove` are O(n) for they look for the id, `search` is O(n * dim). 4 * dim + 12 bytes an entry. Right
/// for a few hundred vectors at most; above that a [`VectorIndex`](super::VectorIndex) is faster and smaller.
#[derive(Debug)]
pub struct FlatIndex {
    dim: usize,
    ids: Vec<u64>,
    /// Row i holds the vector of `ids[i]`.
    rows: Vec<f32>,
    /// Length of each row's part after its head.
    tails: Vec<f32>,
}

/// One vector found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The id it was added under.
    pub id: u64,
    /// Cosine to the query, in [-1, 1].
    pub similarity: f32,
}

impl FlatIndex {
    /// An index of vectors of length `dim`.
    pub fn new(dim: usize) -> Self {
        Self { dim, ids: Vec::new(), rows: Vec::new(), tails: Vec::new() }
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Bytes that it holds on the heap, spare capacity included.
    pub fn bytes(&self) -> usize {
        heap::vector(&self.ids) + heap::vector(&self.rows) + heap::vector(&self.tails)
    }

    /// Adds a vector, which is scaled to unit length. An id that is held already gets the new vector.
    ///
    /// # Errors
    /// `Dimension` where the length is wrong, or the vector holds NaN, infinity or only zeros.
    pub fn add(&mut self, id: u64, vector: &[f32]) -> Result<()> {
        let scale = self.check(vector)?;
        self.remove(id);
        if self.ids.len() == self.ids.capacity() {
            // By an eighth, where a vector would double: a budget that counts spare capacity loses an eighth at most.
            self.hold(self.ids.len() + self.ids.len() / 8 + 1);
        }
        self.ids.push(id);
        self.rows.extend(vector.iter().map(|value| value * scale));
        self.tails.push(tail(vector) * scale);
        Ok(())
    }

    /// How many values a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The ids that it holds.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The vectors at unit length, one after the other, in the order of [`FlatIndex::ids`].
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The vector under an id, at unit length.
    pub fn get(&self, id: u64) -> Option<&[f32]> {
        let row = self.ids.iter().position(|&held| held == id)?;
        self.rows.get(row * self.dim..(row + 1) * self.dim)
    }

    /// Takes a vector out; false where the id is not held.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(row) = self.ids.iter().position(|&held| held == id) else { return false };
        let last = self.ids.len() - 1;
        self.ids.swap_remove(row);
        self.tails.swap_remove(row);
        self.rows.copy_within(last * self.dim.., row * self.dim);
        self.rows.truncate(last * self.dim);
        if self.ids.capacity() > 8 + 2 * last {
            self.hold(last + last / 8);
        }
        true
    }

    /// Makes room for `entries` vectors, and for no more.
    fn hold(&mut self, entries: usize) {
        self.ids.shrink_to(entries);
        self.ids.reserve_exact(entries - self.ids.len());
        self.tails.shrink_to(entries);
        self.tails.reserve_exact(entries - self.tails.len());
        self.rows.shrink_to(entries * self.dim);
        self.rows.reserve_exact(entries * self.dim - self.rows.len());
    }

    /// The `k` nearest vectors at or above `min_similarity`, nearest first; ties in the order of their ids.
    ///
    /// # Errors
    /// `Dimension`, as for [`FlatIndex::add`].
    pub fn search(&self, query: &[f32], k: usize, min_similarity: f32) -> Result<Vec<Neighbour>> {
        let scale = self.check(query)?;
        let head = self.dim.min(HEAD);
        let query_tail = tail(query);
        let mut nearest: Vec<Neighbour> = Vec::with_capacity(k + 1);
        // What a row has to reach: the floor, and once k are found the last of them.
        let mut least = min_similarity;
        let rows = self.rows.chunks_exact(self.dim);
        for ((&id, row), &row_tail) in self.ids.iter().zip(rows).zip(&self.tails) {
            let from_head = dot(&query[..head], &row[..head]);
            // The slack covers the rounding of three sums.
            if (from_head + query_tail * row_tail) * scale < least - 1e-5 {
                continue;
            }
            let similarity = (from_head + dot(&query[head..], &row[head..])) * scale;
            let comes_before = |held: &Neighbour| (held.similarity, id) > (similarity, held.id);
            if similarity < least || nearest.len() == k && nearest.last().is_none_or(comes_before) {
                continue;
            }
            let at = nearest.partition_point(comes_before);
            nearest.insert(at, Neighbour { id, similarity });
            nearest.truncate(k);
            if let Some(last) = nearest.last().filter(|_| nearest.len() == k) {
                least = last.similarity;
            }
        }
        Ok(nearest)
    }

    /// One over the length of a vector that may be added or searched for.
    fn check(&self, vector: &[f32]) -> Result<f32> {
        if vector.len() != self.dim {
            let context = format!("the vector has {} values; this index holds vectors of {}", vector.len(), self.dim);
            return Err(Error::new(ErrorKind::Dimension, context));
        }
        let norm = dot(vector, vector).sqrt();
        if norm.is_finite() && norm > 0.0 {
            Ok(norm.recip())
        } else {
            let context = "the vector holds NaN, infinity or only zeros; it has no direction to compare";
            Err(Error::new(ErrorKind::Dimension, context))
        }
    }
}

/// Cosine of two vectors of unit length; -1 where their lengths differ, for then nothing can be said.
pub fn cosine(one: &[f32], other: &[f32]) -> f32 {
    if one.len() == other.len() { dot(one, other) } else { -1.0 }
}

/// Length of the part of a vector after its head.
fn tail(vector: &[f32]) -> f32 {
    let tail = &vector[vector.len().min(HEAD)..];
    dot(tail, tail).sqrt()
}

/// Eight sums at once, so that the compiler can keep them in vector registers; the order of the additions is fixed, so
/// the result is the same on every machine.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum::<f32>();
    for (x, y) in a.zip(b) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(found: &[Neighbour]) -> Vec<u64> {
        found.iter().map(|neighbour| neighbour.id).collect()
    }

    #[test]
    fn the_nearest_comes_first_and_the_floor_holds() {
        let mut index = FlatIndex::new(2);
        index.add(1, &[3.0, 0.0]).unwrap();
        index.add(2, &[1.0, 1.0]).unwrap();
        index.add(3, &[0.0, -2.0]).unwrap();

        let found = index.search(&[2.0, 0.1], 3, 0.0).unwrap();

        assert_eq!(ids(&found), [1, 2]);
        assert!((found[0].similarity - 0.9987).abs() < 1e-3);
        assert_eq!(ids(&index.search(&[2.0, 0.1], 1, -1.0).unwrap()), [1]);
        assert!(index.search(&[2.0, 0.1], 0, -1.0).unwrap().is_empty());
    }

    #[test]
    fn a_vector_without_direction_or_of_another_length_is_refused_and_nothing_is_added() {
        let mut index = FlatIndex::new(2);

        for vector in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0], &[1.0]] {
            assert_eq!(index.add(1, vector).unwrap_err().kind(), ErrorKind::Dimension);
        }
        assert!(index.is_empty());
    }

    proptest! {
        #[test]
        fn search_equals_brute_force_after_any_adds_and_removes(
            // Longer than a head, and no multiple of eight.
            steps in prop::collection::vec((0u64..12, prop::collection::vec(-1.0f32..1.0, 75), any::<bool>()), 1..60),
            query in prop::collection::vec(-1.0f32..1.0, 75),
            floor in prop::sample::select(vec![-2.0f32, 0.0, 0.1, 0.2]),
        ) {
            let mut index = FlatIndex::new(75);
            let mut live = std::collections::BTreeMap::new();
            for (id, vector, is_add) in steps {
                if is_add && index.add(id, &vector).is_ok() {
                    live.insert(id, vector);
                } else {
                    prop_assert_eq!(index.remove(id), live.remove(&id).is_some());
                }
            }
            let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
            let mut expected: Vec<(u64, f32)> = live.iter().map(|(&id, v)| {
                (id, v.iter().zip(&query).map(|(x, y)| x * y).sum::<f32>() / norm(v) / norm(&query))
            }).collect();
            // A similarity at the floor itself may fall on either side of it by rounding.
            prop_assume!(expected.iter().all(|(_, similarity)| (similarity - floor).abs() > 1e-5));
            expected.retain(|&(_, similarity)| similarity > floor);
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));

            let found = index.search(&query, 5, floor).unwrap();

            prop_assert_eq!(index.len(), live.len());
            prop_assert_eq!(found.len(), expected.len().min(5));
            for (neighbour, (_, similarity)) in found.iter().zip(&expected) {
                prop_assert!((neighbour.similarity - similarity).abs() < 1e-4);
            }
        }
    }
}
