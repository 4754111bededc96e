//! The classes of Unicode 16 that the encodings' patterns speak of, one bit each.
//!
//! tiktoken 0.14 has the tables of Unicode 16. A counter with newer tables differs on code points that were unassigned then.

use super::layout::Aligned;

/// No class: past the end of the text.
pub const END: u8 = 0;
/// None of the others: punctuation, symbols, controls, unassigned.
pub const OTHER: u8 = 1;
/// `\p{Lu}` and `\p{Lt}`.
pub const UPPER: u8 = 1 << 1;
/// `\p{Ll}`.
pub const LOWER: u8 = 1 << 2;
/// `\p{Lm}` and `\p{Lo}`: letters without case, which stand on either side of a case boundary.
pub const BOTH: u8 = 1 << 3;
/// `\p{N}`.
pub const NUMBER: u8 = 1 << 4;
/// `\s`, the property `White_Space`.
pub const SPACE: u8 = 1 << 5;
/// `\p{M}`.
pub const MARK: u8 = 1 << 6;
/// `\p{L}`.
pub const LETTER: u8 = UPPER | LOWER | BOTH;

/// For each 64 code points the number of their block.
static INDEX: &[[u8; 2]] = include_bytes!(concat!(env!("OUT_DIR"), "/class_index.bin")).as_chunks().0;
static BLOCKS: Aligned<[u8; 512 * 64]> = Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/class_blocks.bin")));

/// The classes of the ASCII characters; 0 for the bytes that are none.
static ASCII: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b'A'..=b'Z' => UPPER,
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => NUMBER,
            b' ' | b'\t'..=b'\r' => SPACE,
            _ => OTHER,
        };
        byte += 1;
    }
    table
};

/// The class and the length in bytes of the character that begins at `at`; `(END, 0)` past the end.
///
/// `text` is UTF-8 and `at` the start of a character.
#[inline(always)]
pub fn class_at(text: &[u8], at: usize) -> (u8, usize) {
    let Some(&first) = text.get(at) else { return (END, 0) };
    if first < 0x80 {
        return (ASCII[first as usize], 1);
    }
    let low = |offset: usize| usize::from(text[at + offset] & 0x3F);
    let (block, within, len) = if first < 0xE0 {
        (usize::from(first & 0x1F), low(1), 2)
    } else if first < 0xF0 {
        (usize::from(first & 0x0F) << 6 | low(1), low(2), 3)
    } else {
        (usize::from(first & 0x07) << 12 | low(1) << 6 | low(2), low(3), 4)
    };
    let number = u16::from_le_bytes(INDEX[block]);
    (BLOCKS.0[(usize::from(number) << 6 | within) & (512 * 64 - 1)], len)
}

/// The end of the run of characters of the classes in `set` that begins at `at`.
#[inline(always)]
pub fn skip(text: &[u8], mut at: usize, set: u8) -> usize {
    loop {
        let (class, len) = class_at(text, at);
        if class & set == 0 {
            return at;
        }
        at += len;
    }
}
