//! A request and what is known about it, computed when first asked, and once.

use std::sync::OnceLock;

use super::{Features, language};
use crate::embed::{Embedder, Embedding};
use crate::request::Request;
use crate::tokens;

/// A model whose tokenizer is `o200k_base` and whose chat format is published.
const YARDSTICK: &str = "gpt-4o";

/// The one object that every step of the path reads.
///
/// Nothing is computed before a step asks for it, so the exact tier pays for neither features nor embedding; what one
/// step computed the next one finds. Shared between threads freely.
#[derive(Debug)]
pub struct Analysis {
    request: Request,
    features: OnceLock<Features>,
    embedding: OnceLock<Embedding>,
    input_tokens: OnceLock<u32>,
    language: OnceLock<Option<&'static str>>,
}

impl Analysis {
    /// Nothing is known yet but the request.
    pub fn new(request: Request) -> Self {
        Self {
            request,
            features: OnceLock::new(),
            embedding: OnceLock::new(),
            input_tokens: OnceLock::new(),
            language: OnceLock::new(),
        }
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What one pass over the text found.
    pub fn features(&self) -> &Features {
        self.features.get_or_init(|| Features::extract(&self.request))
    }

    /// The vector of the frame: of the text without its slots, or of the whole text where nothing else is left.
    ///
    /// Kept for the embedder that asked first; another one gets a vector made anew.
    pub fn with_embedding<T>(&self, embedder: &dyn Embedder, read: impl FnOnce(&Embedding) -> T) -> T {
        let embed = || {
            let frame = &self.features().slots.frame;
            embedder.embed(if frame.is_empty() { self.request.text() } else { frame })
        };
        let kept = self.embedding.get_or_init(embed);
        if kept.embedder_id == embedder.id() { read(kept) } else { read(&embed()) }
    }

    /// The language of the text without its slots, see [`language`]. No step of the path asks for it.
    pub fn language(&self) -> Option<&'static str> {
        *self.language.get_or_init(|| language(&self.features().slots.frame))
    }

    /// Tokens of the whole request in `o200k_base`: messages, tools, images, and what the chat format adds.
    ///
    /// Before a model is chosen there is no tokenizer to ask for; this one is the yardstick that routes are compared by.
    pub fn input_tokens(&self) -> u32 {
        *self.input_tokens.get_or_init(|| {
            let body = self.request.body();
            // A body that the counter does not understand is still a request: 4 bytes a token, the usual estimate.
            let tokens = tokens::count_request(body, YARDSTICK).map_or(body.len() / 4, |count| count.tokens);
            u32::try_from(tokens).unwrap_or(u32::MAX)
        })
    }
}
