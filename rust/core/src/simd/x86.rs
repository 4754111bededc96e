//! A window in AVX2 registers.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
    _mm256_sub_epi8,
};

use super::WINDOW;

/// The two halves of a window.
#[inline]
#[target_feature(enable = "avx2")]
pub fn halves(bytes: &[u8; WINDOW]) -> (__m256i, __m256i) {
    // SAFETY: both loads are inside the 64 bytes.
    unsafe { (_mm256_loadu_si256(bytes.as_ptr().cast()), _mm256_loadu_si256(bytes.as_ptr().add(32).cast())) }
}

/// The highest bit of each byte.
#[inline]
#[target_feature(enable = "avx2")]
pub fn bits(low: __m256i, high: __m256i) -> u64 {
    let (low, high) = (_mm256_movemask_epi8(low).cast_unsigned(), _mm256_movemask_epi8(high).cast_unsigned());
    u64::from(low) | u64::from(high) << 32
}

/// One value in every byte.
#[inline]
#[target_feature(enable = "avx2")]
pub fn all(value: u8) -> __m256i {
    _mm256_set1_epi8(value.cast_signed())
}

/// Which bytes have a value: all their bits are set.
#[inline]
#[target_feature(enable = "avx2")]
pub fn is(half: __m256i, value: u8) -> __m256i {
    _mm256_cmpeq_epi8(half, all(value))
}

/// Which bytes are from `first` to `first + span`, unsigned, of which AVX2 has no comparison.
#[inline]
#[target_feature(enable = "avx2")]
pub fn within(half: __m256i, first: u8, span: u8) -> __m256i {
    let from = _mm256_sub_epi8(half, all(first));
    _mm256_cmpeq_epi8(_mm256_min_epu8(from, all(span)), from)
}
