//! Text to a unit vector.

mod hashed;

use std::fmt::Debug;

pub use self::hashed::HashedEmbedder;

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
}

impl Embedding {
    /// Whether the embedder found nothing that it knows.
    pub fn is_empty(&self) -> bool {
        self.vector.iter().all(|&value| value == 0.0)
    }
}
