//! AVX2 and AVX-512.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_sub_epi8, _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_loadu_si512,
    _mm512_movepi8_mask, _mm512_set1_epi8, _mm512_sub_epi8,
};

use super::super::pattern::Pattern;
use super::super::window::{self, Classify, Masks, Sink, WINDOW};

/// [`window::cut`] with AVX2.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub fn cut_avx2<P: Pattern>(text: &[u8], sink: &mut impl Sink) {
    window::cut::<P, Avx2>(text, sink);
}

/// [`window::cut`] with AVX-512.
#[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2,lzcnt,popcnt")]
pub fn cut_avx512<P: Pattern>(text: &[u8], sink: &mut impl Sink) {
    window::cut::<P, Avx512>(text, sink);
}

enum Avx2 {}

impl Classify for Avx2 {
    #[inline(always)]
    fn masks(bytes: &[u8; WINDOW]) -> Masks {
        // SAFETY: only `cut_avx2` uses this type, so the CPU has the feature; both loads are inside the 64 bytes.
        unsafe {
            let halves = [_mm256_loadu_si256(bytes.as_ptr().cast()), _mm256_loadu_si256(bytes.as_ptr().add(32).cast())];
            let bits = |halves: [__m256i; 2]| {
                let [low, high] = halves.map(|half| u64::from(_mm256_movemask_epi8(half).cast_unsigned()));
                low | high << 32
            };
            let equal = |value: u8| halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(value.cast_signed())));
            // Unsigned `first <= byte <= first + span`, of which AVX2 has no comparison.
            let range = |first: u8, span: u8| {
                halves.map(|half| {
                    let from = _mm256_sub_epi8(half, _mm256_set1_epi8(first.cast_signed()));
                    _mm256_cmpeq_epi8(_mm256_min_epu8(from, _mm256_set1_epi8(span.cast_signed())), from)
                })
            };
            let or = |a: [__m256i; 2], b: [__m256i; 2]| [_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])];
            Masks {
                upper: bits(range(b'A', 25)),
                lower: bits(range(b'a', 25)),
                digit: bits(range(b'0', 9)),
                space: bits(equal(b' ')),
                blank: bits(or(equal(b'\t'), range(0x0B, 1))),
                newline: bits(or(equal(b'\n'), equal(b'\r'))),
                high: bits(halves),
                quote: bits(equal(b'\'')),
                slash: bits(equal(b'/')),
            }
        }
    }
}

enum Avx512 {}

impl Classify for Avx512 {
    #[inline(always)]
    fn masks(bytes: &[u8; WINDOW]) -> Masks {
        // SAFETY: only `cut_avx512` uses this type, so the CPU has the features; the load is the 64 bytes.
        unsafe {
            let all = _mm512_loadu_si512(bytes.as_ptr().cast());
            let equal = |value: u8| _mm512_cmpeq_epi8_mask(all, _mm512_set1_epi8(value.cast_signed()));
            let range = |first: u8, span: u8| {
                let from = _mm512_sub_epi8(all, _mm512_set1_epi8(first.cast_signed()));
                _mm512_cmple_epu8_mask(from, _mm512_set1_epi8(span.cast_signed()))
            };
            Masks {
                upper: range(b'A', 25),
                lower: range(b'a', 25),
                digit: range(b'0', 9),
                space: equal(b' '),
                blank: equal(b'\t') | range(0x0B, 1),
                newline: equal(b'\n') | equal(b'\r'),
                high: _mm512_movepi8_mask(all),
                quote: equal(b'\''),
                slash: equal(b'/'),
            }
        }
    }
}
