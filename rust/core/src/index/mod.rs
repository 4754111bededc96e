//! Nearest neighbours by cosine.

mod flat;

pub use self::flat::{FlatIndex, Neighbour};
