//! The static table: the vector of a text is the normalised sum of the rows of its word pieces.
//!
//! The rows carry their SIF weight and were trained so that the sum points where a sentence encoder's vector points;
//! `training/` builds the file, the card beside it says from what.

use std::sync::{Arc, LazyLock};

use super::model::Model;
use super::simd::Adder;
use super::wordpiece::{UNKNOWN, WordPiece};
use super::{Embedder, Embedding};
use crate::error::{Error, ErrorKind, Result};

/// The file that ships.
static SHIPPED: &[u8] = include_bytes!("../../models/static-en-v1.cfm");

static EMBEDDER: LazyLock<Result<Arc<StaticEmbedder>>> = LazyLock::new(|| StaticEmbedder::new(SHIPPED).map(Arc::new));

/// Text to vector by table look-up. English first.
///
/// Sees no word order: "from Oslo to Bergen" and "from Bergen to Oslo" have one vector, so nothing that hangs on order,
/// negation or numbers may rest on it alone. About 20 ns a word piece and 40 ns a row; no allocation but the vector.
#[derive(Debug)]
pub struct StaticEmbedder {
    model: Model,
    pieces: WordPiece,
    adder: Adder,
}

impl StaticEmbedder {
    /// An embedder over a model file that lives as long as the process.
    ///
    /// # Errors
    /// `Config` where it is no model file of a known schema.
    pub fn new(file: &'static [u8]) -> Result<Self> {
        let model = Model::read(file)?;
        let pieces = WordPiece::new(model.vocabulary)?;
        if pieces.len() != model.pieces() {
            let context = format!("model file with {} rows for {} pieces", model.pieces(), pieces.len());
            return Err(Error::new(ErrorKind::Config, context));
        }
        Ok(Self { model, pieces, adder: Adder::new() })
    }

    /// The shipped table, made on first use (about 1 ms) and shared after that.
    ///
    /// # Errors
    /// `Internal` where the file that was compiled in is damaged.
    pub fn shipped() -> Result<Arc<Self>> {
        match &*EMBEDDER {
            Ok(embedder) => Ok(Arc::clone(embedder)),
            Err(error) => Err(Error::new(ErrorKind::Internal, format!("the shipped embedding: {error}"))),
        }
    }

    /// Its tokenizer.
    pub fn wordpiece(&self) -> &WordPiece {
        &self.pieces
    }

    /// Writes the vector of a text into `out`, and gives its coverage in [0, 1].
    ///
    /// `out` is left at zeros where the text holds no piece.
    ///
    /// # Panics
    /// Where `out` is not [`Embedder::dim`] long.
    pub fn embed_into(&self, text: &str, out: &mut [f32]) -> f32 {
        assert_eq!(out.len(), self.model.dim, "one number a dimension");
        out.fill(0.0);
        let (mut bytes, mut known) = (0u32, 0u32);
        self.pieces.each(text, |piece| {
            let id = piece.id as usize;
            if piece.id == UNKNOWN {
                bytes += piece.bytes;
                return self.add_unknown(piece.word, out);
            }
            let (scale, row) = self.model.row(id);
            if self.model.bits == 4 {
                self.adder.add4(out, scale, row);
            } else {
                self.adder.add8(out, scale, row);
            }
            if !is_sign(self.pieces.text_of(id)) {
                bytes += piece.bytes;
                // Short scraps of a word that was never seen are no knowledge of it.
                let is_known = (piece.is_whole || piece.bytes >= 3) && self.model.is_seen(id);
                known += if is_known { piece.bytes } else { 0 };
            }
        });
        let norm = out.iter().map(|value| value * value).sum::<f32>().sqrt();
        if norm > 0.0 {
            let scale = 1.0 / norm;
            for value in out.iter_mut() {
                *value *= scale;
            }
        }
        if bytes == 0 { 0.0 } else { known as f32 / bytes as f32 }
    }

    /// A word that the vocabulary cannot spell gets a row of its own, of signs drawn from its hash, so that two such
    /// words stand far apart instead of on one "unknown" row.
    fn add_unknown(&self, word: u64, out: &mut [f32]) {
        let size = 1.0 / (self.model.dim as f32).sqrt();
        let mut state = word;
        for part in out.chunks_mut(32) {
            state = (state ^ state >> 31).wrapping_mul(0x94d0_49bb_1331_11eb).wrapping_add(0x9e37_79b9_7f4a_7c15);
            for (bit, value) in part.iter_mut().enumerate() {
                *value += if state >> (16 + bit) & 1 == 1 { size } else { -size };
            }
        }
    }
}

/// Punctuation and other signs are embedded, but they are no words that could be known.
fn is_sign(piece: &str) -> bool {
    piece.len() == 1 && !piece.as_bytes()[0].is_ascii_alphanumeric()
}

impl Embedder for StaticEmbedder {
    fn id(&self) -> &'static str {
        self.model.id
    }

    fn dim(&self) -> usize {
        self.model.dim
    }

    fn embed(&self, text: &str) -> Embedding {
        let mut vector = vec![0.0; self.model.dim];
        let coverage = self.embed_into(text, &mut vector);
        Embedding { embedder_id: self.model.id, vector, coverage }
    }
}

#[cfg(test)]
#[path = "static_table_tests.rs"]
mod tests;
