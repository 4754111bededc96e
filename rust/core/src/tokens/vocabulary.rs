//! The tables of an encoding, as `build.rs` wrote them: read-only, shared between processes, ready without loading.

use super::layout::{self, Aligned, ID_BITS, NONE, TRIE_BASE, TRIE_BASE_MASK, TRIE_LABEL_MASK, TRIE_TOKEN};
use crate::simd::prefetch;

/// The tables of one encoding. Little-endian words are kept as bytes, so that including a file needs no cast.
pub struct Vocabulary {
    /// Every token of at most [`layout::KEY_BYTES`] bytes, by hash; open addressing.
    slots: &'static [[u8; 16]],
    /// The double-array trie of all tokens.
    trie: &'static [[u8; 8]],
    /// The nodes at which a walk may begin: see `Trie::starts` in `build.rs`.
    starts: &'static [[u8; 8]; 256 + 2 * 65_536],
    /// `(left, right) -> merged`, by hash; open addressing.
    pairs: &'static [[u8; 8]],
    /// A set that holds the hashes of all of `pairs`: 128 KB that stay in the second-level cache and spare most look-ups.
    filter: &'static [[u8; 8]],
    /// The last merge of each token.
    splits: &'static [[u8; 8]],
    /// The longest token that is a proper prefix of each token.
    shorter: &'static [[u8; 4]],
    lens: &'static [u8],
    offsets: &'static [[u8; 4]],
    bytes: &'static [u8],
}

macro_rules! table {
    ($name:literal, $part:literal, $size:literal) => {{
        const RAW: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $name, $part));
        static TABLE: Aligned<[u8; RAW.len()]> = Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name, $part)));
        TABLE.0.as_chunks::<$size>().0
    }};
}

macro_rules! vocabulary {
    ($name:literal) => {
        Vocabulary {
            slots: table!($name, ".slots", 16),
            trie: table!($name, ".trie", 8),
            starts: match table!($name, ".starts", 8).as_array() {
                Some(starts) => starts,
                None => panic!("build.rs writes as many starts as are declared here"),
            },
            pairs: table!($name, ".pairs", 8),
            filter: table!($name, ".filter", 8),
            splits: table!($name, ".splits", 8),
            shorter: table!($name, ".shorter", 4),
            lens: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".lens")),
            offsets: table!($name, ".offsets", 4),
            bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bytes")),
        }
    };
}

pub static O200K_BASE: Vocabulary = vocabulary!("o200k_base");
pub static CL100K_BASE: Vocabulary = vocabulary!("cl100k_base");

impl Vocabulary {
    /// The bytes of a token.
    pub fn token(&self, token: u32) -> Option<&'static [u8]> {
        let start = u32::from_le_bytes(*self.offsets.get(token as usize)?);
        let end = u32::from_le_bytes(*self.offsets.get(token as usize + 1)?);
        self.bytes.get(start as usize..end as usize)
    }

    /// The length of a token in bytes.
    #[inline(always)]
    pub fn token_len(&self, token: u32) -> usize {
        self.lens[token as usize] as usize
    }

    /// Whether the piece with this key and hash is one token.
    #[inline(always)]
    pub fn is_token(&self, lo: u64, hi: u64, hash: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let word = u128::from_le_bytes(self.slots[slot]);
            let (slot_lo, slot_hi) = (word as u64, (word >> 64) as u64);
            if slot_lo == lo && slot_hi == hi {
                return true;
            }
            if slot_hi == 0 {
                return false;
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Starts to load what [`Vocabulary::is_token`] will read first.
    #[inline(always)]
    pub fn prefetch_token(&self, hash: u64) {
        prefetch(&self.slots[hash as usize & (self.slots.len() - 1)]);
    }

    /// The longest token that `text` begins with, and its length. `text` is not empty.
    #[inline(always)]
    pub fn longest(&self, text: &[u8]) -> (u32, usize) {
        let node = |bytes: [u8; 8]| u64::from_le_bytes(bytes);
        // A walk begins after a character of three bytes or after two bytes if a token ends there: two or one steps saved.
        let (mut here, mut at) = (0, 0);
        if let [a @ 0xE0..=0xEF, b, c, ..] = *text {
            let character = usize::from(a & 0xF) << 12 | usize::from(b & 0x3F) << 6 | usize::from(c & 0x3F);
            (here, at) = (node(self.starts[256 + 65_536 + character]), 3);
        }
        if here == 0
            && let [a, b, ..] = *text
        {
            (here, at) = (node(self.starts[256 + (usize::from(a) << 8 | usize::from(b))]), 2);
        }
        if here == 0 {
            (here, at) = (node(self.starts[usize::from(text[0])]), 1);
        }
        let (mut best, mut best_len) = (here >> TRIE_TOKEN, at);
        while at < text.len() {
            let base = here >> TRIE_BASE & TRIE_BASE_MASK;
            let label = u64::from(text[at]);
            if base == 0 {
                break;
            }
            here = node(self.trie[(base + label) as usize]);
            if here & TRIE_LABEL_MASK != label + 1 {
                break;
            }
            at += 1;
            if here >> TRIE_TOKEN != 0 {
                (best, best_len) = (here >> TRIE_TOKEN, at);
            }
        }
        (best as u32 - 1, best_len)
    }

    /// The token of a single byte.
    #[inline(always)]
    pub fn byte(&self, byte: u8) -> u32 {
        (u64::from_le_bytes(self.starts[usize::from(byte)]) >> TRIE_TOKEN) as u32 - 1
    }

    /// The longest token that is a proper prefix of `token`, or [`NONE`].
    #[inline(always)]
    pub fn shorter(&self, token: u32) -> u32 {
        u32::from_le_bytes(self.shorter[token as usize])
    }

    /// The two tokens of a token's last merge; a single byte is its own.
    #[inline(always)]
    fn split(&self, token: u32) -> (u32, u32) {
        let word = u64::from_le_bytes(self.splits[token as usize]);
        (word as u32, (word >> 32) as u32)
    }

    /// The token that two adjacent tokens merge into, or [`NONE`].
    #[inline(always)]
    pub fn merged(&self, left: u32, right: u32) -> u32 {
        let hash = layout::pair_hash(left, right);
        let bit = layout::filter_bit(hash) & (self.filter.len() * 64 - 1);
        if u64::from_le_bytes(self.filter[bit / 64]) >> (bit % 64) & 1 == 0 {
            return NONE;
        }
        let key = (u64::from(left) << ID_BITS | u64::from(right)) + 1;
        let mask = self.pairs.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let entry = u64::from_le_bytes(self.pairs[slot]);
            if entry >> ID_BITS == key {
                return entry as u32 & ((1 << ID_BITS) - 1);
            }
            if entry == 0 {
                return NONE;
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Whether merging leaves these two tokens side by side when their bytes are adjacent.
    ///
    /// The merges of both are undone from the latest on; if at any point the two in the middle would have merged with each
    /// other before the merge just undone, the pair cannot stand. As in the crate `bpe` (github/rust-gems, MIT).
    pub fn is_valid_pair(&self, mut left: u32, mut right: u32) -> bool {
        let mut limit = NONE;
        loop {
            if self.merged(left, right) < limit {
                return false;
            }
            if left > right {
                limit = left;
                left = self.split(left).1;
                if left == limit {
                    limit = right + 1;
                    right = self.split(right).0;
                    if right + 1 == limit {
                        return true;
                    }
                }
            } else {
                limit = right + 1;
                right = self.split(right).0;
                if right + 1 == limit {
                    limit = left;
                    left = self.split(left).1;
                    if left == limit {
                        return true;
                    }
                }
            }
        }
    }
}
