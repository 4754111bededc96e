//! Everything that the lock of an index guards, and the changes to it. Each change is short: what takes long is planned
//! before, while searches go on.

use super::codes::{Codec, Row};
use super::flat::Neighbour;
use super::graph::{Graph, Standing};
use super::link::{Lists, Plan};
use super::search::{self, Wanted};
use super::slots::Slots;
use super::vector_index::Kind;
use super::walk::with_scratch;
use crate::error::Result;

/// Up to so many entries a scan answers about as soon as a walk does, and misses nothing. Measured, scan and walk in us,
/// 256 values: at 4,096 entries 38 and 42 for k = 10, 19 and 37 for k = 4 above a similarity of .9, which is what a cache
/// asks for; at 8,192 59 and 49, 34 and 39; at 16,384 102 and 67, 64 and 52. (The tests grow sooner.)
pub const FLAT_UP_TO: usize = if cfg!(test) { 256 } else { 8192 };
/// An index that shrinks below this part of [`FLAT_UP_TO`] is scanned again.
const FLAT_AGAIN: usize = 4;
/// A walk for more than one entry in so many takes longer than a scan.
const SCAN_FROM: usize = 16;

/// The entries, and their graph where there is one.
#[derive(Debug)]
pub struct State {
    pub slots: Slots,
    pub graph: Option<Graph>,
}

impl State {
    /// No entries.
    pub fn new(codec: &Codec, kind: Kind) -> Result<Self> {
        let slots = Slots::new(codec.row_len());
        let graph = (kind == Kind::Graph).then(|| Graph::new(&slots)).transpose()?;
        Ok(Self { slots, graph })
    }

    /// Makes room for more entries; after that adding them cannot fail.
    pub fn reserve(&mut self, more: usize) -> Result<()> {
        self.slots.reserve(more)?;
        let slots = self.slots.live() + more;
        let Some(graph) = &mut self.graph else { return Ok(()) };
        self.slots.reserve_free();
        graph.reserve(slots)
    }

    /// Puts an entry that is not held.
    pub fn put(&mut self, id: u64, row: &Row) {
        let slot = self.slots.put(id, row);
        if let Some(graph) = &mut self.graph {
            graph.enter(slot);
        }
    }

    /// Begins a graph where there are enough entries for one.
    pub fn grow(&mut self, kind: Kind) -> Result<()> {
        if kind == Kind::Auto && self.graph.is_none() && self.slots.live() > FLAT_UP_TO {
            let mut graph = Graph::new(&self.slots)?;
            graph.reserve(self.slots.codes.capacity())?;
            self.slots.reserve_free();
            self.graph = Some(graph);
        }
        Ok(())
    }

    /// Links a waiting entry as planned.
    pub fn link(&mut self, slot: u32, plan: Plan) {
        let Some(graph) = &mut self.graph else { return };
        match plan {
            Plan::Copy(original) => graph.enter_copy(slot, original),
            Plan::Links(own, others) => {
                graph.enter_linked(slot, &own, &self.slots);
                for (other, links) in others {
                    graph.set_links(other, &links);
                }
            }
            Plan::Wait => graph.wait_on(slot, &self.slots),
        }
    }

    /// Takes an entry out, after the lists of its neighbours are repaired as planned.
    pub fn remove(&mut self, slot: u32, repaired: Lists) {
        let Some(graph) = &mut self.graph else {
            self.slots.swap_remove(slot);
            return;
        };
        if let Some(heir) = graph.heir(slot) {
            // The same row under another id: the graph stays as it is.
            self.slots.hand_over(heir, slot);
            graph.leave(heir);
            return;
        }
        self.slots.free(slot);
        graph.leave(slot);
        for (other, links) in repaired {
            graph.set_links(other, &links);
        }
    }

    /// Gives up the graph of an index that has become small.
    pub fn shrink(&mut self, codec: &Codec, kind: Kind) {
        let live = self.slots.live();
        if kind != Kind::Auto || self.graph.is_none() || live >= FLAT_UP_TO / FLAT_AGAIN {
            return;
        }
        // Without memory for the copy everything stays as it is.
        if let Ok(slots) = self.slots.compacted(codec.row_len()) {
            self.slots = slots;
            self.graph = None;
        }
    }

    /// Whether removing an entry calls for repairs.
    pub fn is_tied(&self, slot: u32) -> bool {
        self.graph
            .as_ref()
            .is_some_and(|graph| graph.standing(slot) == Standing::Linked && graph.copies(slot).is_empty())
    }

    /// See `VectorIndex::search`.
    pub fn search(&self, codec: &Codec, wanted: Wanted, allowed: Option<&[u64]>) -> Vec<Neighbour> {
        if wanted.k == 0 || self.slots.live() == 0 || wanted.floor.is_nan() {
            return Vec::new();
        }
        with_scratch(|scratch| match &self.graph {
            Some(graph) if allowed.is_none() && wanted.k <= self.slots.live() / SCAN_FROM => {
                search::walk(codec, &self.slots, graph, wanted, scratch)
            }
            _ => search::scan(codec, &self.slots, wanted, allowed, scratch),
        })
    }
}
