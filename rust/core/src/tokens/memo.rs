//! What a thread remembers between calls: the token counts of recent pieces and the verdicts on recent pairs of tokens.
//!
//! Never a whole text. The memo is smaller than a core's second-level cache, where the tables in `vocabulary` are not; a hot
//! piece costs one probe here. Direct-mapped: what collides is forgotten.

use std::cell::Cell;

use super::layout::KEY_BYTES;

/// Slots for pieces of at most [`KEY_BYTES`] bytes.
const SHORT: usize = 1 << 13;
/// Slots for pieces of 16 to 31 bytes.
const LONG: usize = 1 << 11;
/// Slots for pairs of tokens.
const PAIRS: usize = 1 << 15;

/// The bits of a short slot's high word that are not the count.
const COUNT: u32 = 60;

/// The scratch memory of one thread for one vocabulary.
pub struct Memo {
    short: Box<[[u64; 2]; SHORT]>,
    long: Box<[[u64; 4]; LONG]>,
    long_counts: Box<[u8; LONG]>,
    pairs: Box<[u64; PAIRS]>,
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
            short: zeroed([0; 2]),
            long: zeroed([0; 4]),
            long_counts: zeroed(0),
            pairs: zeroed(0),
            stack: Vec::new(),
            dead: Vec::new(),
        })
    }

    /// The count of the short piece with this key and hash.
    #[inline(always)]
    pub fn short(&self, lo: u64, hi: u64, hash: u64) -> Option<usize> {
        const { assert!(KEY_BYTES < 1 << (64 - COUNT), "a count fits the bits above the length") };
        let [slot_lo, slot_hi] = self.short[hash as usize & (SHORT - 1)];
        (slot_lo == lo && slot_hi & !(0xF << COUNT) == hi).then_some((slot_hi >> COUNT) as usize)
    }

    /// Remembers the count of a short piece.
    #[inline(always)]
    pub fn set_short(&mut self, lo: u64, hi: u64, hash: u64, count: usize) {
        self.short[hash as usize & (SHORT - 1)] = [lo, hi | (count as u64) << COUNT];
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

    /// Whether a pair of tokens is valid: from memory, else from `judge`.
    #[inline(always)]
    pub fn pair(&mut self, left: u32, right: u32, judge: impl FnOnce(u32, u32) -> bool) -> bool {
        let key = (u64::from(left) << 32 | u64::from(right)) + 1;
        let slot = &mut self.pairs[(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 49) as usize & (PAIRS - 1)];
        if *slot >> 1 == key {
            return *slot & 1 == 1;
        }
        let verdict = judge(left, right);
        *slot = key << 1 | u64::from(verdict);
        verdict
    }
}

/// Vocabularies that have a memo.
pub const VOCABULARIES: usize = 2;

thread_local! {
    static MEMOS: [Cell<Option<Box<Memo>>>; VOCABULARIES] = const { [const { Cell::new(None) }; VOCABULARIES] };
}

/// Runs `work` with this thread's memo for the vocabulary with this number.
#[inline]
pub fn with<T>(vocabulary: usize, work: impl FnOnce(&mut Memo) -> T) -> T {
    MEMOS.with(|memos| {
        // Taken out meanwhile, so that a panic in `work` leaves none behind that is half written.
        let mut memo = memos[vocabulary].take().unwrap_or_else(Memo::new);
        let outcome = work(&mut memo);
        memos[vocabulary].set(Some(memo));
        outcome
    })
}
