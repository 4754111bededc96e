//! A search: a scan of all codes or a walk, then the cosines of what that leaves in doubt.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::codes::{Codec, Query};
use super::flat::Neighbour;
use super::graph::{Graph, Standing};
use super::kernels::{Passed, prefetch};
use super::slots::Slots;
use super::walk::{Enough, Scratch};

/// Rows between two rises of the threshold of a scan: few at first, when it is low and every row passes.
const FIRST_STRIDE: usize = 32;
const LAST_STRIDE: usize = 256;
/// Rows whose codes are fetched ahead where they stand apart.
const AHEAD: usize = 8;
/// Rows whose rest is fetched at once after a walk.
const FETCHED: usize = 32;

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub query: &'a Query,
    pub k: usize,
    pub floor: f32,
}

/// How many of the best a walk keeps: what a recall of .99 takes, measured on short texts.
pub fn width(entries: usize) -> usize {
    (16 * entries.max(1).ilog2() as usize).saturating_sub(128).max(64)
}

/// Searches all entries, or those of `allowed`, without missing any.
pub fn scan(
    codec: &Codec,
    slots: &Slots,
    wanted: Wanted,
    allowed: Option<&[u64]>,
    scratch: &mut Scratch,
) -> Vec<Neighbour> {
    let least = |similarity| codec.least(wanted.query, slots.loss, similarity);
    let mut best = Best::new(codec, slots, wanted, &least);
    let passed = &mut scratch.passed;
    passed.clear();
    let Some(allowed) = allowed else {
        let (mut first, mut stride) = (0, FIRST_STRIDE);
        while first < slots.count() {
            let run = slots.codes.run(first, slots.count().min(first + stride));
            #[expect(clippy::cast_possible_truncation, reason = "fewer than 2^31 entries")]
            let at = first as u32;
            (codec.kernels().scan)(run, &wanted.query.codes, best.threshold, passed, at);
            best.compare(passed);
            first += run.len() / slots.codes.stride();
            stride = LAST_STRIDE.min(2 * stride);
        }
        return best.found();
    };
    let mut rows: Vec<u32> = allowed.iter().filter_map(|&id| slots.find(id)).collect();
    // In the order of memory, and none twice.
    rows.sort_unstable();
    rows.dedup();
    best.compare_each(&rows, passed);
    best.found()
}

/// Searches by a walk, and through what waits to be linked.
pub fn walk(codec: &Codec, slots: &Slots, graph: &Graph, wanted: Wanted, scratch: &mut Scratch) -> Vec<Neighbour> {
    let likely = |similarity| codec.likely(wanted.query, slots.loss, similarity);
    let mut best = Best::new(codec, slots, wanted, &likely);
    let width = width(graph.linked()).max(2 * wanted.k);
    let enough = (wanted.floor > -1.0).then(|| Enough {
        sure: wanted.query.score(2.0 * wanted.floor - likely(wanted.floor)),
        near: wanted.query.score(likely(wanted.floor)),
    });
    scratch.walk(graph, slots, codec.kernels(), &wanted.query.codes, width, enough);
    for (_, slot) in scratch.found().take(FETCHED) {
        prefetch(slots.rests.row(slot));
    }
    for (score, slot) in scratch.found() {
        if score < best.threshold {
            break;
        }
        if graph.standing(slot) == Standing::Linked {
            let similarity = best.offer(slot);
            for &copy in graph.copies(slot) {
                best.offer_at(copy, similarity);
            }
        }
    }
    let (front, back) = graph.waiting().as_slices();
    best.compare_each(front, &mut scratch.passed);
    best.compare_each(back, &mut scratch.passed);
    best.found()
}

/// The nearest so far, and the score that a row needs to be compared exactly.
struct Best<'a> {
    codec: &'a Codec,
    slots: &'a Slots,
    wanted: Wanted<'a>,
    /// The least estimate of a row of a similarity.
    estimate: &'a dyn Fn(f32) -> f32,
    /// The worst on top.
    kept: BinaryHeap<Kept>,
    threshold: i32,
}

impl<'a> Best<'a> {
    fn new(codec: &'a Codec, slots: &'a Slots, wanted: Wanted<'a>, estimate: &'a dyn Fn(f32) -> f32) -> Self {
        let threshold = wanted.query.score(estimate(wanted.floor));
        Self { codec, slots, wanted, estimate, kept: BinaryHeap::new(), threshold }
    }

    /// Compares rows exactly, and raises the threshold by what was found.
    fn compare(&mut self, passed: &mut Passed) {
        for (score, slot) in passed.drain(..) {
            if score >= self.threshold && self.slots.is_live(slot) {
                self.offer(slot);
            }
        }
    }

    /// Scores rows that stand apart, and compares those that pass.
    fn compare_each(&mut self, rows: &[u32], passed: &mut Passed) {
        let codes = &self.slots.codes;
        for (at, four) in rows.chunks(4).enumerate() {
            for &slot in rows.iter().skip(4 * at + AHEAD).take(4) {
                prefetch(codes.row(slot));
            }
            let code = |at: usize| codes.row(four[at.min(four.len() - 1)]);
            let scores = (self.codec.kernels().four)([code(0), code(1), code(2), code(3)], &self.wanted.query.codes);
            passed.extend(scores.into_iter().zip(four.iter().copied()).filter(|&(score, _)| score >= self.threshold));
            self.compare(passed);
        }
    }

    /// Compares a row exactly; says its cosine.
    fn offer(&mut self, slot: u32) -> f32 {
        let similarity = self.slots.cosine(self.codec, self.wanted.query, slot);
        self.offer_at(slot, similarity);
        similarity
    }

    fn offer_at(&mut self, slot: u32, similarity: f32) {
        if similarity < self.wanted.floor {
            return;
        }
        let found = Kept(Neighbour { id: self.slots.ids[slot as usize], similarity });
        if self.kept.len() < self.wanted.k {
            self.kept.push(found);
        } else if let Some(mut worst) = self.kept.peek_mut()
            && found < *worst
        {
            *worst = found;
        } else {
            return;
        }
        if self.kept.len() == self.wanted.k
            && let Some(Kept(worst)) = self.kept.peek()
        {
            self.threshold = self.threshold.max(self.wanted.query.score((self.estimate)(worst.similarity)));
        }
    }

    fn found(self) -> Vec<Neighbour> {
        self.kept.into_sorted_vec().into_iter().map(|Kept(neighbour)| neighbour).collect()
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
