//! `VectorIndex`: cosines over any number of vectors, by a scan of 4-bit codes or a walk through a graph of them.

use std::path::Path;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockUpgradableReadGuard};

use super::codes::{Codec, Row};
use super::file::{self, Stored};
use super::flat::Neighbour;
use super::kernels::{self, Kernels};
use super::link;
use super::search::Wanted;
use super::state::State;
use crate::container::Readers;
use crate::error::{Error, ErrorKind, Result};

/// The longest vectors that an index takes.
pub const MAX_DIM: usize = 4096;
/// The id that no vector may have: it fills the rows of a batch that found fewer than k.
pub const NO_ID: u64 = u64::MAX;
/// Slots are kept in 31 bits.
pub const MAX_ENTRIES: usize = (1 << 31) - 1;
/// Vectors of one call that are added at once.
const GROUP: usize = 64;
/// Entries that may wait to be linked: a search compares each of them, which takes about half a microsecond in all.
const WAITING: usize = 64;
/// Entries that one that is added or removed links at most, while more than [`WAITING`] wait.
const LINKED_AT_ONCE: usize = 4;
/// How long a change waits for a moment without searches before it makes new ones wait.
const PATIENCE: Duration = Duration::from_micros(300);

/// How an index finds things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Flat while it is small, a graph above.
    Auto,
    /// Every code is looked at, nothing missed.
    Flat,
    /// A graph from the first entry on.
    Graph,
}

/// Finds the nearest vectors by cosine: exactly over what it stores while it is flat, nearly all of them with a graph.
///
/// Kept are twelve bits a value, of which a scan or a walk reads four; what that leaves in doubt is compared in full.
/// A flat search is O(n), about 4 ns a vector of 256 values; a walk touches some thousand vectors of a million. 1.5
/// bytes a value and about 20 an entry, with a graph 220.
///
/// Searches run beside each other. There is one change at a time: it plans beside the searches and keeps them waiting
/// for some microseconds, when it writes what it has planned.
#[derive(Debug)]
pub struct VectorIndex {
    codec: Codec,
    kind: Kind,
    state: RwLock<State>,
}

/// What a change holds while searches go on.
type Held<'a> = RwLockUpgradableReadGuard<'a, State>;

/// Figures of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexStats {
    /// Vectors held.
    pub entries: usize,
    /// Bytes held, room for more included.
    pub bytes: usize,
    /// Whether it has a graph.
    pub is_graph: bool,
    /// Vectors that wait to be linked.
    pub waiting: usize,
    /// The inner loops in use.
    pub kernels: &'static str,
}

impl VectorIndex {
    /// An empty index of vectors of `dim` values.
    ///
    /// # Errors
    /// `Dimension` where `dim` is not from 1 to 4096.
    pub fn new(dim: usize, kind: Kind) -> Result<Self> {
        Self::with_kernels(dim, kind, kernels::chosen())
    }

    pub(super) fn with_kernels(dim: usize, kind: Kind, kernels: Kernels) -> Result<Self> {
        if dim == 0 || dim > MAX_DIM {
            let context = format!("dim={dim} is outside 1 to {MAX_DIM}");
            return Err(Error::new(ErrorKind::Dimension, context));
        }
        let codec = Codec::new(dim, kernels);
        let state = RwLock::new(State::new(&codec, kind)?);
        Ok(Self { codec, kind, state })
    }

    /// How many values a vector has.
    pub fn dim(&self) -> usize {
        self.codec.dim()
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        self.state.read().slots.live()
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
    /// is 2^64 - 1; `Internal` where the system has no memory left.
    pub fn add(&self, ids: &[u64], vectors: &[f32]) -> Result<()> {
        self.put(ids, vectors, LINKED_AT_ONCE)
    }

    /// [`VectorIndex::add`], with what is added left waiting for [`VectorIndex::link`] or later changes.
    ///
    /// # Errors
    /// As for [`VectorIndex::add`].
    pub fn add_waiting(&self, ids: &[u64], vectors: &[f32]) -> Result<()> {
        self.put(ids, vectors, 0)
    }

    fn put(&self, ids: &[u64], vectors: &[f32], linked: usize) -> Result<()> {
        let dim = self.dim();
        if vectors.len() != ids.len() * dim {
            let context = format!("{} values are not {} vectors of {dim}", vectors.len(), ids.len());
            return Err(Error::new(ErrorKind::Dimension, context));
        }
        if ids.contains(&NO_ID) {
            return Err(Error::new(ErrorKind::Config, format!("id {NO_ID} is what fills the rows of a short batch")));
        }
        // All that can fail comes first.
        for (at, vector) in vectors.chunks_exact(dim).enumerate() {
            self.codec.check(vector, format_args!("vector {at}"))?;
        }
        let mut held = self.state.upgradable_read();
        if held.slots.count() + ids.len() > MAX_ENTRIES {
            return Err(Error::new(ErrorKind::Config, format!("an index holds at most {MAX_ENTRIES} vectors")));
        }
        let reserved;
        (held, reserved) = change(held, |state| state.reserve(ids.len()));
        reserved?;
        for (ids, vectors) in ids.chunks(GROUP).zip(vectors.chunks(GROUP * dim)) {
            let rows = vectors
                .chunks_exact(dim)
                .map(|vector| self.codec.row(vector, "the vector"))
                .collect::<Result<Vec<Row>>>()?;
            held = self.add_group(held, ids, &rows, linked)?;
        }
        Ok(())
    }

    fn add_group<'a>(&'a self, mut held: Held<'a>, ids: &[u64], rows: &[Row], linked: usize) -> Result<Held<'a>> {
        if held.graph.is_none() {
            let grown;
            (held, grown) = change(held, |state| {
                for (&id, row) in ids.iter().zip(rows) {
                    match state.slots.find(id) {
                        Some(slot) => state.slots.set(slot, row),
                        None => state.put(id, row),
                    }
                }
                state.grow(self.kind)
            });
            grown?;
        } else {
            for (&id, row) in ids.iter().zip(rows) {
                let leaving = self.leaving(&held, id);
                // At one go: a search between the two would find neither the old row nor the new.
                (held, ()) = change(held, |state| {
                    if let Some((slot, repaired)) = leaving {
                        state.remove(slot, repaired);
                    }
                    state.put(id, row);
                });
            }
        }
        Ok(self.link_waiting(held, linked * ids.len()))
    }

    /// Takes vectors out, and says how many of the ids it held.
    pub fn remove(&self, ids: &[u64]) -> usize {
        let mut held = self.state.upgradable_read();
        let mut count = 0;
        for &id in ids {
            let found;
            (held, found) = self.remove_one(held, id);
            count += usize::from(found);
        }
        if count > 0 {
            held = self.link_waiting(held, LINKED_AT_ONCE * count);
            (held, ()) = change(held, |state| state.shrink(&self.codec, self.kind));
        }
        drop(held);
        count
    }

    fn remove_one<'a>(&'a self, held: Held<'a>, id: u64) -> (Held<'a>, bool) {
        let Some((slot, repaired)) = self.leaving(&held, id) else { return (held, false) };
        let (held, ()) = change(held, |state| state.remove(slot, repaired));
        (held, true)
    }

    /// The slot of an id, and the lists of its neighbours once it has gone.
    fn leaving(&self, state: &State, id: u64) -> Option<(u32, link::Lists)> {
        let slot = state.slots.find(id)?;
        let repaired = match &state.graph {
            Some(graph) if state.is_tied(slot) => link::repair(&self.codec, &state.slots, graph, slot),
            _ => Vec::new(),
        };
        Some((slot, repaired))
    }

    /// Links entries that wait, at most `most`; says whether more do.
    pub fn link(&self, most: usize) -> bool {
        let held = self.link_waiting(self.state.upgradable_read(), most);
        held.graph.as_ref().is_some_and(|graph| graph.waiting().len() >= WAITING + LINKED_AT_ONCE)
    }

    /// Links the entries that have waited longest, at most `most` of them; some at a time, so that most changes link none.
    fn link_waiting<'a>(&'a self, mut held: Held<'a>, most: usize) -> Held<'a> {
        if held.graph.as_ref().is_none_or(|graph| graph.waiting().len() < WAITING + LINKED_AT_ONCE) {
            return held;
        }
        for _ in 0..most {
            let Some(graph) = &held.graph else { break };
            let Some(&slot) = graph.waiting().front().filter(|_| graph.waiting().len() > WAITING) else { break };
            let plan = link::plan(&self.codec, &held.slots, graph, slot);
            (held, ()) = change(held, |state| state.link(slot, plan));
        }
        held
    }

    /// Whether it holds a vector under an id.
    pub fn contains(&self, id: u64) -> bool {
        self.state.read().slots.find(id).is_some()
    }

    /// The ids that it holds.
    pub fn ids(&self) -> Vec<u64> {
        self.state.read().slots.ids.iter().copied().filter(|&id| id != NO_ID).collect()
    }

    /// The unit vector under an id, as it is stored.
    pub fn get(&self, id: u64) -> Option<Vec<f32>> {
        let state = self.state.read();
        Some(state.slots.vector(&self.codec, state.slots.find(id)?))
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
        let wanted = Wanted { query: &query, k, floor: min_similarity.unwrap_or(f32::NEG_INFINITY) };
        Ok(self.state.read().search(&self.codec, wanted, allowed))
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
                let wanted = Wanted { query: &query, k, floor: f32::NEG_INFINITY };
                Ok(self.state.read().search(&self.codec, wanted, None))
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
        IndexStats {
            entries: state.slots.live(),
            bytes: state.slots.bytes() + state.graph.as_ref().map_or(0, super::graph::Graph::bytes),
            is_graph: state.graph.is_some(),
            waiting: state.graph.as_ref().map_or(0, |graph| graph.waiting().len()),
            kernels: self.codec.kernels().name,
        }
    }

    #[cfg(test)]
    pub(super) fn read(&self) -> parking_lot::RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Writes the index to a file, which appears whole or not at all. A file of that name is replaced. Searches go on.
    ///
    /// # Errors
    /// `IndexFile` where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_for(Readers::Usual, path)
    }

    /// [`VectorIndex::save`] of a file for those readers.
    pub(crate) fn save_for(&self, readers: Readers, path: &Path) -> Result<()> {
        // What a change holds, not what a search does: a change that waited for it would keep new searches waiting. It is
        // let go before the wait for the disk.
        let unnamed = file::save(path, readers, self.dim(), self.kind, &self.state.upgradable_read())?;
        unnamed.appear()
    }

    /// Opens what [`VectorIndex::save`] wrote. Its rows are mapped, and read as they are needed; the file must not be
    /// changed in place meanwhile, which `save` does not do.
    ///
    /// # Errors
    /// `IndexFile` where it cannot be read, is truncated or corrupted, is no index, or has a newer schema.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::from_stored(file::open(path)?))
    }

    /// The index of the bytes of a file.
    ///
    /// # Errors
    /// `IndexFile`, as for [`VectorIndex::open`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self::from_stored(file::parse(bytes)?))
    }

    fn from_stored(stored: Stored) -> Self {
        let codec = Codec::new(stored.dim, kernels::chosen());
        Self { codec, kind: stored.kind, state: RwLock::new(stored.state) }
    }
}

/// Writes what was planned. Waits for a moment in which no search is under way, and only after that in vain makes new
/// ones wait: a search would otherwise wait for the wake-up of a thread each time.
fn change<T>(mut held: Held<'_>, work: impl FnOnce(&mut State) -> T) -> (Held<'_>, T) {
    let since = Instant::now();
    let mut state = loop {
        match RwLockUpgradableReadGuard::try_upgrade(held) {
            Ok(state) => break state,
            Err(busy) if since.elapsed() > PATIENCE => break RwLockUpgradableReadGuard::upgrade(busy),
            Err(busy) => held = busy,
        }
        std::hint::spin_loop();
    };
    // What searches read was read before. The second try of `try_upgrade` in parking_lot 0.12.5 takes the lock by a
    // relaxed exchange, which does not say so: Miri reports a data race without this line.
    fence(Ordering::Acquire);
    let done = work(&mut state);
    (parking_lot::RwLockWriteGuard::downgrade_to_upgradable(state), done)
}
