//! Text to a unit vector.

mod model;
#[allow(unsafe_code, reason = "*/simd is where it may stand")]
mod simd;
mod static_table;
mod wordpiece;

use std::fmt::Debug;

pub use self::static_table::StaticEmbedder;
pub use self::wordpiece::{Piece, WordPiece};

/// Turns text into unit vectors. Closed set: one file a variant.
pub trait Embedder: Debug + Send + Sync {
    /// Names the embedder and its version. Vectors of two ids are never compared.
    fn id(&self) -> &'static str;

    /// Length of its vectors.
    fn dim(&self) -> usize;

    /// The vector of a text: unit length, or all zeros where the text holds nothing that the embedder knows.
    fn embed(&self, text: &str) -> Embedding;
}

/// The vector of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Which embedder made it.
    pub embedder_id: &'static str,
    /// Unit length, or all zeros.
    pub vector: Vec<f32>,
    /// How much of the text the embedder knows, in [0, 1]: the share of its words' bytes. Near 0 for other languages
    /// and for symbols; a vector of little coverage says little.
    pub coverage: f32,
}

impl Embedding {
    /// Whether the embedder found nothing that it knows.
    pub fn is_empty(&self) -> bool {
        self.vector.iter().all(|&value| value == 0.0)
    }
}
