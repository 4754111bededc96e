//! The layout of the tables, shared word for word by `build.rs`, which writes them, and the code that reads them.

/// The longest piece that fits a key of 16 bytes; the sixteenth holds its length.
pub const KEY_BYTES: usize = 15;

/// Bits of a token id. A rank file with more tokens than this does not build.
pub const ID_BITS: u32 = 18;

/// No token.
pub const NONE: u32 = u32::MAX;

/// For each length, which bits of the two words of a key are the piece's.
const KEPT: [(u64, u64); 16] = {
    let mut kept = [(0, 0); 16];
    let mut len = 1;
    while len < 16 {
        kept[len] = if len < 8 { ((1 << (8 * len)) - 1, 0) } else { (u64::MAX, (1 << (8 * len - 64)) - 1) };
        len += 1;
    }
    kept
};

/// The two little-endian words of a piece of at most [`KEY_BYTES`] bytes: the first of `bytes`, and its length on top.
#[inline(always)]
pub fn key(bytes: &[u8; 16], len: usize) -> (u64, u64) {
    let word = u128::from_le_bytes(*bytes);
    let (lo, hi) = KEPT[len & 15];
    (word as u64 & lo, (word >> 64) as u64 & hi | (len as u64) << 56)
}

/// A hash of a key: one widening multiplication, folded.
#[inline(always)]
pub fn hash(lo: u64, hi: u64) -> u64 {
    let product = u128::from(lo ^ 0x9E37_79B9_7F4A_7C15) * u128::from(hi ^ 0xD6E8_FEB8_6659_FD93);
    product as u64 ^ (product >> 64) as u64
}

/// A hash of two adjacent tokens.
#[inline(always)]
pub fn pair_hash(left: u32, right: u32) -> u64 {
    let product = (u64::from(left) << ID_BITS | u64::from(right)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product >> 32 ^ product >> 11
}

/// Which bit of the filter stands for a pair with this hash, before it is cut to the filter's size.
#[inline(always)]
pub fn filter_bit(pair_hash: u64) -> usize {
    (pair_hash.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 40) as usize
}

/// A node of the trie: the token that ends here (0 for none, else id + 1), the base of its children (0 for none), and the
/// label that led here, plus one. Every node has a base of its own, so the label alone tells a child from a stranger.
pub const TRIE_TOKEN: u32 = 44;
/// Where the base starts in a node of the trie.
pub const TRIE_BASE: u32 = 16;
/// The bits of a base, once shifted down.
pub const TRIE_BASE_MASK: u64 = (1 << (TRIE_TOKEN - TRIE_BASE)) - 1;
/// The bits of a label plus one.
pub const TRIE_LABEL_MASK: u64 = 0xFFFF;

/// Begins at a cache line.
#[repr(align(64))]
pub struct Aligned<T>(pub T);
