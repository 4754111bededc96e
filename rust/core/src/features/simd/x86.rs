//! AVX2.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_sub_epi8,
};

use super::{Classify, Job, Masks, WINDOW};

/// A job with AVX2.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
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
    // SAFETY: both loads are inside the 64 bytes.
    let (low, high) =
        unsafe { (_mm256_loadu_si256(bytes.as_ptr().cast()), _mm256_loadu_si256(bytes.as_ptr().add(32).cast())) };
    let bits = |low: __m256i, high: __m256i| {
        let (low, high) = (_mm256_movemask_epi8(low).cast_unsigned(), _mm256_movemask_epi8(high).cast_unsigned());
        u64::from(low) | u64::from(high) << 32
    };
    let all = |value: u8| _mm256_set1_epi8(value.cast_signed());
    let equal = |value: u8| bits(_mm256_cmpeq_epi8(low, all(value)), _mm256_cmpeq_epi8(high, all(value)));
    // Unsigned `'a' <= small <= 'z'`, of which AVX2 has no comparison.
    let is_letter = |half: __m256i| {
        let from = _mm256_sub_epi8(_mm256_or_si256(half, all(0x20)), all(b'a'));
        _mm256_cmpeq_epi8(_mm256_min_epu8(from, all(25)), from)
    };
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
