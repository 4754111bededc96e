//! What is kept of a vector, and what a query is turned into.
//!
//! A value of the rotated unit vector is kept in twelve bits: four that every scan and walk reads, and eight, the rest,
//! that say where in the step of the four it lies. In units of 1/256 of a step a value is `256 * code + rest - 2048` and a
//! half. The lowest and the highest step have no outer end: there the rest counts `stretch` units, as many as the
//! largest value of the vector asks for (2 or 3 for nearly every vector).

use std::fmt::Display;

use super::kernels::{BLOCK, Kernels, value};
use super::rotation::Rotation;
use crate::error::{Error, ErrorKind, Result};

/// Width of a 4-bit step, in standard deviations of a coordinate: the least square error for a normal distribution.
const STEP: f32 = 0.335;
/// The code that stands for zero lies between 7 and 8.
const CENTRE: f32 = 7.5;
/// Standard deviations of the error of an estimate that a scan allows for: 6 in 10^7 are further off, and such a row is
/// missed only where it also lies at the very edge of the k nearest.
const DEVIATIONS: f32 = 5.0;
/// Those that the end of a walk allows for.
const WALK_DEVIATIONS: f32 = 2.0;
/// Above this distance between a vector and its code, and for vectors of fewer values than a block, what codes leave out
/// is not taken as random. Vectors that are not made to defeat the rotation stay below 0.15.
const RANDOM_UP_TO: f32 = 0.3;
/// Units of a step.
const UNITS: f32 = 256.0;
/// Where the outer steps begin, in units from zero.
const OUTER: f32 = 7.0 * UNITS;
/// The largest stretch with which a value still fits sixteen bits: 42 standard deviations. A longer value, which only a
/// vector made to defeat the rotation has, and only above 1,700 values, is cut there.
pub const MAX_STRETCH: u8 = 121;
/// Adding and taking away 1.5 * 2^23 rounds a small float, without the call that `round` is at the x86-64 baseline.
const ROUND: f32 = 12_582_912.0;
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
    /// Four bits a value.
    pub code: Vec<u8>,
    /// Eight bits a value.
    pub rest: Vec<u8>,
    /// Units of the rest in the outer steps.
    pub stretch: u8,
    /// One over the length of the values.
    pub scale: f32,
    /// What its code alone leaves out.
    pub loss: Loss,
}

/// What the code of a row leaves out of the unit vector, or the most that the codes of several do.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loss {
    /// The distance between vector and code.
    pub distance: f32,
    /// Its part along the vector: by so much an estimate is off in proportion to the similarity. The rest is random.
    pub along: f32,
}

impl Loss {
    /// The most of two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { distance: self.distance.max(other.distance), along: self.along.max(other.along) }
    }
}

/// A vector to search for.
#[derive(Debug)]
pub struct Query {
    /// The rotated unit vector.
    pub values: Vec<f32>,
    /// The same in eight bits, for the scan.
    pub codes: Vec<i8>,
    /// The same in sixteen bits, for a comparison that leaves nearly nothing in doubt: as fine as the product with a row
    /// fits 32.
    fine: Vec<i16>,
    fine_unit: f32,
    /// What `fine` leaves out changes no cosine by more.
    fine_error: f32,
    /// A score is `(similarity + shift) / unit`.
    unit: f32,
    shift: f32,
    /// The distance between `values` and what `codes` say.
    residual: f32,
    /// Half the sum of `values`: what the halves of a row's values add to a product.
    half_sum: f32,
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

    /// Whether a vector has a direction; gives its largest value.
    ///
    /// # Errors
    /// `Dimension` where the length is wrong, or the vector holds NaN, infinity or only zeros; `what` names it.
    pub fn check(&self, vector: &[f32], what: impl Display) -> Result<f32> {
        let fault = |problem: String| Err(Error::new(ErrorKind::Dimension, format!("{what} {problem}")));
        if vector.len() != self.dim {
            return fault(format!("has {} values; this index holds vectors of {}", vector.len(), self.dim));
        }
        // Eight at a time, which the compiler keeps in registers. A NaN is lost in a maximum, and kept in a sum.
        let (mut largest, mut sums) = ([0.0f32; 8], [0.0f32; 8]);
        let (eights, few) = vector.as_chunks::<8>();
        for eight in eights {
            for ((largest, sum), value) in largest.iter_mut().zip(&mut sums).zip(eight) {
                *largest = largest.max(value.abs());
                *sum += value * 0.0;
            }
        }
        let largest = few.iter().chain(&largest).fold(0.0f32, |largest, value| largest.max(value.abs()));
        // Infinity times zero is NaN as well.
        if (few.iter().map(|value| value * 0.0).sum::<f32>() + sums.iter().sum::<f32>()).is_nan()
            && let Some(at) = vector.iter().position(|value| !value.is_finite())
        {
            return fault(format!("holds {} at position {at}; it has no direction to compare", vector[at]));
        }
        if largest == 0.0 {
            return fault("holds only zeros; it has no direction to compare".to_owned());
        }
        Ok(largest)
    }

    /// The unit vector, padded and rotated.
    ///
    /// # Errors
    /// `Dimension`, as for [`Codec::check`].
    fn rotated(&self, vector: &[f32], what: impl Display) -> Result<Vec<f32>> {
        // Of the largest value first: the square of a value near the limits of an f32 would leave them.
        let largest = self.check(vector, what)?;
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
        let mut units = self.rotated(vector, what)?;
        let root = (units.len() as f32).sqrt();
        for value in &mut units {
            *value *= root / STEP * UNITS;
        }
        let largest = units.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let stretch = ((largest - OUTER - 0.5) / 255.0).ceil().clamp(1.0, f32::from(MAX_STRETCH));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 121")]
        let mut row = Row {
            code: vec![0; units.len() / 2],
            rest: vec![0; units.len()],
            stretch: stretch as u8,
            scale: 0.0,
            loss: Loss::default(),
        };
        let mut length = 0.0f32;
        for (at, &unit) in units.iter().enumerate() {
            let (nibble, rest) = parts(unit, stretch);
            row.code[at / BLOCK * (BLOCK / 2) + at % (BLOCK / 2)] |=
                if at % BLOCK < BLOCK / 2 { nibble } else { nibble << 4 };
            row.rest[at] = rest;
            length += (f32::from(value(nibble, rest, row.stretch)) + 0.5).powi(2);
        }
        row.scale = length.sqrt().recip();
        row.loss = self.loss(&row);
        Ok(row)
    }

    fn loss(&self, row: &Row) -> Loss {
        let step = STEP / (self.row_len() as f32).sqrt();
        let (mut distance, mut along) = (0.0f32, 0.0f32);
        for (at, value) in self.values(&row.code, &row.rest, row.stretch, row.scale).enumerate() {
            let left = value - (f32::from(nibble(&row.code, at)) - CENTRE) * step;
            distance += left * left;
            along += left * value;
        }
        Loss { distance: distance.sqrt(), along: along.abs() }
    }

    /// The rotated unit vector that a row stands for.
    fn values<'a>(&self, code: &'a [u8], rest: &'a [u8], stretch: u8, scale: f32) -> impl Iterator<Item = f32> + 'a {
        (0..self.row_len()).map(move |at| (f32::from(value(nibble(code, at), rest[at], stretch)) + 0.5) * scale)
    }

    /// A vector to search for.
    ///
    /// # Errors
    /// `Dimension` for a vector without direction or of another length; `what` names it.
    pub fn query(&self, vector: &[f32], what: impl Display) -> Result<Query> {
        let values = self.rotated(vector, what)?;
        let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let unit = largest / 127.0;
        #[expect(clippy::cast_possible_truncation, reason = "from -127 to 127")]
        let codes: Vec<i8> = values.iter().map(|value| (value / unit + ROUND - ROUND) as i8).collect();
        let sum: i32 = codes.iter().map(|&code| i32::from(code)).sum();
        let residual = residual(&values, &codes, unit);
        let root = (values.len() as f32).sqrt();
        // The length of a row is `UNITS / STEP * root`, or a little more.
        let fine_unit = (largest / 32_767.0).max(1.1 * UNITS / STEP * root / 2_147_483_648.0);
        #[expect(clippy::cast_possible_truncation, reason = "from -32767 to 32767")]
        let fine: Vec<i16> = values.iter().map(|value| (value / fine_unit + ROUND - ROUND) as i16).collect();
        let fine_error = self::residual(&values, &fine, fine_unit);
        let unit = unit * STEP / root;
        let half_sum = values.iter().sum::<f32>() / 2.0;
        let shift = CENTRE * sum as f32 * unit;
        Ok(Query { values, codes, fine, fine_unit, fine_error, unit, shift, residual, half_sum })
    }

    /// The least that a row of at least this similarity can be estimated at, where no code leaves out more than `loss`.
    ///
    /// An estimate is the product with the code, `x - l` for a row `x`. The part of `l` along `x` takes the similarity
    /// with it, and the rest meets only what of the query is across `x`: by Cauchy and Schwarz the error is at most
    /// `along * c + distance * sqrt(1 - c^2)`, and what the rounding of the query adds. That always holds; where `l` has
    /// no direction, it meets what is across by one part in the root of their length, and five deviations are far less.
    pub fn least(&self, query: &Query, loss: Loss, similarity: f32) -> f32 {
        let rounded = query.residual * (1.0 + loss.distance) + 1e-5;
        let certain = estimated(loss, similarity, loss.distance) - rounded;
        if self.dim < BLOCK || loss.distance > RANDOM_UP_TO || query.residual > RANDOM_UP_TO {
            return certain;
        }
        certain.max(self.but_for(DEVIATIONS, query, loss, similarity))
    }

    /// What all but a few rows of this similarity are estimated at, if what codes leave out has no direction.
    pub fn likely(&self, query: &Query, loss: Loss, similarity: f32) -> f32 {
        self.but_for(WALK_DEVIATIONS, query, loss, similarity)
    }

    fn but_for(&self, deviations: f32, query: &Query, loss: Loss, similarity: f32) -> f32 {
        let random = (deviations / (self.row_len() as f32).sqrt()).min(1.0);
        estimated(loss, similarity, random * loss.distance) - random * query.residual
    }

    /// The cosine of a query and a row.
    pub fn cosine(&self, query: &Query, code: &[u8], rest: &[u8], stretch: u8, scale: f32) -> f32 {
        (((self.kernels.dot)(code, rest, stretch, &query.values) + query.half_sum) * scale).clamp(-1.0, 1.0)
    }

    /// What the cosine of a query and a row is at most: a little more than it is.
    pub fn most(&self, query: &Query, code: &[u8], rest: &[u8], stretch: u8, scale: f32) -> f32 {
        let product = (self.kernels.product)(code, rest, stretch, &query.fine) as f32 * query.fine_unit;
        // And what the sums of both are rounded by.
        (product + query.half_sum) * scale + query.fine_error + 1e-5
    }

    /// The unit vector that a row stands for.
    pub fn vector(&self, code: &[u8], rest: &[u8], stretch: u8, scale: f32) -> Vec<f32> {
        let mut values: Vec<f32> = self.values(code, rest, stretch, scale).collect();
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

/// The least estimate of a row of this similarity, if `across` is what its code leaves out across it, as far as a query
/// meets it.
fn estimated(loss: Loss, similarity: f32, across: f32) -> f32 {
    if similarity <= 0.0 {
        similarity - loss.along - across
    } else {
        let similarity = similarity.min(1.0);
        similarity * (1.0 - loss.along) - (1.0 - similarity * similarity).sqrt() * across
    }
}

/// The distance between values and what their codes, in a unit, say.
fn residual<T: Copy + Into<f32>>(values: &[f32], codes: &[T], unit: f32) -> f32 {
    values.iter().zip(codes).map(|(value, &code)| (value - code.into() * unit).powi(2)).sum::<f32>().sqrt()
}

/// The four bits of a value.
fn nibble(code: &[u8], at: usize) -> u8 {
    let byte = code[at / BLOCK * (BLOCK / 2) + at % (BLOCK / 2)];
    if at % BLOCK < BLOCK / 2 { byte & 15 } else { byte >> 4 }
}

/// The step of a value given in units, and the rest: the two parts that [`value`] puts together.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what the types hold")]
fn parts(unit: f32, stretch: f32) -> (u8, u8) {
    let outside = unit.abs() - OUTER;
    if outside >= 0.0 {
        let rest = ((outside - 0.5) / stretch + ROUND - ROUND).clamp(0.0, 255.0) as u8;
        if unit > 0.0 { (15, rest) } else { (0, 255 - rest) }
    } else {
        let whole = (unit + 8.0 * UNITS) as u16;
        ((whole >> 8) as u8, (whole & 255) as u8)
    }
}

/// The product of a unit vector with itself, where both are rows in eight bits.
pub fn self_product(len: usize) -> f32 {
    len as f32 * (UNITS / STEP / 32.0).powi(2)
}
