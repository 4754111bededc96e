//! AVX2 and AVX-512.

use std::arch::x86_64::{
    __m256i, _mm256_or_si256, _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_loadu_si512, _mm512_movepi8_mask,
    _mm512_set1_epi8, _mm512_sub_epi8,
};

use super::super::pattern::Pattern;
use super::super::window::{self, Classify, Masks, Sink};
use crate::simd::WINDOW;
use crate::simd::x86::{bits, halves, is, within};

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
        // SAFETY: only `cut_avx2` uses this type, so the CPU has the feature.
        unsafe { masks_avx2(bytes) }
    }
}

// The closures below inherit the feature and are inlined. Anything generic between them and the instructions, such as
// `array::map`, is not, and made this eight times as slow.
#[inline]
#[target_feature(enable = "avx2")]
fn masks_avx2(bytes: &[u8; WINDOW]) -> Masks {
    let (low, high) = halves(bytes);
    let equal = |value: u8| bits(is(low, value), is(high, value));
    let range = |first: u8, span: u8| bits(within(low, first, span), within(high, first, span));
    let newline = |half: __m256i| _mm256_or_si256(is(half, b'\n'), is(half, b'\r'));
    let blank = |half: __m256i| _mm256_or_si256(is(half, b'\t'), within(half, 0x0B, 1));
    Masks {
        upper: range(b'A', 25),
        lower: range(b'a', 25),
        digit: range(b'0', 9),
        space: equal(b' '),
        blank: bits(blank(low), blank(high)),
        newline: bits(newline(low), newline(high)),
        high: bits(low, high),
        quote: equal(b'\''),
        slash: equal(b'/'),
    }
}

enum Avx512 {}

impl Classify for Avx512 {
    #[inline(always)]
    fn masks(bytes: &[u8; WINDOW]) -> Masks {
        // SAFETY: only `cut_avx512` uses this type, so the CPU has the features.
        unsafe { masks_avx512(bytes) }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn masks_avx512(bytes: &[u8; WINDOW]) -> Masks {
    // SAFETY: the load is the 64 bytes.
    let all = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
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
