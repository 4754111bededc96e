//! The loops in plain Rust.

use super::{BLOCK, Passed};

fn score(code: &[u8], query: &[i8]) -> i32 {
    let mut score = 0i32;
    for (bytes, values) in code.chunks_exact(BLOCK / 2).zip(query.chunks_exact(BLOCK)) {
        let (low, high) = values.split_at(BLOCK / 2);
        for ((&byte, &low), &high) in bytes.iter().zip(low).zip(high) {
            score += i32::from(byte & 15) * i32::from(low) + i32::from(byte >> 4) * i32::from(high);
        }
    }
    score
}

pub fn scan(codes: &[u8], query: &[i8], threshold: i32, passed: &mut Passed, first: u32) {
    for (code, row) in codes.chunks_exact(query.len() / 2).zip(first..) {
        let score = score(code, query);
        if score >= threshold {
            passed.push((score, row));
        }
    }
}

pub fn four(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    codes.map(|code| score(&code[..query.len() / 2], query))
}

/// The values of a row, in the order of the vector: see `codes.rs` for what they mean.
fn values<'a>(code: &'a [u8], rest: &'a [u8], stretch: u8) -> impl Iterator<Item = i16> + 'a {
    let nibbles = code.chunks_exact(BLOCK / 2).flat_map(|bytes| {
        let low = bytes.iter().map(|byte| byte & 15);
        low.chain(bytes.iter().map(|byte| byte >> 4))
    });
    nibbles.zip(rest).map(move |(nibble, &rest)| value(nibble, rest, stretch))
}

/// One value from its two parts.
#[inline]
pub fn value(nibble: u8, rest: u8, stretch: u8) -> i16 {
    let rest = i16::from(rest);
    let outside = match nibble {
        0 => rest - 255,
        15 => rest,
        _ => 0,
    };
    i16::from(nibble) * 256 + rest - 2048 + (i16::from(stretch) - 1) * outside
}

pub fn product(code: &[u8], rest: &[u8], stretch: u8, query: &[i16]) -> i32 {
    let products = values(code, rest, stretch).zip(query).map(|(value, &query)| i32::from(value) * i32::from(query));
    products.fold(0, i32::wrapping_add)
}

pub fn dot(code: &[u8], rest: &[u8], stretch: u8, query: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for ((at, value), query) in values(code, rest, stretch).enumerate().zip(query) {
        lanes[at % 16] += f32::from(value) * query;
    }
    // The order in which AVX2 folds its two registers, then the two halves of one, then the quarters.
    let mut eight = [0.0f32; 8];
    for (lane, sum) in eight.iter_mut().enumerate() {
        *sum = lanes[lane] + lanes[lane + 8];
    }
    let four = [eight[0] + eight[4], eight[1] + eight[5], eight[2] + eight[6], eight[3] + eight[7]];
    (four[0] + four[2]) + (four[1] + four[3])
}

pub fn short(code: &[u8], rest: &[u8], stretch: u8, out: &mut [i8]) {
    for (out, value) in out.iter_mut().zip(values(code, rest, stretch)) {
        #[expect(clippy::cast_possible_truncation, reason = "clamped to what an i8 holds")]
        let value = (value >> 5).clamp(-128, 127) as i8;
        *out = value;
    }
}

pub fn dot_short(one: &[i8], other: &[i8]) -> i32 {
    one.iter().zip(other).map(|(&one, &other)| i32::from(one) * i32::from(other)).sum()
}

#[inline]
pub fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (left, right) = pair.split_at_mut(half);
            for (x, y) in left.iter_mut().zip(right) {
                (*x, *y) = (*x + *y, *x - *y);
            }
        }
        half *= 2;
    }
}
