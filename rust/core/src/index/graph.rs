//! The links between entries, and what else a walk needs: where it starts, and whom it may return.

use std::collections::{HashMap, VecDeque};

use super::kernels::{BLOCK, Kernels, Passed};
use super::rows::Rows;
use super::slots::Slots;
use crate::error::Result;

/// Links of an entry at most: three cache lines. Fewer would leave no room for the changes of a cache (with 32 links and
/// every entry replaced three times recall falls by three points, with 48 by none).
pub const DEGREE: usize = 48;
/// In place of a link.
pub const NONE: u32 = u32::MAX;
/// Entries between two draws of the entry points: a quarter more or less than at the last.
const REDRAW: usize = 4;
/// A draw of entry points from all slots may hit one that is not linked so many times for one that is.
const REJECTED: usize = 8;
/// Where a walk starts: the nearest few of the entry points.
const STARTS: usize = 4;
/// Entry points between two rises of what the next have to reach.
const ENTRIES_AT_ONCE: usize = 128;
/// Bytes of a code that an entry point is chosen by: its first 64 values, which after the rotation are as good as any.
const ENTRY_BYTES: usize = BLOCK / 2;

/// Bytes of a list of copies in their table.
const LIST_BYTES: usize = 64;

/// How an entry stands to the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The slot has no entry. Links to it and from it may be left; walks pass through.
    Gone,
    /// Compared in every search, until it is linked.
    Waiting,
    /// Found by walks.
    Linked,
    /// Of the same row as a linked entry, and found with it.
    Copy,
}

/// One layer of links. Slot i of the index has list i.
///
/// Every linked entry has a link to it, but for the first. One whose last link goes waits to be linked again.
#[derive(Debug)]
pub struct Graph {
    links: Rows,
    /// Links to each slot.
    indegree: Vec<u32>,
    standing: Vec<Standing>,
    waiting: VecDeque<u32>,
    /// The copies of a linked entry.
    copies: HashMap<u32, Vec<u32>>,
    /// What their lists take, kept so that nobody has to walk through them.
    copies_bytes: usize,
    linked: usize,
    entries: Entries,
}

#[derive(Debug, Default)]
struct Entries {
    slots: Vec<u32>,
    codes: Vec<u8>,
    /// Linked entries at the last draw.
    drawn_at: usize,
}

impl Graph {
    /// A graph in which every entry waits.
    pub fn new(slots: &Slots) -> Result<Self> {
        let mut graph = Self {
            links: Rows::new(DEGREE * size_of::<u32>()),
            indegree: Vec::new(),
            standing: Vec::new(),
            waiting: VecDeque::new(),
            copies: HashMap::new(),
            copies_bytes: 0,
            linked: 0,
            entries: Entries::default(),
        };
        graph.reserve(slots.count())?;
        for (slot, _) in (0..).zip(&slots.ids) {
            if slots.is_live(slot) {
                graph.enter(slot);
            }
        }
        Ok(graph)
    }

    /// The graph of a file, whose links and standings fit the slots, without entry points; none where a copy is of no
    /// linked entry.
    pub fn of_parts(links: Rows, indegree: Vec<u32>, standing: Vec<Standing>) -> Option<Self> {
        let (waiting, copies, entries) = (VecDeque::new(), HashMap::new(), Entries::default());
        let mut graph = Self { links, indegree, standing, waiting, copies, copies_bytes: 0, linked: 0, entries };
        for (slot, at) in (0..).zip(0..graph.standing.len()) {
            match graph.standing[at] {
                Standing::Gone => {}
                Standing::Waiting => graph.waiting.push_back(slot),
                Standing::Linked => graph.linked += 1,
                Standing::Copy => {
                    let original = graph.links(slot).next()?;
                    if graph.standing(original) != Standing::Linked {
                        return None;
                    }
                    graph.add_copy(slot, original);
                }
            }
        }
        Some(graph)
    }

    /// The lists of links.
    pub fn rows(&self) -> &Rows {
        &self.links
    }

    /// Makes room for so many slots.
    pub fn reserve(&mut self, slots: usize) -> Result<()> {
        self.links.reserve(slots)?;
        let more = self.links.capacity().saturating_sub(self.standing.len());
        self.indegree.reserve_exact(more);
        self.standing.reserve_exact(more);
        Ok(())
    }

    /// Bytes that it takes, room for more included.
    pub fn bytes(&self) -> usize {
        let lists = self.indegree.capacity() * 4 + self.standing.capacity() + self.waiting.capacity() * 4;
        self.links.bytes()
            + lists
            + self.copies_bytes
            + self.entries.codes.capacity()
            + self.entries.slots.capacity() * 4
    }

    /// The links of a slot.
    #[inline]
    pub fn links(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        let links = self.links.row(slot).as_chunks::<4>().0.iter();
        links.map(|&bytes| u32::from_le_bytes(bytes)).take_while(|&link| link != NONE)
    }

    /// The bytes that hold the links of a slot.
    #[inline]
    pub fn row(&self, slot: u32) -> &[u8] {
        self.links.row(slot)
    }

    /// How an entry stands.
    #[inline]
    pub fn standing(&self, slot: u32) -> Standing {
        self.standing[slot as usize]
    }

    /// Links to a slot.
    pub fn indegree(&self, slot: u32) -> u32 {
        self.indegree[slot as usize]
    }

    /// Entries that walks find, copies not counted.
    pub fn linked(&self) -> usize {
        self.linked
    }

    /// Entries that wait to be linked, the longest first.
    pub fn waiting(&self) -> &VecDeque<u32> {
        &self.waiting
    }

    /// Entries of the same row as a linked one.
    pub fn copies(&self, slot: u32) -> &[u32] {
        self.copies.get(&slot).map_or(&[], Vec::as_slice)
    }

    /// A new entry stands in a slot: it waits.
    pub fn enter(&mut self, slot: u32) {
        let at = slot as usize;
        if at >= self.standing.len() {
            self.standing.resize(at + 1, Standing::Gone);
            self.indegree.resize(at + 1, 0);
            self.links.row_mut(slot).fill(0xff);
        } else {
            // What was left of the entry before.
            self.set_links(slot, &[]);
        }
        self.standing[at] = Standing::Waiting;
        self.waiting.push_back(slot);
    }

    /// The entry of a slot is gone, or has another row.
    pub fn leave(&mut self, slot: u32) {
        match self.standing(slot) {
            Standing::Waiting => self.waiting.retain(|&waiting| waiting != slot),
            Standing::Linked => self.linked -= 1,
            Standing::Copy => {
                // A copy's own list holds nothing but the entry that it is a copy of.
                let original = self.links(slot).next();
                if let Some(list) = original.and_then(|original| self.copies.get_mut(&original)) {
                    list.retain(|&copy| copy != slot);
                    if let Some(original) = original.filter(|_| list.is_empty()) {
                        self.copies_bytes -= LIST_BYTES + list.capacity() * size_of::<u32>();
                        self.copies.remove(&original);
                    }
                }
                self.set_links(slot, &[]);
            }
            Standing::Gone => {}
        }
        self.standing[slot as usize] = Standing::Gone;
    }

    /// A copy of a linked entry, which takes its place when it goes.
    pub fn heir(&mut self, slot: u32) -> Option<u32> {
        self.copies.get(&slot).and_then(|list| list.last().copied())
    }

    /// A waiting entry turns out to have the row of a linked one.
    pub fn enter_copy(&mut self, slot: u32, original: u32) {
        self.stop_waiting(slot);
        self.set_links(slot, &[original]);
        self.standing[slot as usize] = Standing::Copy;
        self.add_copy(slot, original);
    }

    fn add_copy(&mut self, slot: u32, original: u32) {
        let list = self.copies.entry(original).or_insert_with(|| {
            self.copies_bytes += LIST_BYTES;
            Vec::new()
        });
        let before = list.capacity();
        list.push(slot);
        self.copies_bytes += (list.capacity() - before) * size_of::<u32>();
    }

    /// A waiting entry is linked.
    pub fn enter_linked(&mut self, slot: u32, links: &[u32], slots: &Slots) {
        self.stop_waiting(slot);
        self.standing[slot as usize] = Standing::Linked;
        self.linked += 1;
        self.set_links(slot, links);
        if self.linked.abs_diff(self.entries.drawn_at) * REDRAW >= self.entries.drawn_at {
            self.draw_entries(slots);
        } else if let Some(at) = self.entries.slots.iter().position(|&entry| entry == slot) {
            let code = &slots.codes.row(slot)[..ENTRY_BYTES];
            self.entries.codes[at * ENTRY_BYTES..][..ENTRY_BYTES].copy_from_slice(code);
        }
    }

    /// A waiting entry met no other: it waits on, and walks get new places to start from.
    pub fn wait_on(&mut self, slot: u32, slots: &Slots) {
        self.stop_waiting(slot);
        self.waiting.push_back(slot);
        self.draw_entries(slots);
    }

    fn stop_waiting(&mut self, slot: u32) {
        if self.waiting.front() == Some(&slot) {
            self.waiting.pop_front();
        } else {
            self.waiting.retain(|&waiting| waiting != slot);
        }
    }

    /// Gives a slot other links. An entry that loses its last link by that waits to be linked again.
    pub fn set_links(&mut self, slot: u32, links: &[u32]) {
        let before: Vec<u32> = self.links(slot).collect();
        let row = self.links.row_mut(slot);
        row.fill(0xff);
        for (place, link) in row.as_chunks_mut::<4>().0.iter_mut().zip(links) {
            *place = link.to_le_bytes();
        }
        for &link in links.iter().filter(|link| !before.contains(link)) {
            self.indegree[link as usize] = self.indegree[link as usize].saturating_add(1);
        }
        for &link in before.iter().filter(|link| !links.contains(link)) {
            // Saturating, because a file may count wrongly.
            self.indegree[link as usize] = self.indegree[link as usize].saturating_sub(1);
            if self.indegree[link as usize] == 0 && self.standing(link) == Standing::Linked {
                self.standing[link as usize] = Standing::Waiting;
                self.linked -= 1;
                self.waiting.push_back(link);
            }
        }
    }

    /// The slots that walks start from, and how many entries were linked when they were drawn.
    pub fn entry_points(&self) -> (&[u32], usize) {
        (&self.entries.slots, self.entries.drawn_at)
    }

    /// Takes the entry points of a file: an opened index then answers as the one that was saved.
    pub fn start_from(&mut self, entries: Vec<u32>, drawn_at: usize, slots: &Slots) {
        let codes = entries.iter().flat_map(|&slot| &slots.codes.row(slot)[..ENTRY_BYTES]).copied().collect();
        self.entries = Entries { slots: entries, codes, drawn_at };
    }

    /// Draws slots to start from, twice the square root of their number.
    pub fn draw_entries(&mut self, slots: &Slots) {
        let count = 2 * self.linked.isqrt();
        let mut entries = Entries { drawn_at: self.linked, ..Entries::default() };
        let is_linked = |slot: &u32| self.standing(*slot) == Standing::Linked;
        // While few are linked, as when an index grows a graph, a draw from all slots would miss too often.
        let few: Option<Vec<u32>> = (self.linked * REJECTED < self.standing.len())
            .then(|| (0..).take(self.standing.len()).filter(is_linked).collect());
        let among = few.as_ref().map_or(self.standing.len(), Vec::len);
        // SplitMix64, seeded by the size: the same changes make the same graph.
        let mut state = self.linked as u64;
        while self.linked > 0 && entries.slots.len() < count {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let drawn = (((mixed >> 32) * among as u64) >> 32) as u32;
            let slot = few.as_ref().map_or(drawn, |few| few[drawn as usize]);
            if is_linked(&slot) {
                entries.slots.push(slot);
                entries.codes.extend_from_slice(&slots.codes.row(slot)[..ENTRY_BYTES]);
            }
        }
        self.entries = entries;
    }

    /// Where a walk to a query starts.
    pub fn starts(&self, kernels: Kernels, query: &[i8], passed: &mut Passed) -> [Option<u32>; STARTS] {
        let mut best = [(i32::MIN, None); STARTS];
        for (codes, first) in
            self.entries.codes.chunks(ENTRIES_AT_ONCE * ENTRY_BYTES).zip((0..).step_by(ENTRIES_AT_ONCE))
        {
            passed.clear();
            (kernels.scan)(codes, &query[..BLOCK], best[STARTS - 1].0.saturating_add(1), passed, first);
            for &(score, at) in passed.iter() {
                let slot = self.entries.slots[at as usize];
                // A slot that another entry took leads nowhere before that is linked.
                if score > best[STARTS - 1].0 && self.standing(slot) != Standing::Waiting {
                    let place = best.partition_point(|&(held, _)| held >= score);
                    best.copy_within(place..STARTS - 1, place + 1);
                    best[place] = (score, Some(slot));
                }
            }
        }
        passed.clear();
        best.map(|(_, slot)| slot)
    }
}

#[cfg(test)]
impl Graph {
    /// What the lists of copies take, counted anew, beside what is kept of it.
    pub fn copies_bytes(&self) -> (usize, usize) {
        let bytes = |list: &Vec<u32>| LIST_BYTES + list.capacity() * size_of::<u32>();
        (self.copies_bytes, self.copies.values().map(bytes).sum())
    }
}
