//! compound-fast-core: from the bytes of a chat request to a decision.
//!
//! The modules stand in the order of the path:
//!
//! ```text
//! request -> cache: exact -> features -> embed -> cache: semantic -> route -> (dispatch, in Python) -> store + meter
//! ```
//!
//! [`engine`] runs it as one call. Imports go down only; `tests/layers.rs` holds that.

pub mod error;

pub mod clock;

pub mod heap;

mod simd;

pub mod disk;

pub mod container;

pub mod request;

pub mod tokens;

pub mod embed;

pub mod features;

pub mod index;

pub mod store;

pub mod cache;

pub mod meter;

pub mod router;

pub mod engine;
