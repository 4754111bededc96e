//! A fixed rotation after which every coordinate of a unit vector looks like a draw from N(0, 1/n).

use super::kernels::{BLOCK, Kernels};

/// Random signs, a Walsh-Hadamard transform in each block of 2^k values, and a reflection across the blocks.
///
/// Orthogonal, so cosines stay as they are; what it buys is one scale for the codes of every coordinate. O(n log n).
/// A vector is padded with zeros to a multiple of 64 first. The signs are a constant of the file format.
///
/// Ailon and Chazelle, "The Fast Johnson-Lindenstrauss Transform", 2009; two rounds where there are several blocks.
#[derive(Debug, Clone)]
pub struct Rotation {
    block: usize,
    /// One list a round.
    signs: Vec<Vec<f32>>,
}

impl Rotation {
    /// The rotation of vectors of `dim` values.
    pub fn new(dim: usize) -> Self {
        let padded = dim.next_multiple_of(BLOCK);
        let block = 1 << padded.trailing_zeros();
        let rounds = if block == padded { 1 } else { 2 };
        // SplitMix64 from a fixed seed.
        let mut state = 0x636f_6d70_6f75_6e64u64;
        let mut sign = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            if (mixed ^ (mixed >> 31)) >> 63 == 0 { 1.0 } else { -1.0 }
        };
        let signs = (0..rounds).map(|_| (0..padded).map(|_| sign()).collect()).collect();
        Self { block, signs }
    }

    /// How many values a rotated vector has.
    pub fn len(&self) -> usize {
        self.signs[0].len()
    }

    /// Rotates in place.
    pub fn apply(&self, kernels: Kernels, values: &mut [f32]) {
        for signs in &self.signs {
            for (value, sign) in values.iter_mut().zip(signs) {
                *value *= sign;
            }
            self.mix(kernels, values);
            self.reflect(values);
        }
    }

    /// Rotates back: the same steps in the opposite order, each of them its own inverse.
    pub fn undo(&self, kernels: Kernels, values: &mut [f32]) {
        for signs in self.signs.iter().rev() {
            self.reflect(values);
            self.mix(kernels, values);
            for (value, sign) in values.iter_mut().zip(signs) {
                *value *= sign;
            }
        }
    }

    fn mix(&self, kernels: Kernels, values: &mut [f32]) {
        let scale = (self.block as f32).sqrt().recip();
        for block in values.chunks_exact_mut(self.block) {
            (kernels.hadamard)(block);
            for value in block {
                *value *= scale;
            }
        }
    }

    /// The Householder reflection across the blocks: takes from every value twice the mean of its fellows.
    fn reflect(&self, values: &mut [f32]) {
        let blocks = values.len() / self.block;
        if blocks == 1 {
            return;
        }
        for at in 0..self.block {
            let sum: f32 = values[at..].iter().step_by(self.block).sum();
            let twice = 2.0 / blocks as f32 * sum;
            for value in values[at..].iter_mut().step_by(self.block) {
                *value -= twice;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernels::{PORTABLE, chosen};
    use super::*;

    #[test]
    fn lengths_and_cosines_stay_and_undo_gives_the_vector_back() {
        for dim in [64, 100, 256, 384, 768, 1536, 4096] {
            let rotation = Rotation::new(dim);
            let mut one: Vec<f32> = (0..dim).map(|i| (i as f32 * 0.7).sin()).collect();
            one.resize(rotation.len(), 0.0);
            let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
            let before = one.clone();

            rotation.apply(PORTABLE, &mut one);
            assert!((norm(&one) / norm(&before) - 1.0).abs() < 1e-4, "{dim}");
            let mut other = before.clone();
            rotation.apply(chosen(), &mut other);
            assert_eq!(one, other);
            rotation.undo(PORTABLE, &mut one);
            assert!(one.iter().zip(&before).all(|(x, y)| (x - y).abs() < 1e-4), "{dim}");
        }
    }

    #[test]
    fn a_single_coordinate_is_spread_over_all() {
        let rotation = Rotation::new(384);
        let mut spike = vec![0.0; 384];
        spike[5] = 1.0;

        rotation.apply(chosen(), &mut spike);

        assert!(spike.iter().all(|value| value.abs() < 0.3));
    }
}
