//! A search: a scan of all codes or a walk, then the cosines of what that leaves in doubt.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::codes::{Codec, Query};
use super::flat::Neighbour;
use super::graph::{Graph, Standing};
use super::kernels::{Passed, prefetch};
use super::slots::Slots;
use super::walk::{Enough, Scratch};

/// Rows that a scan begins with. Each stride is twice the one before, for the threshold rises ever more slowly.
const FIRST_STRIDE: usize = 32;
/// Rows whose codes are fetched ahead where they stand apart.
const AHEAD: usize = 8;
/// Rows whose rest is fetched ahead of the comparison.
const FETCHED: usize = 8;

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
            best.compare_likeliest(passed);
            first += run.len() / slots.codes.stride();
            stride *= 2;
        }
        best.compare(passed);
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
        if graph.standing(slot) == Standing::Linked
            && let Some(similarity) = best.offer(slot)
        {
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
    /// The least similarity that is of use.
    reach: f32,
    threshold: i32,
}

impl<'a> Best<'a> {
    fn new(codec: &'a Codec, slots: &'a Slots, wanted: Wanted<'a>, estimate: &'a dyn Fn(f32) -> f32) -> Self {
        let threshold = wanted.query.score(estimate(wanted.floor));
        Self { codec, slots, wanted, estimate, kept: BinaryHeap::new(), reach: wanted.floor, threshold }
    }

    /// Compares rows, the likeliest first, and raises the threshold by what was found.
    fn compare(&mut self, passed: &mut Passed) {
        self.compare_likeliest(passed);
        self.compare_in_turn(passed);
        passed.clear();
    }

    /// Compares the likeliest `k`, and leaves those of the others that reach the threshold after that: most will not
    /// reach a later one.
    fn compare_likeliest(&mut self, passed: &mut Passed) {
        let first = passed.len().min(self.wanted.k);
        if first < passed.len() {
            passed.select_nth_unstable_by(first, |one, other| other.cmp(one));
        }
        self.compare_in_turn(&passed[..first]);
        passed.drain(..first);
        passed.retain(|&(score, _)| score >= self.threshold);
    }

    fn compare_in_turn(&mut self, passed: &[(i32, u32)]) {
        for &(_, slot) in passed.iter().take(FETCHED) {
            prefetch(self.slots.rests.row(slot));
        }
        for (at, &(score, slot)) in passed.iter().enumerate() {
            if let Some(&(_, ahead)) = passed.get(at + FETCHED) {
                prefetch(self.slots.rests.row(ahead));
            }
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

    /// Compares a row; says its cosine, where it may be one of the nearest.
    fn offer(&mut self, slot: u32) -> Option<f32> {
        // In integers first: of the rows that a scan leaves in doubt most fall short of what they have to reach by far.
        if self.slots.most(self.codec, self.wanted.query, slot) < self.reach {
            return None;
        }
        let similarity = self.slots.cosine(self.codec, self.wanted.query, slot);
        self.offer_at(slot, similarity);
        Some(similarity)
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
            self.reach = self.reach.max(worst.similarity);
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
