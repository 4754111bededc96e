//! The inner loops of the index, chosen once at run time: AVX2, or portable Rust that gives the same bits.
//!
//! `unsafe` stands here because of vector instructions only. Integer sums are identical by nature; the sums of floats
//! are because every path adds the same 16 lanes in the same order and none contracts a product and a sum into one.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions and the loads that feed them")]
mod avx2;
mod portable;

use std::sync::LazyLock;

use crate::simd;

/// Values of one block: 32 bytes of code, byte j holding value j in its low half and value 32 + j in its high half.
pub const BLOCK: usize = 64;

/// Rows that passed a scan: the score and the row.
pub type Passed = Vec<(i32, u32)>;

/// One set of inner loops. A row has a code (half a byte a value), a rest (a byte a value) and a stretch; `codes.rs` says
/// what they mean. Queries are a multiple of [`BLOCK`] long.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    /// Its name, for `stats`.
    pub name: &'static str,
    /// Scores the codes of rows that stand one after the other and keeps those at or above a threshold, in their order;
    /// the rows count from the last argument.
    pub scan: fn(codes: &[u8], query: &[i8], threshold: i32, passed: &mut Passed, first: u32),
    /// The scores of four codes, wherever they stand.
    pub four: fn(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4],
    /// The product of a row with a query, in integers. Wraps around where it does not fit.
    pub product: fn(code: &[u8], rest: &[u8], stretch: u8, query: &[i16]) -> i32,
    /// The product of a row with a query.
    pub dot: fn(code: &[u8], rest: &[u8], stretch: u8, query: &[f32]) -> f32,
    /// A row in eight bits a value.
    pub short: fn(code: &[u8], rest: &[u8], stretch: u8, out: &mut [i8]),
    /// The product of two rows in eight bits.
    pub dot_short: fn(one: &[i8], other: &[i8]) -> i32,
    /// The Walsh-Hadamard transform in place, not scaled; the length is a power of two.
    pub hadamard: fn(values: &mut [f32]),
}

/// The portable loops: the reference of the others, and the path of every other processor.
pub const PORTABLE: Kernels = Kernels {
    name: "portable",
    scan: portable::scan,
    four: portable::four,
    product: portable::product,
    dot: portable::dot,
    short: portable::short,
    dot_short: portable::dot_short,
    hadamard: portable::hadamard,
};

static CHOSEN: LazyLock<Kernels> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernels) = avx2::kernels() {
        return kernels;
    }
    PORTABLE
});

/// The fastest loops that this processor runs.
pub fn chosen() -> Kernels {
    *CHOSEN
}

pub use self::portable::value;

/// Asks for bytes that will be read soon. Has no effect but on time.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(64).filter_map(<[u8]>::first) {
        simd::prefetch(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nibble(code: &[u8], i: usize) -> u8 {
        let byte = code[i / BLOCK * 32 + i % 32];
        if i % BLOCK < 32 { byte & 15 } else { byte >> 4 }
    }

    fn reference(code: &[u8], query: &[i8]) -> i32 {
        (0..query.len()).map(|i| i32::from(nibble(code, i)) * i32::from(query[i])).sum()
    }

    #[test]
    fn the_largest_codes_and_queries_do_not_overflow() {
        for blocks in [1, 4, 5, 64] {
            let codes = vec![0xff; blocks * 32 * 5];
            for extreme in [127, -127] {
                let query = vec![extreme; blocks * BLOCK];
                let expected = i32::from(extreme) * 15 * i32::try_from(blocks * BLOCK).unwrap();

                for kernels in [PORTABLE, chosen()] {
                    let mut passed = Vec::new();
                    (kernels.scan)(&codes, &query, i32::MIN, &mut passed, 7);
                    assert_eq!(passed, (7..12).map(|row| (expected, row)).collect::<Vec<_>>(), "{}", kernels.name);
                    assert_eq!((kernels.four)([&codes; 4], &query), [expected; 4], "{}", kernels.name);
                }
            }
        }
    }

    #[test]
    fn values_grow_with_their_two_parts_and_mirror_each_other() {
        for stretch in [1, 2, 7, 121] {
            let all: Vec<i16> =
                (0..16).flat_map(|nibble| (0..=255).map(move |rest| value(nibble, rest, stretch))).collect();
            assert!(all.is_sorted(), "{stretch}");
            assert!(all.iter().zip(all.iter().rev()).all(|(&low, &high)| low == -1 - high), "{stretch}");
        }
    }

    proptest! {
        #[test]
        fn all_paths_give_the_same_bits(
            (blocks, rows, bytes, query) in (1usize..8, 0usize..11).prop_flat_map(|(blocks, rows)| (
                Just(blocks),
                Just(rows),
                prop::collection::vec(any::<u8>(), blocks * 32 * rows),
                prop::collection::vec(-127i8..=127, blocks * BLOCK),
            )),
            rest in prop::collection::vec(any::<u8>(), 8 * BLOCK),
            stretch in 1u8..=121,
            floats in prop::collection::vec(-1.0f32..1.0, 8 * BLOCK),
        ) {
            let threshold = 0;
            let len = blocks * BLOCK;
            let code = |row: usize| &bytes[row * blocks * 32..][..blocks * 32];
            let expected: Passed = (0..rows)
                .map(|row| (reference(code(row), &query), u32::try_from(row).unwrap()))
                .filter(|&(score, _)| score >= threshold)
                .collect();

            for kernels in [PORTABLE, chosen()] {
                let mut passed = Vec::new();
                (kernels.scan)(&bytes, &query, threshold, &mut passed, 0);
                prop_assert_eq!(&passed, &expected);
                if rows >= 4 {
                    let codes = [code(0), code(3), code(1), code(1)];
                    prop_assert_eq!((kernels.four)(codes, &query), codes.map(|code| reference(code, &query)));
                }
                if rows > 0 {
                    let values: Vec<i16> = (0..len).map(|i| value(nibble(code(0), i), rest[i], stretch)).collect();
                    let exact: f64 = values.iter().zip(&floats).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                    let dot = (kernels.dot)(code(0), &rest[..len], stretch, &floats[..len]);
                    prop_assert!((f64::from(dot) - exact).abs() < 1e-5 * 32_768.0 * 512.0);
                    let portable = (PORTABLE.dot)(code(0), &rest[..len], stretch, &floats[..len]);
                    prop_assert_eq!(dot.to_bits(), portable.to_bits());
                    let fine: Vec<i16> = query.iter().map(|&value| i16::from(value) * 255).collect();
                    let whole = values.iter().zip(&fine).map(|(&x, &y)| i32::from(x) * i32::from(y));
                    let whole = whole.fold(0, i32::wrapping_add);
                    prop_assert_eq!((kernels.product)(code(0), &rest[..len], stretch, &fine), whole);
                    let mut short = vec![0; len];
                    (kernels.short)(code(0), &rest[..len], stretch, &mut short);
                    let shifted: Vec<i16> = values.iter().map(|value| (value >> 5).clamp(-128, 127)).collect();
                    prop_assert_eq!(short.iter().map(|&x| i16::from(x)).collect::<Vec<_>>(), shifted);
                    let product: i32 = short.iter().zip(&query).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum();
                    prop_assert_eq!((kernels.dot_short)(&short, &query), product);
                }
                let (mut one, mut other) = (floats[..256].to_vec(), floats[..256].to_vec());
                (kernels.hadamard)(&mut one);
                (PORTABLE.hadamard)(&mut other);
                prop_assert_eq!(one, other);
            }
        }
    }
}
