//! The inner loops of the index, chosen once at run time: AVX2, or portable Rust that gives the same bits.
//!
//! `unsafe` stands here because of vector instructions only. Integer sums are identical by nature; the sums of floats
//! are because every path adds the same 32 lanes in the same order and none contracts a product and a sum into one.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions and the loads that feed them")]
mod avx2;
mod portable;

use std::sync::LazyLock;

/// Values of one block: 32 bytes of code, byte j holding value j in its low half and value 32 + j in its high half.
pub const BLOCK: usize = 64;

/// Rows that passed a scan: the score and the row.
pub type Passed = Vec<(i32, u32)>;

/// One set of inner loops.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    /// Its name, for `stats`.
    pub name: &'static str,
    /// Scores rows of 4-bit codes against a query and keeps those at or above a threshold, in the order of the rows;
    /// the rows count from the last argument. Lengths: codes = rows * query / 2, query a multiple of [`BLOCK`].
    pub scan: fn(codes: &[u8], query: &[i8], threshold: i32, passed: &mut Passed, first: u32),
    /// The product of a row of halves with a query of the same length, a multiple of [`BLOCK`].
    pub dot: fn(row: &[u16], query: &[f32]) -> f32,
    /// The Walsh-Hadamard transform in place, not scaled; the length is a power of two.
    pub hadamard: fn(values: &mut [f32]),
}

/// The portable loops: the reference of the others, and the path of every other processor.
pub const PORTABLE: Kernels =
    Kernels { name: "portable", scan: portable::scan, dot: portable::dot, hadamard: portable::hadamard };

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

pub use self::portable::{from_half, to_half};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(codes: &[u8], query: &[i8]) -> i32 {
        let code = |i: usize| {
            let byte = codes[i / BLOCK * 32 + i % 32];
            i32::from(if i % BLOCK < 32 { byte & 15 } else { byte >> 4 })
        };
        (0..query.len()).map(|i| code(i) * i32::from(query[i])).sum()
    }

    #[test]
    fn every_half_keeps_its_bits_and_rounding_is_to_even() {
        for bits in 0..=u16::MAX {
            let value = from_half(bits);
            if !value.is_nan() {
                assert_eq!(to_half(value), bits, "{bits:04x}");
            }
        }
        // Half way between two neighbours goes to the even one; beyond the largest is infinity.
        assert_eq!(to_half(1.0 + 1.0 / 2048.0), 0x3c00);
        assert_eq!(to_half(1.0 + 3.0 / 2048.0), 0x3c02);
        assert_eq!(to_half(65_520.0), 0x7c00);
        assert_eq!(to_half(2.0f32.powi(-25)), 0);
        assert_eq!(to_half(2.0f32.powi(-24)), 1);
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
                }
            }
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
            halves in prop::collection::vec(-1.0f32..1.0, 8 * BLOCK),
            floats in prop::collection::vec(-1.0f32..1.0, 8 * BLOCK),
        ) {
            let threshold = 0;
            let expected: Passed = (0..rows)
                .map(|row| (reference(&bytes[row * blocks * 32..][..blocks * 32], &query), row))
                .filter(|&(score, _)| score >= threshold)
                .map(|(score, row)| (score, u32::try_from(row).unwrap()))
                .collect();
            let row: Vec<u16> = halves[..blocks * BLOCK].iter().map(|&value| to_half(value)).collect();
            let exact: f64 =
                row.iter().zip(&floats).map(|(&half, &value)| f64::from(from_half(half)) * f64::from(value)).sum();

            for kernels in [PORTABLE, chosen()] {
                let mut passed = Vec::new();
                (kernels.scan)(&bytes, &query, threshold, &mut passed, 0);
                prop_assert_eq!(&passed, &expected);
                let dot = (kernels.dot)(&row, &floats[..blocks * BLOCK]);
                prop_assert!((f64::from(dot) - exact).abs() < 1e-3);
                prop_assert_eq!(dot.to_bits(), (PORTABLE.dot)(&row, &floats[..blocks * BLOCK]).to_bits());
                let (mut one, mut other) = (floats[..256].to_vec(), floats[..256].to_vec());
                (kernels.hadamard)(&mut one);
                (PORTABLE.hadamard)(&mut other);
                prop_assert_eq!(one, other);
            }
        }
    }
}
