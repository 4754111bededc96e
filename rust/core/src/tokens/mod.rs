//! Exact token counts.
//!
//! A text is cut into pieces by the encoding's split pattern (`pattern`, `window`, `simd`); a piece that is a token or
//! that was seen lately costs one probe of a table (`memo`, `vocabulary`); any other is encoded by `merge`. Counts are
//! those of tiktoken 0.14, with the tables of Unicode 16. The design, its invariant and its limit: `docs/algorithms/tokens.md`.

// In this module the casts narrow what has just been masked or shifted to fit, and the functions that are always inlined
// must be: a vector path only has its CPU features where it is inlined into the function that declares them.
#![allow(clippy::cast_possible_truncation, clippy::inline_always)]

mod chunks;
mod classes;
mod count;
mod cut;
mod encoding;
mod estimate;
mod fit;
mod images;
mod json;
mod layout;
mod memo;
mod merge;
mod models;
mod pattern;
mod reader;
mod request;
mod simd;
mod special;
mod tools;
mod vocabulary;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only the vector paths use windows"))]
mod window;

#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod tests;

pub use cut::Keep;
pub use encoding::Encoding;
pub use estimate::estimate_text;
pub use fit::{Cut, Fit, Policy, fit};
pub use models::encoding_for_model;
pub use request::{TokenCount, count_request};
pub use simd::Path;
pub use special::Specials;
