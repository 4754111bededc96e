//! Keyed 128-bit fingerprints of a request: of its scope (who asks, and how), and of the whole.
//!
//! The key is random and belongs to one cache, so that nobody can prepare two requests that collide. The first byte
//! under the hash is the version: a change of the canonical form can never meet entries of the old one.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::Request;

/// Version of the canonical form and of what the scope holds.
const VERSION: u8 = 3;

/// The secret key of one cache's fingerprints.
#[derive(Clone)]
pub struct FingerprintKey([u8; 16]);

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey(secret)")
    }
}

impl FingerprintKey {
    /// The key made of these bytes; they should be random.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The scope of a request: its tenant, namespace, model, system prompt, tools, response format, sampling, history.
    pub fn scope(&self, request: &Request) -> u128 {
        self.hash(b's', &[request.identity(), request.context()])
    }

    /// The whole request: `scope`, and the last user turn.
    pub fn exact(&self, scope: u128, request: &Request) -> u128 {
        self.hash(b'x', &[&scope.to_le_bytes(), request.text().as_bytes()])
    }

    /// A part of a scope, named by what its requests share to the byte.
    pub fn partition(&self, scope: u128, literals: &[u8]) -> u128 {
        self.hash(b'p', &[&scope.to_le_bytes(), literals])
    }

    /// The id of the `count`-th entry that a cache makes.
    pub fn entry_id(&self, count: u128) -> u128 {
        self.hash(b'e', &[&count.to_le_bytes()])
    }

    fn hash(&self, purpose: u8, parts: &[&[u8]]) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&[VERSION, purpose]);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }
}
