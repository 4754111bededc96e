//! How a cache is made, and what is said of an answer when it is stored.

use crate::error::{Error, ErrorKind, Result};
use crate::store::eviction::Policy;

/// How a cache is made. [`Cache::new`](super::Cache::new) checks the ranges.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// Budget for everything that the cache holds, in bytes.
    pub max_bytes: usize,
    /// How long an answer may be served, in milliseconds from its birth; `None` = for ever.
    pub ttl_ms: Option<u64>,
    /// The same for requests that ask for what changes ("today", "latest"), where it is shorter; `None` = no difference.
    pub stale_ttl_ms: Option<u64>,
    /// By how much of it a time to live may be shortened, by chance, so that what was stored together does not end together;
    /// in [0, 1).
    pub ttl_jitter: f32,
    /// What goes first when the bytes run out.
    pub eviction: Policy,
    /// How much of `max_bytes` one tenant may hold, in (0, 1]; `None` = all.
    pub tenant_share: Option<f32>,
    /// Whether requests are compared by meaning at all.
    pub is_semantic: bool,
    /// Least cosine for a hit, in [-1, 1].
    pub similarity_threshold: f32,
    /// Least cosine for a hit where both requests carry the same id or amount, in [-1, 1].
    pub slot_similarity_threshold: f32,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            ttl_ms: Some(3_600_000),
            stale_ttl_ms: None,
            ttl_jitter: 0.0,
            eviction: Policy::default(),
            tenant_share: None,
            is_semantic: true,
            similarity_threshold: 0.95,
            slot_similarity_threshold: 0.70,
        }
    }
}

impl CacheConfig {
    /// # Errors
    /// `Config` where a value is out of its range.
    pub(super) fn check(&self) -> Result<()> {
        for (name, threshold) in [
            ("similarity_threshold", self.similarity_threshold),
            ("slot_similarity_threshold", self.slot_similarity_threshold),
        ] {
            if !(-1.0..=1.0).contains(&threshold) {
                let context = format!("{name}={threshold} is outside [-1, 1]; cosine similarity was meant?");
                return Err(Error::new(ErrorKind::Config, context));
            }
        }
        if !(0.0..1.0).contains(&self.ttl_jitter) {
            let context = format!("ttl_jitter={} is outside [0, 1)", self.ttl_jitter);
            return Err(Error::new(ErrorKind::Config, context));
        }
        if let Some(share) = self.tenant_share.filter(|&share| !(share > 0.0 && share <= 1.0)) {
            let context = format!("tenant_share={share} is outside (0, 1]; None lets one tenant hold everything");
            return Err(Error::new(ErrorKind::Config, context));
        }
        Ok(())
    }

    /// How many bytes one tenant's entries may take, where that is bounded.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a number of bytes")]
    pub(super) fn quota(&self) -> Option<usize> {
        self.tenant_share.map(|share| (self.max_bytes as f64 * f64::from(share)) as usize)
    }
}

/// What is said of an answer when it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// How long it may be served, in milliseconds from its birth; `None` = the cache's own setting.
    pub ttl_ms: Option<u64>,
    /// When it was made, on the cache's clock; `None` = now, and so is any later time.
    pub born_ms: Option<u64>,
    /// What it was made from.
    pub sources: Box<[Box<str>]>,
    /// Names to find it by.
    pub tags: Box<[Box<str>]>,
    /// Who stores it.
    pub writer: Box<str>,
}
