//! The loops for x86-64 with AVX2 and F16C: every such processor since 2013.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_castsi128_ps, _mm_cmpgt_epi32, _mm_cvtss_f32,
    _mm_loadu_si128, _mm_movehl_ps, _mm_movemask_ps, _mm_set1_epi32, _mm_shuffle_ps, _mm_storeu_si128,
    _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps256_ps128,
    _mm256_castsi256_si128, _mm256_cvtph_ps, _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_hadd_epi32,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_srli_epi16,
};

use super::{Kernels, Passed, portable};

/// These loops, where the processor runs them.
pub fn kernels() -> Option<Kernels> {
    let runs = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
    runs.then_some(Kernels { name: "avx2", scan, dot, hadamard })
}

fn scan(codes: &[u8], query: &[i8], threshold: i32, passed: &mut Passed, first: u32) {
    // SAFETY: `kernels`, the only way to this function, has found AVX2.
    unsafe { scan_avx2(codes, query, threshold, passed, first) }
}

fn dot(row: &[u16], query: &[f32]) -> f32 {
    // SAFETY: `kernels`, the only way to this function, has found AVX2 and F16C.
    unsafe { dot_avx2(row, query) }
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

#[target_feature(enable = "avx2,f16c")]
fn dot_avx2(row: &[u16], query: &[f32]) -> f32 {
    let mut sums = [_mm256_setzero_ps(); 4];
    for (halves, values) in row.chunks_exact(32).zip(query.chunks_exact(32)) {
        for (sum, (halves, values)) in sums.iter_mut().zip(halves.chunks_exact(8).zip(values.chunks_exact(8))) {
            // SAFETY: both slices hold eight values, and the loads ask for no alignment.
            let (halves, values) =
                unsafe { (_mm_loadu_si128(halves.as_ptr().cast()), _mm256_loadu_ps(values.as_ptr())) };
            // Two roundings, not one: a fused product would differ from the portable sum.
            *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_cvtph_ps(halves), values));
        }
    }
    fold(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])))
}

#[target_feature(enable = "avx2")]
fn fold(eight: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
