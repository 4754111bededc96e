//! A walk through the graph towards a query, by the scores of 4-bit codes.

use std::cell::RefCell;

use super::graph::{DEGREE, Graph};
use super::kernels::{Kernels, Passed, prefetch};
use super::slots::Slots;

/// Candidates whose links are looked at in one step: their codes are fetched together, which hides most of the wait
/// for memory. With one a step a search of a million entries takes 1.5 times as long.
const STEP: usize = 4;

/// What a walk needs room for; one a thread, so that a search allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A bit a slot. All zero between walks.
    visited: Vec<u64>,
    touched: Vec<u32>,
    /// Slots met in this step.
    met: Vec<u32>,
    /// The best so far, nearest first: `(i32::MAX - score) << 32 | slot << 1 | looked at`.
    pool: Vec<u64>,
    pub passed: Passed,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with this thread's scratch.
pub fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        // Only a walk inside a walk gets here.
        Err(_) => work(&mut Scratch::default()),
    })
}

/// Scores between which a walk may end early: once a candidate reaches `sure`, those below `near` are not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Enough {
    pub sure: i32,
    pub near: i32,
}

impl Scratch {
    /// What the last walk found, nearest first: scores and slots.
    pub fn found(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        self.pool.iter().map(|&key| (score_of(key), slot_of(key)))
    }

    /// True the first time that a slot is met.
    fn meet(&mut self, slot: u32) -> bool {
        let word = &mut self.visited[(slot >> 6) as usize];
        let bit = 1 << (slot & 63);
        let first = *word & bit == 0;
        *word |= bit;
        first
    }

    /// Takes a slot into the pool, where it is among the best `width`; says at which place.
    #[inline]
    fn enter(&mut self, key: u64, width: usize) -> Option<usize> {
        if self.pool.len() == width {
            if self.pool.last().is_none_or(|&last| key >= last) {
                return None;
            }
            self.pool.pop();
        }
        let place = self.pool.partition_point(|&held| held < key);
        self.pool.insert(place, key);
        Some(place)
    }

    /// Walks towards `query` and leaves the best `width` slots in the pool.
    pub fn walk(
        &mut self,
        graph: &Graph,
        slots: &Slots,
        kernels: Kernels,
        query: &[i8],
        width: usize,
        enough: Option<Enough>,
    ) {
        self.pool.clear();
        self.met.clear();
        let words = slots.count().div_ceil(64);
        if self.visited.len() < words {
            self.visited.resize(words, 0);
        }
        let mut passed = std::mem::take(&mut self.passed);
        for slot in graph.starts(kernels, query, &mut passed).into_iter().flatten() {
            if self.meet(slot) {
                self.met.push(slot);
            }
        }
        self.passed = passed;
        self.enter_met(graph, slots, kernels, query, width);
        let mut next = 0;
        loop {
            let sure =
                enough.is_some_and(|enough| self.pool.first().is_some_and(|&best| score_of(best) >= enough.sure));
            let floor = enough.filter(|_| sure).map_or(i32::MIN, |enough| enough.near);
            let mut taken = 0;
            while next < self.pool.len() && taken < STEP {
                let key = self.pool[next];
                if key & 1 == 0 {
                    if score_of(key) < floor {
                        break;
                    }
                    self.pool[next] = key | 1;
                    taken += 1;
                    self.meet_links(graph, slot_of(key));
                }
                next += 1;
            }
            if taken == 0 {
                break;
            }
            for &slot in &self.met {
                prefetch(slots.codes.row(slot));
            }
            for &key in self.pool[next..].iter().filter(|&&key| key & 1 == 0).take(STEP) {
                prefetch(graph.row(slot_of(key)));
            }
            next = next.min(self.enter_met(graph, slots, kernels, query, width));
        }
        for slot in self.touched.drain(..) {
            self.visited[(slot >> 6) as usize] = 0;
        }
    }

    /// Adds the links of a slot that were not met before to `met`.
    #[inline]
    fn meet_links(&mut self, graph: &Graph, slot: u32) {
        let mut count = self.met.len();
        self.met.resize(count + DEGREE, 0);
        for link in graph.links(slot) {
            // Without a branch: half of the links were met before, in no order that a processor could learn.
            let word = &mut self.visited[(link >> 6) as usize];
            let bit = 1 << (link & 63);
            self.met[count] = link;
            count += usize::from(*word & bit == 0);
            *word |= bit;
        }
        self.met.truncate(count);
    }

    /// Scores what was met and takes the best into the pool; says the first place that changed.
    #[inline]
    fn enter_met(&mut self, graph: &Graph, slots: &Slots, kernels: Kernels, query: &[i8], width: usize) -> usize {
        let mut lowest = usize::MAX;
        let met = std::mem::take(&mut self.met);
        self.touched.extend_from_slice(&met);
        for four in met.chunks(4) {
            let code = |at: usize| slots.codes.row(four[at.min(four.len() - 1)]);
            let scores = (kernels.four)([code(0), code(1), code(2), code(3)], query);
            for (&slot, score) in four.iter().zip(scores) {
                if let Some(place) = self.enter(key_of(score, slot), width)
                    && place < lowest
                {
                    lowest = place;
                    prefetch(graph.row(slot));
                }
            }
        }
        self.met = met;
        self.met.clear();
        lowest
    }
}

#[inline]
fn key_of(score: i32, slot: u32) -> u64 {
    #[expect(clippy::cast_sign_loss, reason = "from 0 to 2^32 - 1")]
    let distance = (i64::from(i32::MAX) - i64::from(score)) as u64;
    distance << 32 | u64::from(slot) << 1
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the inverse of key_of")]
fn score_of(key: u64) -> i32 {
    (i64::from(i32::MAX) - (key >> 32).cast_signed()) as i32
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half of a key")]
fn slot_of(key: u64) -> u32 {
    (key as u32) >> 1
}
