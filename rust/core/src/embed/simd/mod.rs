//! Adding quantised rows to a sum: the loop that embedding spends its time in, compiled for AVX2 and for any machine.
//!
//! The same Rust body stands behind both, without fused multiply-add, so that a vector has the same bits everywhere.

/// Adds rows to sums, with what the machine at hand offers.
#[derive(Debug, Clone, Copy)]
pub struct Adder {
    #[cfg(target_arch = "x86_64")]
    has_avx2: bool,
}

impl Adder {
    /// Looks at the machine once.
    pub fn new() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            has_avx2: std::arch::is_x86_feature_detected!("avx2"),
        }
    }

    /// The path that runs everywhere.
    #[cfg(test)]
    pub fn portable() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            has_avx2: false,
        }
    }

    /// `sum += scale * row`, for a row of 4-bit numbers: low halves first, then high halves, each as value + 8.
    pub fn add4(self, sum: &mut [f32], scale: f32, row: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if self.has_avx2 {
            // SAFETY: AVX2 was found when `self` was made.
            unsafe { add4_avx2(sum, scale, row) };
            return;
        }
        add4(sum, scale, row);
    }

    /// `sum += scale * row`, for a row of bytes in two's complement.
    pub fn add8(self, sum: &mut [f32], scale: f32, row: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if self.has_avx2 {
            // SAFETY: AVX2 was found when `self` was made.
            unsafe { add8_avx2(sum, scale, row) };
            return;
        }
        add8(sum, scale, row);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add4_avx2(sum: &mut [f32], scale: f32, row: &[u8]) {
    add4(sum, scale, row);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add8_avx2(sum: &mut [f32], scale: f32, row: &[u8]) {
    add8(sum, scale, row);
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "the body must be compiled into each of its callers")]
fn add4(sum: &mut [f32], scale: f32, row: &[u8]) {
    let (low, high) = sum.split_at_mut(row.len());
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(row) {
        *low += scale * (i32::from(byte & 15) - 8) as f32;
        *high += scale * (i32::from(byte >> 4) - 8) as f32;
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "the body must be compiled into each of its callers")]
fn add8(sum: &mut [f32], scale: f32, row: &[u8]) {
    for (sum, &byte) in sum.iter_mut().zip(row) {
        *sum += scale * f32::from(byte.cast_signed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_give_the_same_bits() {
        let row: Vec<u8> = (0..=255).cycle().map(|byte: u8| byte.wrapping_mul(37)).take(128).collect();
        for adder in [Adder::new(), Adder::portable()] {
            let (mut four, mut eight) = (vec![0.5f32; 256], vec![0.5f32; 128]);
            adder.add4(&mut four, 0.037, &row);
            adder.add8(&mut eight, 0.037, &row);
            for at in 0..128 {
                assert_eq!(four[at].to_bits(), (0.5 + 0.037 * (f32::from(row[at] & 15) - 8.0)).to_bits());
                assert_eq!(four[at + 128].to_bits(), (0.5 + 0.037 * (f32::from(row[at] >> 4) - 8.0)).to_bits());
                assert_eq!(eight[at].to_bits(), (0.5 + 0.037 * f32::from(row[at].cast_signed())).to_bits());
            }
        }
    }
}
