//! Nearest neighbours by cosine: [`FlatIndex`] for a handful of vectors, [`VectorIndex`] for more.

#[cfg(test)]
mod beside_tests;
mod codes;
mod file;
mod flat;
mod graph;
#[cfg(test)]
mod graph_tests;
mod kernels;
mod link;
mod rotation;
mod rows;
mod search;
mod slots;
mod state;
#[cfg(test)]
mod tests;
mod vector_index;
mod walk;

pub use self::flat::{FlatIndex, Neighbour, cosine};
pub use self::vector_index::{IndexStats, Kind, MAX_DIM, NO_ID, VectorIndex};
