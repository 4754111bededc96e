//! AVX2.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_or_si256, _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_slli_epi16,
};

use super::{Classify, Job, Masks};
use crate::simd::WINDOW;
use crate::simd::x86::{all, bits, halves, is, within};

/// A job with AVX2.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub fn run_avx2<J: Job>(job: J) -> J::Found {
    job.run::<Avx2>()
}

enum Avx2 {}

impl Classify for Avx2 {
    #[expect(clippy::inline_always, reason = "the body must be compiled into its caller")]
    #[inline(always)]
    fn masks(bytes: &[u8; WINDOW]) -> Masks {
        // SAFETY: only `run_avx2` uses this type, so the CPU has the feature.
        unsafe { masks_avx2(bytes) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn masks_avx2(bytes: &[u8; WINDOW]) -> Masks {
    let (low, high) = halves(bytes);
    let equal = |value: u8| bits(is(low, value), is(high, value));
    let is_letter = |half: __m256i| within(_mm256_or_si256(half, all(0x20)), b'a', 25);
    // The four signs differ in their low halves, so each byte is compared with the one sign that it could be. The first
    // place holds a sign that no byte looks up: one with a low half of 0 would have to be 1, one of 128 or more finds 0.
    let one = _mm256_setr_epi8(
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0, 0x3c, 0x5d, 0, 0x2f, //
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0, 0x3c, 0x5d, 0, 0x2f,
    );
    let is_tag = |half: __m256i| _mm256_cmpeq_epi8(_mm256_shuffle_epi8(one, half), half);
    // Bit 5 of each byte, which tells small letters from capitals, as its highest.
    let small = bits(_mm256_slli_epi16::<2>(low), _mm256_slli_epi16::<2>(high));
    let letter = bits(is_letter(low), is_letter(high));
    Masks {
        letter,
        upper: letter & !small,
        space: equal(b' '),
        comma: equal(b','),
        tag: bits(is_tag(low), is_tag(high)),
    }
}
