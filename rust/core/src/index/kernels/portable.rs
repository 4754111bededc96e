//! The loops in plain Rust.

use super::{BLOCK, Passed};

pub fn scan(codes: &[u8], query: &[i8], threshold: i32, passed: &mut Passed, first: u32) {
    for (code, row) in codes.chunks_exact(query.len() / 2).zip(first..) {
        let mut score = 0i32;
        for (bytes, values) in code.chunks_exact(BLOCK / 2).zip(query.chunks_exact(BLOCK)) {
            let (low, high) = values.split_at(BLOCK / 2);
            for ((&byte, &low), &high) in bytes.iter().zip(low).zip(high) {
                score += i32::from(byte & 15) * i32::from(low) + i32::from(byte >> 4) * i32::from(high);
            }
        }
        if score >= threshold {
            passed.push((score, row));
        }
    }
}

pub fn dot(row: &[u16], query: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 32];
    for (halves, values) in row.chunks_exact(32).zip(query.chunks_exact(32)) {
        for ((lane, &half), value) in lanes.iter_mut().zip(halves).zip(values) {
            *lane += from_half(half) * value;
        }
    }
    // The order in which AVX2 folds its four registers, then the two halves of one, then the quarters.
    let mut eight = [0.0f32; 8];
    for (lane, sum) in eight.iter_mut().enumerate() {
        *sum = (lanes[lane] + lanes[lane + 8]) + (lanes[lane + 16] + lanes[lane + 24]);
    }
    let four = [eight[0] + eight[4], eight[1] + eight[5], eight[2] + eight[6], eight[3] + eight[7]];
    (four[0] + four[2]) + (four[1] + four[3])
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

/// The value of an IEEE half. Exact.
pub fn from_half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff) << 13;
    let magnitude = if bits & 0x7c00 == 0x7c00 {
        f32::from_bits(rest | 0x7f80_0000)
    } else {
        // Moves the exponent's bias from 15 to 127; a subnormal half becomes a normal float by the same product.
        f32::from_bits(rest) * f32::from_bits(0x7780_0000)
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

/// The nearest IEEE half; ties to even, beyond the largest to infinity.
#[expect(clippy::cast_possible_truncation, reason = "each branch holds at most 16 bits")]
pub fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        // Normal: round the 13 bits that go, ties to even, then move the bias.
        let rounded = magnitude + 0x0fff + ((magnitude >> 13) & 1);
        ((rounded - 0x3800_0000) >> 13) as u16
    } else {
        // Subnormal: adding one half of the unit lets the processor round to a multiple of 2^-24.
        (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000) as u16
    };
    half | sign
}
