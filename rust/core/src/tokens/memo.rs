//! What a thread remembers between calls: the token counts of recent pieces and the verdicts on recent pairs of tokens.
//!
//! Never a whole text. The memo is smaller than a core's second-level cache, where the tables in `vocabulary` are not; a hot
//! piece costs one probe here. Direct-mapped: what collides is forgotten.

// A memo is taken out and put back at every call: as a box that is one pointer.
#![allow(clippy::unnecessary_box_returns, clippy::vec_box)]

use std::cell::Cell;

use parking_lot::Mutex;

use super::layout::KEY_BYTES;
use crate::simd::prefetch;

/// Slots for pieces of at most [`KEY_BYTES`] bytes, tokens or not: small enough to stay in the second-level cache.
const RECENT: usize = 1 << 14;
/// Pairs of slots for pieces of at most [`KEY_BYTES`] bytes that are several tokens, which cost most to find again.
const MERGED: usize = 1 << 14;
/// Slots for pieces of 16 to 31 bytes.
const LONG: usize = 1 << 13;
/// Slots for pairs of tokens.
const PAIRS: usize = 1 << 16;

/// Short pieces that are looked up together, once there are so many.
pub const FULL: usize = 64;
/// Room for them and those of one more window.
pub const BATCH: usize = 128;

/// A short piece: its key and the hash of it.
#[derive(Clone, Copy)]
pub struct Entry {
    pub lo: u64,
    pub hi: u64,
    pub hash: u64,
}

/// The bits of a short slot's high word that are not the count.
const COUNT: u32 = 60;

/// The scratch memory of one thread for one vocabulary.
pub struct Memo {
    recent: Box<[[u64; 2]; RECENT]>,
    merged: Box<[Pair; MERGED]>,
    long: Box<[[u64; 4]; LONG]>,
    long_counts: Box<[u8; LONG]>,
    pairs: Box<[u64; PAIRS]>,
    /// Short pieces whose counts are still to be looked up.
    pub batch: Box<[Entry; BATCH]>,
    /// The places in the batch of the pieces that were not in `recent`.
    pub missed: Box<[u32; BATCH]>,
    /// The tokens of the piece being merged.
    pub stack: Vec<u32>,
    /// Positions of the piece being merged from which no valid way leads on, one bit each.
    pub dead: Vec<u64>,
}

fn zeroed<T: Copy, const N: usize>(zero: T) -> Box<[T; N]> {
    // Through a vector, so that the array is never on the stack and its pages are touched when they are used.
    match vec![zero; N].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("the vector has N elements"),
    }
}

impl Memo {
    fn new() -> Box<Self> {
        Box::new(Self {
            recent: zeroed([0; 2]),
            merged: zeroed([[0; 2]; 2]),
            batch: zeroed(Entry { lo: 0, hi: 0, hash: 0 }),
            missed: zeroed(0),
            long: zeroed([0; 4]),
            long_counts: zeroed(0),
            pairs: zeroed(0),
            stack: Vec::new(),
            dead: Vec::new(),
        })
    }

    /// The count of a short piece that was seen lately, 0 if it is not known.
    #[inline(always)]
    pub fn recent(&self, entry: &Entry) -> usize {
        const { assert!(KEY_BYTES < 1 << (64 - COUNT), "a count fits the bits above the length") };
        count_in(&self.recent[entry.hash as usize & (RECENT - 1)], entry)
    }

    /// The count of a short piece that was merged not too long ago, 0 if it is not known.
    #[inline(always)]
    pub fn merged(&self, entry: &Entry) -> usize {
        let pair = &self.merged[entry.hash as usize & (MERGED - 1)];
        count_in(&pair[0], entry) | count_in(&pair[1], entry)
    }

    /// Remembers the count of a short piece.
    #[inline(always)]
    pub fn set_recent(&mut self, entry: &Entry, count: usize) {
        self.recent[entry.hash as usize & (RECENT - 1)] = slot(entry, count);
    }

    /// Remembers the count of a short piece that is several tokens.
    #[inline(always)]
    pub fn set_merged(&mut self, entry: &Entry, count: usize) {
        let pair = &mut self.merged[entry.hash as usize & (MERGED - 1)];
        *pair = [slot(entry, count), pair[0]];
    }

    /// Starts to load what [`Memo::recent`] will read.
    #[inline(always)]
    pub fn prefetch_recent(&self, hash: u64) {
        prefetch(&self.recent[hash as usize & (RECENT - 1)]);
    }

    /// Starts to load what [`Memo::merged`] will read.
    #[inline(always)]
    pub fn prefetch_merged(&self, hash: u64) {
        prefetch(&self.merged[hash as usize & (MERGED - 1)]);
    }

    /// The count of the piece of 16 to 31 bytes with this key and hash.
    #[inline(always)]
    pub fn long(&self, key: &[u64; 4], hash: u64) -> Option<usize> {
        let at = hash as usize & (LONG - 1);
        (self.long[at] == *key).then_some(self.long_counts[at] as usize)
    }

    /// Remembers the count of a piece of 16 to 31 bytes.
    #[inline(always)]
    pub fn set_long(&mut self, key: [u64; 4], hash: u64, count: usize) {
        let at = hash as usize & (LONG - 1);
        self.long[at] = key;
        self.long_counts[at] = count as u8;
    }

    /// Starts to load what [`Memo::pair`] will read.
    #[inline(always)]
    pub fn prefetch_pair(&self, left: u32, right: u32) {
        prefetch(&self.pairs[pair_slot(pair_key(left, right))]);
    }

    /// Whether a pair of tokens is valid: from memory, else from `judge`.
    #[inline(always)]
    pub fn pair(&mut self, left: u32, right: u32, judge: impl FnOnce(u32, u32) -> bool) -> bool {
        let key = pair_key(left, right);
        let slot = &mut self.pairs[pair_slot(key)];
        if *slot >> 1 == key {
            return *slot & 1 == 1;
        }
        let verdict = judge(left, right);
        *slot = key << 1 | u64::from(verdict);
        verdict
    }
}

#[inline(always)]
fn pair_key(left: u32, right: u32) -> u64 {
    (u64::from(left) << 32 | u64::from(right)) + 1
}

#[inline(always)]
fn pair_slot(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize & (PAIRS - 1)
}

/// Two short pieces side by side, the newer first: with one alone, pieces that collide drive each other out. In `recent` the
/// second comparison cost more than it saved.
type Pair = [[u64; 2]; 2];

/// The count in a slot if it is that of the entry, else 0; without a branch.
#[inline(always)]
fn count_in(slot: &[u64; 2], entry: &Entry) -> usize {
    let differs = (slot[0] ^ entry.lo) | (slot[1] & !(0xF << COUNT)) ^ entry.hi;
    if differs == 0 { (slot[1] >> COUNT) as usize } else { 0 }
}

#[inline(always)]
fn slot(entry: &Entry, count: usize) -> [u64; 2] {
    [entry.lo, entry.hi | (count as u64) << COUNT]
}

/// Vocabularies that have a memo.
pub const VOCABULARIES: usize = 2;

/// Memos of threads that have ended, for those that begin: a batch's threads find their memos warm.
static SPARE: [Mutex<Vec<Box<Memo>>>; VOCABULARIES] = [const { Mutex::new(Vec::new()) }; VOCABULARIES];

/// Spare memos that are kept, 1.6 MB each.
const MOST_SPARE: usize = 64;

/// One thread's memos.
struct Memos([Cell<Option<Box<Memo>>>; VOCABULARIES]);

impl Drop for Memos {
    fn drop(&mut self) {
        for (memo, spare) in self.0.iter().zip(&SPARE) {
            // Never waited for: a process forked while another thread held the lock would wait for ever.
            if let Some(memo) = memo.take()
                && let Some(mut spare) = spare.try_lock()
                && spare.len() < MOST_SPARE
            {
                spare.push(memo);
            }
        }
    }
}

thread_local! {
    static MEMOS: Memos = const { Memos([const { Cell::new(None) }; VOCABULARIES]) };
}

/// Runs `work` with this thread's memo for the vocabulary with this number.
#[inline]
pub fn with<T>(vocabulary: usize, work: impl FnOnce(&mut Memo) -> T) -> T {
    MEMOS.with(|memos| {
        // Taken out meanwhile, so that a panic in `work` leaves none behind that is half written.
        let mut memo = memos.0[vocabulary].take().unwrap_or_else(|| spare(vocabulary));
        let outcome = work(&mut memo);
        memos.0[vocabulary].set(Some(memo));
        outcome
    })
}

#[cold]
fn spare(vocabulary: usize) -> Box<Memo> {
    SPARE[vocabulary].try_lock().and_then(|mut spare| spare.pop()).unwrap_or_else(Memo::new)
}
