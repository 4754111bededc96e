//! The loops for x86-64 with AVX2: nearly every such processor since 2013.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_castsi128_ps, _mm_cmpgt_epi32,
    _mm_cvtsi128_si32, _mm_cvtss_f32, _mm_loadu_si128, _mm_movehl_ps, _mm_movemask_ps, _mm_set1_epi32, _mm_shuffle_ps,
    _mm_storeu_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps256_ps128,
    _mm256_castsi256_si128, _mm256_cmpeq_epi16, _mm256_cvtepi8_epi16, _mm256_cvtepi16_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi16, _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_mullo_epi16, _mm256_or_si256,
    _mm256_packs_epi16, _mm256_permute4x64_epi64, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16, _mm256_storeu_si256,
    _mm256_sub_epi16,
};

use super::{Kernels, Passed, portable};

/// These loops, where the processor runs them.
pub fn kernels() -> Option<Kernels> {
    let loops = Kernels { name: "avx2", scan, four, dot, short, dot_short, hadamard };
    is_x86_feature_detected!("avx2").then_some(loops)
}

fn scan(codes: &[u8], query: &[i8], threshold: i32, passed: &mut Passed, first: u32) {
    // SAFETY: `kernels`, the only way to this function, has found AVX2.
    unsafe { scan_avx2(codes, query, threshold, passed, first) }
}

fn four(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    // SAFETY: `kernels`, the only way to this function, has found AVX2.
    unsafe { four_avx2(codes, query) }
}

fn dot(code: &[u8], rest: &[u8], stretch: u8, query: &[f32]) -> f32 {
    // SAFETY: `kernels`, the only way to this function, has found AVX2.
    unsafe { dot_avx2(code, rest, stretch, query) }
}

fn short(code: &[u8], rest: &[u8], stretch: u8, out: &mut [i8]) {
    // SAFETY: `kernels`, the only way to this function, has found AVX2.
    unsafe { short_avx2(code, rest, stretch, out) }
}

fn dot_short(one: &[i8], other: &[i8]) -> i32 {
    // SAFETY: `kernels`, the only way to this function, has found AVX2.
    unsafe { dot_short_avx2(one, other) }
}

fn hadamard(values: &mut [f32]) {
    // SAFETY: `kernels`, the only way to this function, has found AVX2.
    unsafe { hadamard_avx2(values) }
}

/// The portable loop, compiled for wider registers.
#[target_feature(enable = "avx2")]
fn hadamard_avx2(values: &mut [f32]) {
    portable::hadamard(values);
}

#[target_feature(enable = "avx2")]
fn load_bytes(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array is 32 bytes long, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn load_query(values: &[i8; 32]) -> __m256i {
    // SAFETY: the array is 32 bytes long, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// The sums of `N` rows of code, eight lanes each.
///
/// A pair of products is at most 2 * 15 * 127, so the sixteen-bit sums hold eight of them: four blocks.
#[inline]
#[target_feature(enable = "avx2")]
fn sums<const N: usize>(rows: [&[u8]; N], query: &[i8]) -> [__m256i; N] {
    let nibble = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let halves = query.as_chunks::<32>().0.as_chunks::<2>().0;
    // All of one length, which spares the inner loop its checks.
    let mut blocks: [&[[u8; 32]]; N] = [&[]; N];
    for (blocks, row) in blocks.iter_mut().zip(rows) {
        *blocks = &row.as_chunks::<32>().0[..halves.len()];
    }
    let mut wide = [_mm256_setzero_si256(); N];
    let mut first = 0;
    while first < halves.len() {
        let end = halves.len().min(first + 4);
        let mut narrow = [_mm256_setzero_si256(); N];
        for block in first..end {
            let (low, high) = (load_query(&halves[block][0]), load_query(&halves[block][1]));
            for (sum, row) in narrow.iter_mut().zip(blocks) {
                let code = load_bytes(&row[block]);
                let first = _mm256_maddubs_epi16(_mm256_and_si256(code, nibble), low);
                let second = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16::<4>(code), nibble), high);
                *sum = _mm256_add_epi16(*sum, _mm256_add_epi16(first, second));
            }
        }
        for (sum, narrow) in wide.iter_mut().zip(narrow) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(narrow, ones));
        }
        first = end;
    }
    wide
}

#[target_feature(enable = "avx2")]
fn four_scores(sums: [__m256i; 4]) -> __m128i {
    let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs))
}

#[target_feature(enable = "avx2")]
fn scan_avx2(codes: &[u8], query: &[i8], threshold: i32, passed: &mut Passed, first: u32) {
    let bytes = query.len() / 2;
    let limit = _mm_set1_epi32(threshold);
    let mut row = first;
    let mut fours = codes.chunks_exact(4 * bytes);
    for four in &mut fours {
        let (a, b) = four.split_at(2 * bytes);
        let ((a, b), (c, d)) = (a.split_at(bytes), b.split_at(bytes));
        let scores = four_scores(sums([a, b, c, d], query));
        let below = _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(limit, scores)));
        if below != 0b1111 {
            let mut each = [0i32; 4];
            // SAFETY: the array is 16 bytes long, and the store asks for no alignment.
            unsafe { _mm_storeu_si128(each.as_mut_ptr().cast(), scores) };
            for (at, score) in (row..).zip(each) {
                if score >= threshold {
                    passed.push((score, at));
                }
            }
        }
        row += 4;
    }
    for code in fours.remainder().chunks_exact(bytes) {
        let [sum] = sums([code], query);
        let zero = _mm256_setzero_si256();
        let mut each = [0i32; 4];
        // SAFETY: the array is 16 bytes long, and the store asks for no alignment.
        unsafe { _mm_storeu_si128(each.as_mut_ptr().cast(), four_scores([sum, zero, zero, zero])) };
        if each[0] >= threshold {
            passed.push((each[0], row));
        }
        row += 1;
    }
}

/// Sixteen values of a row, from their nibbles and the rest.
#[inline]
#[target_feature(enable = "avx2")]
fn values(nibbles: __m128i, rest: &[u8; 16], stretch: __m256i) -> __m256i {
    // SAFETY: the array is 16 bytes long, and the load asks for no alignment.
    let rest = _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(rest.as_ptr().cast()) });
    let nibbles = _mm256_cvtepu8_epi16(nibbles);
    let inside = _mm256_add_epi16(_mm256_slli_epi16::<8>(nibbles), rest);
    let above = _mm256_and_si256(_mm256_cmpeq_epi16(nibbles, _mm256_set1_epi16(15)), rest);
    let lowest = _mm256_cmpeq_epi16(nibbles, _mm256_setzero_si256());
    let below = _mm256_and_si256(lowest, _mm256_sub_epi16(rest, _mm256_set1_epi16(255)));
    let outside = _mm256_mullo_epi16(_mm256_or_si256(above, below), stretch);
    _mm256_add_epi16(_mm256_sub_epi16(inside, _mm256_set1_epi16(2048)), outside)
}

/// The values of a block of a row, sixteen a register.
#[inline]
#[target_feature(enable = "avx2")]
fn block_values(code: &[u8; 32], rest: &[u8; 64], stretch: __m256i) -> [__m256i; 4] {
    let nibble = _mm256_set1_epi8(15);
    let code = load_bytes(code);
    let (low, high) = (_mm256_and_si256(code, nibble), _mm256_and_si256(_mm256_srli_epi16::<4>(code), nibble));
    let rest = rest.as_chunks::<16>().0;
    [
        values(_mm256_castsi256_si128(low), &rest[0], stretch),
        values(_mm256_extracti128_si256::<1>(low), &rest[1], stretch),
        values(_mm256_castsi256_si128(high), &rest[2], stretch),
        values(_mm256_extracti128_si256::<1>(high), &rest[3], stretch),
    ]
}

#[target_feature(enable = "avx2")]
fn dot_avx2(code: &[u8], rest: &[u8], stretch: u8, query: &[f32]) -> f32 {
    let stretch = _mm256_set1_epi16(i16::from(stretch) - 1);
    let mut sums = [_mm256_setzero_ps(); 2];
    let blocks = code.as_chunks::<32>().0.iter().zip(rest.as_chunks::<64>().0);
    for ((code, rest), query) in blocks.zip(query.as_chunks::<64>().0) {
        for (values, query) in block_values(code, rest, stretch).into_iter().zip(query.as_chunks::<16>().0) {
            let halves = [_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values)];
            for ((sum, half), query) in sums.iter_mut().zip(halves).zip(query.as_chunks::<8>().0) {
                // SAFETY: the array holds eight values, and the load asks for no alignment.
                let query = unsafe { _mm256_loadu_ps(query.as_ptr()) };
                // Two roundings, not one: a fused product would differ from the portable sum.
                let product = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half)), query);
                *sum = _mm256_add_ps(*sum, product);
            }
        }
    }
    fold(_mm256_add_ps(sums[0], sums[1]))
}

#[target_feature(enable = "avx2")]
fn short_avx2(code: &[u8], rest: &[u8], stretch: u8, out: &mut [i8]) {
    let stretch = _mm256_set1_epi16(i16::from(stretch) - 1);
    let blocks = code.as_chunks::<32>().0.iter().zip(rest.as_chunks::<64>().0);
    for ((code, rest), out) in blocks.zip(out.as_chunks_mut::<64>().0) {
        let values = block_values(code, rest, stretch);
        for (pair, out) in values.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<32>().0) {
            let (first, second) = (_mm256_srai_epi16::<5>(pair[0]), _mm256_srai_epi16::<5>(pair[1]));
            // The packing takes the halves in turn; the permutation puts them in order.
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(first, second));
            // SAFETY: the array is 32 bytes long, and the store asks for no alignment.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), packed) };
        }
    }
}

#[target_feature(enable = "avx2")]
fn dot_short_avx2(one: &[i8], other: &[i8]) -> i32 {
    let mut sums = [_mm256_setzero_si256(); 2];
    for (one, other) in one.as_chunks::<32>().0.iter().zip(other.as_chunks::<32>().0) {
        let halves = one.as_chunks::<16>().0.iter().zip(other.as_chunks::<16>().0);
        for (sum, (one, other)) in sums.iter_mut().zip(halves) {
            // SAFETY: both arrays are 16 bytes long, and the loads ask for no alignment.
            let (one, other) =
                unsafe { (_mm_loadu_si128(one.as_ptr().cast()), _mm_loadu_si128(other.as_ptr().cast())) };
            let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(one), _mm256_cvtepi8_epi16(other));
            *sum = _mm256_add_epi32(*sum, products);
        }
    }
    let zero = _mm256_setzero_si256();
    _mm_cvtsi128_si32(four_scores([_mm256_add_epi32(sums[0], sums[1]), zero, zero, zero]))
}

#[target_feature(enable = "avx2")]
fn four_avx2(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    let mut each = [0i32; 4];
    // SAFETY: the array is 16 bytes long, and the store asks for no alignment.
    unsafe { _mm_storeu_si128(each.as_mut_ptr().cast(), four_scores(sums(codes, query))) };
    each
}

#[target_feature(enable = "avx2")]
fn fold(eight: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
