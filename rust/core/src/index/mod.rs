//! Nearest neighbours by cosine: [`FlatIndex`] for a handful of vectors, [`VectorIndex`] for more.

mod codes;
mod file;
mod flat;
mod kernels;
mod rotation;
#[cfg(test)]
mod tests;
mod vector_index;

pub use self::flat::{FlatIndex, Neighbour};
pub use self::vector_index::{IndexStats, MAX_DIM, NO_ID, VectorIndex};
