//! compound-fast-core: from the bytes of a chat request to a decision.
//!
//! The modules stand in the order of the path:
//!
//! ```text
//! request -> cache: exact -> features -> embed -> cache: semantic, verified -> route -> (dispatch, in Python) -> store + meter
//! ```

pub mod error;
pub mod tokens;
