//! What is kept of a vector, and what a query is turned into.

use std::fmt::Display;

use super::kernels::{BLOCK, Kernels, from_half, to_half};
use super::rotation::Rotation;
use crate::error::{Error, ErrorKind, Result};

/// Width of a 4-bit step, in standard deviations of a coordinate: the least square error for a normal distribution.
const STEP: f32 = 0.335;
/// The code that stands for zero lies between 7 and 8.
const CENTRE: f32 = 7.5;
/// Standard deviations of the error of an estimate that [`Codec::error`] allows for: 6 in 10^5 are further off, and such
/// a row is missed only where it also lies at the very edge of the k nearest.
const DEVIATIONS: f32 = 4.0;
/// Adding and taking away 1.5 * 2^23 rounds a small float, without the call that `round` is at the x86-64 baseline.
const ROUND: f32 = 12_582_912.0;
/// Above this distance between a vector and its code the error is no longer taken as random, and the bound that always
/// holds, by Cauchy and Schwarz, is used. Vectors that are not made to defeat the rotation stay below 0.15.
const RANDOM_UP_TO: f32 = 0.3;

/// Turns vectors of one length into rows and queries.
#[derive(Debug)]
pub struct Codec {
    dim: usize,
    rotation: Rotation,
    kernels: Kernels,
}

/// A vector as the index keeps it.
#[derive(Debug)]
pub struct Row {
    /// The rotated unit vector, as IEEE halves.
    pub halves: Vec<u16>,
    /// Its 4-bit codes.
    pub codes: Vec<u8>,
    /// One over the length of `halves`: rounding moves it by up to 1e-4.
    pub scale: f32,
    /// The distance between the vector and what its codes say.
    pub residual: f32,
}

/// A vector to search for.
#[derive(Debug)]
pub struct Query {
    /// The rotated unit vector.
    pub values: Vec<f32>,
    /// The same in eight bits, for the scan.
    pub codes: Vec<i8>,
    /// A score is `(similarity + shift) / unit`.
    unit: f32,
    shift: f32,
    /// The distance between `values` and what `codes` say.
    residual: f32,
}

impl Query {
    /// The least score of a row whose estimated similarity is `similarity`.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is what a threshold out of reach means")]
    pub fn score(&self, similarity: f32) -> i32 {
        ((similarity + self.shift) / self.unit).floor() as i32
    }
}

impl Codec {
    /// The codec of vectors of `dim` values.
    pub fn new(dim: usize, kernels: Kernels) -> Self {
        Self { dim, rotation: Rotation::new(dim), kernels }
    }

    /// How many values a row has.
    pub fn row_len(&self) -> usize {
        self.rotation.len()
    }

    /// The unit vector, padded and rotated.
    ///
    /// # Errors
    /// `Dimension` where the length is wrong, or the vector holds NaN, infinity or only zeros; `what` names it.
    fn rotated(&self, vector: &[f32], what: impl Display) -> Result<Vec<f32>> {
        let fault = |problem: String| Err(Error::new(ErrorKind::Dimension, format!("{what} {problem}")));
        if vector.len() != self.dim {
            return fault(format!("has {} values; this index holds vectors of {}", vector.len(), self.dim));
        }
        // Of the largest value first: the square of a value near the limits of an f32 would leave them.
        let largest = vector.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        if let Some(at) = vector.iter().position(|value| !value.is_finite()) {
            return fault(format!("holds {} at position {at}; it has no direction to compare", vector[at]));
        }
        if largest == 0.0 {
            return fault("holds only zeros; it has no direction to compare".to_owned());
        }
        let mut values: Vec<f32> = Vec::with_capacity(self.row_len());
        values.extend(vector.iter().map(|value| value / largest));
        values.resize(self.row_len(), 0.0);
        // Eight sums, which the compiler keeps in registers.
        let mut sums = [0.0f32; 8];
        for eight in values.as_chunks::<8>().0 {
            for (sum, value) in sums.iter_mut().zip(eight) {
                *sum += value * value;
            }
        }
        let scale = sums.iter().sum::<f32>().sqrt().recip();
        for value in &mut values {
            *value *= scale;
        }
        self.rotation.apply(self.kernels, &mut values);
        Ok(values)
    }

    /// What the index keeps of a vector.
    ///
    /// # Errors
    /// `Dimension` for a vector without direction or of another length; `what` names it.
    pub fn row(&self, vector: &[f32], what: impl Display) -> Result<Row> {
        let halves: Vec<u16> = self.rotated(vector, what)?.into_iter().map(to_half).collect();
        Ok(Self::row_of_halves(halves))
    }

    /// The rest of a row, from its halves.
    pub fn row_of_halves(halves: Vec<u16>) -> Row {
        let root = (halves.len() as f32).sqrt();
        let mut codes = vec![0u8; halves.len() / 2];
        let (mut length, mut residual) = (0.0f32, 0.0f32);
        for (bytes, halves) in codes.chunks_exact_mut(BLOCK / 2).zip(halves.chunks_exact(BLOCK)) {
            for (at, &half) in halves.iter().enumerate() {
                let value = from_half(half);
                let code = (value * root / STEP + (CENTRE + 0.5)).clamp(0.0, 15.5).floor();
                length += value * value;
                residual += (value - (code - CENTRE) * STEP / root).powi(2);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 15")]
                let code = code as u8;
                bytes[at % (BLOCK / 2)] |= if at < BLOCK / 2 { code } else { code << 4 };
            }
        }
        Row { halves, codes, scale: length.sqrt().recip(), residual: residual.sqrt() }
    }

    /// A vector to search for.
    ///
    /// # Errors
    /// `Dimension` for a vector without direction or of another length; `what` names it.
    pub fn query(&self, vector: &[f32], what: impl Display) -> Result<Query> {
        let values = self.rotated(vector, what)?;
        let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let step = largest / 127.0;
        #[expect(clippy::cast_possible_truncation, reason = "from -127 to 127")]
        let codes: Vec<i8> = values.iter().map(|value| (value / step + ROUND - ROUND) as i8).collect();
        let sum: i32 = codes.iter().map(|&code| i32::from(code)).sum();
        let residual =
            values.iter().zip(&codes).map(|(value, &code)| (value - f32::from(code) * step).powi(2)).sum::<f32>();
        let unit = step * STEP / (values.len() as f32).sqrt();
        Ok(Query { values, codes, unit, shift: CENTRE * sum as f32 * unit, residual: residual.sqrt() })
    }

    /// By how much an estimated similarity may be off, where no row is further than `residual` from its codes.
    pub fn error(&self, query: &Query, residual: f32) -> f32 {
        let always = residual + query.residual * (1.0 + residual);
        let random = DEVIATIONS * always / (self.row_len() as f32).sqrt() + residual * residual;
        if residual <= RANDOM_UP_TO && query.residual <= RANDOM_UP_TO { random.min(always) } else { always }
    }

    /// The cosine of a query and a row.
    pub fn cosine(&self, query: &Query, halves: &[u16], scale: f32) -> f32 {
        ((self.kernels.dot)(halves, &query.values) * scale).clamp(-1.0, 1.0)
    }

    /// The unit vector that a row stands for.
    pub fn vector(&self, halves: &[u16], scale: f32) -> Vec<f32> {
        let mut values: Vec<f32> = halves.iter().map(|&half| from_half(half) * scale).collect();
        self.rotation.undo(self.kernels, &mut values);
        values.truncate(self.dim);
        values
    }

    /// The loops in use.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// How many values a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }
}
