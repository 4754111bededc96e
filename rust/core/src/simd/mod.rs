//! What the vector loops of several rooms share: 64 bytes as two registers, and loads ahead of their use.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
pub mod x86;

/// Bytes that are looked at together: a bit of a mask for each.
pub const WINDOW: usize = 64;

/// Whether this CPU has AVX2, and the instructions on single bits that go with it.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && has_bits()
}

/// Whether this CPU has the instructions on single bits.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn has_bits() -> bool {
    is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// Starts to load the cache line that `place` begins in.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one instruction")]
pub fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is allowed, and every x86-64 has the instruction.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(place).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
