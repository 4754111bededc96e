//! `VectorIndex`: exact cosines over any number of vectors, by a scan of 4-bit codes.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::path::Path;

use parking_lot::RwLock;

use super::codes::{Codec, Query, Row};
use super::flat::Neighbour;
use super::kernels::{self, Kernels, Passed};
use crate::error::{Error, ErrorKind, Result};

/// The longest vectors that an index takes.
pub const MAX_DIM: usize = 4096;
/// The id that no vector may have: it fills the rows of a batch that found fewer than k.
pub const NO_ID: u64 = u64::MAX;
/// Rows between two rises of the threshold of a scan: few at first, when it is low and every row passes.
const FIRST_STRIDE: usize = 32;
const LAST_STRIDE: usize = 256;

/// Finds the nearest vectors by cosine, exactly over what it stores (IEEE halves).
///
/// A search scans 4-bit codes of the rotated vectors and compares exactly those that the error of the codes leaves in
/// doubt: O(n) with a small constant, about 4 ns a vector of 256 values. 2.5 bytes a value and 12 bytes an entry, and
/// the table of ids. `add` and `remove` are O(dim) a vector. Not for many millions of vectors in one index.
///
/// Searches run beside each other; an `add` or `remove` waits for those under way and keeps new ones waiting, once it
/// has prepared its vectors.
#[derive(Debug)]
pub struct VectorIndex {
    codec: Codec,
    state: RwLock<State>,
}

/// Entry i stands at place i of every list.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) ids: Vec<u64>,
    pub(super) halves: Vec<u16>,
    codes: Vec<u8>,
    scales: Vec<f32>,
    row_of: HashMap<u64, u32>,
    /// No row ever held was further from its codes.
    residual: f32,
}

/// Figures of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexStats {
    /// Vectors held.
    pub entries: usize,
    /// Bytes on the heap, spare capacity included.
    pub bytes: usize,
    /// The inner loops in use.
    pub kernels: &'static str,
}

impl VectorIndex {
    /// An empty index of vectors of `dim` values.
    ///
    /// # Errors
    /// `Dimension` where `dim` is not from 1 to 4096.
    pub fn new(dim: usize) -> Result<Self> {
        Self::with_kernels(dim, kernels::chosen())
    }

    pub(super) fn with_kernels(dim: usize, kernels: Kernels) -> Result<Self> {
        if dim == 0 || dim > MAX_DIM {
            let context = format!("dim={dim} is outside 1 to {MAX_DIM}");
            return Err(Error::new(ErrorKind::Dimension, context));
        }
        Ok(Self { codec: Codec::new(dim, kernels), state: RwLock::default() })
    }

    /// How many values a vector has.
    pub fn dim(&self) -> usize {
        self.codec.dim()
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        self.state.read().ids.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds vectors, one after the other in `vectors`; each is scaled to unit length. A vector whose id is held already,
    /// or stands earlier in `ids`, takes the earlier one's place. All are added or, on an error, none.
    ///
    /// # Errors
    /// `Dimension` where the lengths do not match, or a vector holds NaN, infinity or only zeros; `Config` where an id
    /// is 2^64 - 1.
    pub fn add(&self, ids: &[u64], vectors: &[f32]) -> Result<()> {
        let dim = self.dim();
        if vectors.len() != ids.len() * dim {
            let context = format!("{} values are not {} vectors of {dim}", vectors.len(), ids.len());
            return Err(Error::new(ErrorKind::Dimension, context));
        }
        if ids.contains(&NO_ID) {
            return Err(Error::new(ErrorKind::Config, format!("id {NO_ID} is what fills the rows of a short batch")));
        }
        // Before the lock: this is most of the work, and all that can fail.
        let rows = vectors
            .chunks_exact(dim)
            .enumerate()
            .map(|(at, vector)| self.codec.row(vector, format_args!("vector {at}")))
            .collect::<Result<Vec<Row>>>()?;
        let mut state = self.state.write();
        if u32::try_from(state.ids.len() + ids.len()).is_err() {
            return Err(Error::new(ErrorKind::Config, "an index holds fewer than 2^32 vectors"));
        }
        state.reserve(ids.len(), self.codec.row_len());
        for (&id, row) in ids.iter().zip(rows) {
            state.put(id, &row);
        }
        Ok(())
    }

    /// Takes vectors out, and says how many of the ids it held.
    pub fn remove(&self, ids: &[u64]) -> usize {
        let mut state = self.state.write();
        ids.iter().filter(|&&id| state.remove(id, self.codec.row_len())).count()
    }

    /// The unit vector under an id, as it is stored.
    pub fn get(&self, id: u64) -> Option<Vec<f32>> {
        let state = self.state.read();
        let row = *state.row_of.get(&id)? as usize;
        Some(self.codec.vector(state.halves_of(row, self.codec.row_len()), state.scales[row]))
    }

    /// The `k` nearest vectors, nearest first; ties in the order of their ids. Only those at or above `min_similarity`,
    /// and only those under an id of `allowed`, where they are given.
    ///
    /// # Errors
    /// `Dimension` where the length is wrong, or the vector holds NaN, infinity or only zeros.
    pub fn search(
        &self,
        vector: &[f32],
        k: usize,
        min_similarity: Option<f32>,
        allowed: Option<&[u64]>,
    ) -> Result<Vec<Neighbour>> {
        let query = self.codec.query(vector, "the query")?;
        let state = self.state.read();
        Ok(state.search(&self.codec, &query, k, min_similarity.unwrap_or(f32::NEG_INFINITY), allowed))
    }

    /// The `k` nearest of each of several vectors, on `threads` threads that end before it returns.
    ///
    /// # Errors
    /// `Dimension`, as for [`VectorIndex::search`].
    pub fn search_batch(&self, vectors: &[f32], k: usize, threads: usize) -> Result<Vec<Vec<Neighbour>>> {
        let dim = self.dim();
        if !vectors.len().is_multiple_of(dim) {
            let context = format!("{} values are not vectors of {dim}", vectors.len());
            return Err(Error::new(ErrorKind::Dimension, context));
        }
        let each = |first: usize, part: &[f32]| {
            let found = part.chunks_exact(dim).zip(first..).map(|(vector, at)| {
                let query = self.codec.query(vector, format_args!("query {at}"))?;
                Ok(self.state.read().search(&self.codec, &query, k, f32::NEG_INFINITY, None))
            });
            found.collect::<Result<Vec<_>>>()
        };
        let count = vectors.len() / dim;
        let share = count.div_ceil(threads.max(1)).max(1);
        if share >= count {
            return each(0, vectors);
        }
        std::thread::scope(|scope| {
            let parts = vectors.chunks(share * dim).enumerate();
            let running: Vec<_> = parts.map(|(at, part)| scope.spawn(move || each(at * share, part))).collect();
            let mut found = Vec::with_capacity(count);
            for thread in running {
                match thread.join() {
                    Ok(part) => found.extend(part?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(found)
        })
    }

    /// Figures of the index.
    pub fn stats(&self) -> IndexStats {
        let state = self.state.read();
        let bytes = state.ids.capacity() * size_of::<u64>()
            + state.halves.capacity() * size_of::<u16>()
            + state.codes.capacity()
            + state.scales.capacity() * size_of::<f32>()
            // hashbrown: a byte of control beside each place, at most seven places in eight taken.
            + state.row_of.capacity() * 8 / 7 * (size_of::<(u64, u32)>() + 1);
        IndexStats { entries: state.ids.len(), bytes, kernels: self.codec.kernels().name }
    }

    /// Writes the index to a file, which appears whole or not at all. A file of that name is replaced. Searches go on.
    ///
    /// # Errors
    /// `IndexFile` where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let state = self.state.read();
        super::file::save(path, self.dim(), &state.ids, &state.halves)
    }

    /// Opens what [`VectorIndex::save`] wrote.
    ///
    /// # Errors
    /// `IndexFile` where it cannot be read, is truncated or corrupted, is no index, or has a newer schema.
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_stored(&super::file::open(path)?)
    }

    /// The index of the bytes of a file.
    ///
    /// # Errors
    /// `IndexFile`, as for [`VectorIndex::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::from_stored(&super::file::parse(bytes)?)
    }

    fn from_stored(stored: &super::file::Stored) -> Result<Self> {
        let index = Self::new(stored.dim)?;
        {
            let mut state = index.state.write();
            state.reserve(stored.ids.len(), index.codec.row_len());
            for (&id, halves) in stored.ids.iter().zip(stored.halves.chunks_exact(index.codec.row_len())) {
                let row = Codec::row_of_halves(halves.to_vec());
                // A rotated unit vector in halves is this close to unit length; anything else was not written by us.
                if !row.scale.is_finite() || (row.scale - 1.0).abs() > 0.01 || id == NO_ID {
                    return Err(Error::new(ErrorKind::IndexFile, "the file holds a vector that is not of unit length"));
                }
                state.put(id, &row);
            }
            if state.ids.len() != stored.ids.len() {
                return Err(Error::new(ErrorKind::IndexFile, "the file holds one id twice"));
            }
        }
        Ok(index)
    }
}

impl State {
    /// Makes room for more entries at once: the first batch then has no spare capacity, and later ones a part.
    fn reserve(&mut self, more: usize, len: usize) {
        self.ids.reserve(more);
        self.halves.reserve(more * len);
        self.codes.reserve(more * len / 2);
        self.scales.reserve(more);
        self.row_of.reserve(more);
    }

    fn put(&mut self, id: u64, row: &Row) {
        self.residual = self.residual.max(row.residual);
        let next = self.ids.len();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`add` keeps the entries below 2^32; a file's ids are fewer"
        )]
        let at = *self.row_of.entry(id).or_insert(next as u32) as usize;
        if at == next {
            self.ids.push(id);
            self.halves.extend_from_slice(&row.halves);
            self.codes.extend_from_slice(&row.codes);
            self.scales.push(row.scale);
        } else {
            let len = row.halves.len();
            self.halves[at * len..][..len].copy_from_slice(&row.halves);
            self.codes[at * len / 2..][..len / 2].copy_from_slice(&row.codes);
            self.scales[at] = row.scale;
        }
    }

    /// The last entry takes the place of the one that goes.
    fn remove(&mut self, id: u64, len: usize) -> bool {
        let Some(at) = self.row_of.remove(&id) else { return false };
        let place = at as usize;
        let last = self.ids.len() - 1;
        self.ids.swap_remove(place);
        self.scales.swap_remove(place);
        self.halves.copy_within(last * len.., place * len);
        self.halves.truncate(last * len);
        self.codes.copy_within(last * len / 2.., place * len / 2);
        self.codes.truncate(last * len / 2);
        if place < last {
            self.row_of.insert(self.ids[place], at);
        }
        if self.ids.capacity() > 4 * last.max(16) {
            self.ids.shrink_to(2 * last);
            self.scales.shrink_to(2 * last);
            self.halves.shrink_to(2 * last * len);
            self.codes.shrink_to(last * len);
            self.row_of.shrink_to(2 * last);
        }
        true
    }

    fn halves_of(&self, row: usize, len: usize) -> &[u16] {
        &self.halves[row * len..][..len]
    }

    fn search(&self, codec: &Codec, query: &Query, k: usize, floor: f32, allowed: Option<&[u64]>) -> Vec<Neighbour> {
        if k == 0 || self.ids.is_empty() || floor.is_nan() {
            return Vec::new();
        }
        let mut best = Best {
            state: self,
            codec,
            query,
            k,
            floor,
            error: codec.error(query, self.residual),
            kept: BinaryHeap::new(),
            threshold: i32::MIN,
        };
        best.threshold = query.score(floor - best.error);
        let mut passed = Passed::new();
        let bytes = codec.row_len() / 2;
        let scan = codec.kernels().scan;
        match allowed {
            None => {
                let (mut first, mut stride) = (0, FIRST_STRIDE);
                while first < self.ids.len() {
                    let end = self.ids.len().min(first + stride);
                    #[expect(clippy::cast_possible_truncation, reason = "fewer than 2^32 entries")]
                    let at = first as u32;
                    scan(&self.codes[first * bytes..end * bytes], &query.codes, best.threshold, &mut passed, at);
                    best.compare(&mut passed);
                    (first, stride) = (end, LAST_STRIDE.min(2 * stride));
                }
            }
            Some(allowed) => {
                let mut rows: Vec<u32> = allowed.iter().filter_map(|id| self.row_of.get(id).copied()).collect();
                rows.sort_unstable();
                rows.dedup();
                for row in rows {
                    let codes = &self.codes[row as usize * bytes..][..bytes];
                    scan(codes, &query.codes, best.threshold, &mut passed, row);
                    best.compare(&mut passed);
                }
            }
        }
        best.kept.into_sorted_vec().into_iter().map(|Kept(neighbour)| neighbour).collect()
    }
}

/// The nearest so far, and the score that a row needs to be compared exactly.
///
/// A row that belongs among them has a cosine of at least that of the k-th, and an estimate at most one error below it.
struct Best<'a> {
    state: &'a State,
    codec: &'a Codec,
    query: &'a Query,
    k: usize,
    floor: f32,
    error: f32,
    /// The worst on top.
    kept: BinaryHeap<Kept>,
    threshold: i32,
}

impl Best<'_> {
    /// Compares rows exactly, and raises the threshold by what was found.
    fn compare(&mut self, passed: &mut Passed) {
        for (score, row) in passed.drain(..) {
            if score < self.threshold {
                continue;
            }
            let row = row as usize;
            let halves = self.state.halves_of(row, self.codec.row_len());
            let similarity = self.codec.cosine(self.query, halves, self.state.scales[row]);
            if similarity < self.floor {
                continue;
            }
            let found = Kept(Neighbour { id: self.state.ids[row], similarity });
            if self.kept.len() < self.k {
                self.kept.push(found);
            } else if let Some(mut worst) = self.kept.peek_mut()
                && found < *worst
            {
                *worst = found;
            } else {
                continue;
            }
            if self.kept.len() == self.k
                && let Some(Kept(worst)) = self.kept.peek()
            {
                self.threshold = self.threshold.max(self.query.score(worst.similarity - self.error));
            }
        }
    }
}

/// A neighbour, ordered from near to far; of two as near, the lower id is nearer.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept(Neighbour);

impl Eq for Kept {}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.similarity.total_cmp(&self.0.similarity).then(self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
