//! The path as one call: the bytes of a request in, a decision out.
//!
//! Every step is the one that the step-by-step API calls; nothing is decided here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cache::{Cache, Hit};
use crate::error::Result;
use crate::features::Analysis;
use crate::request::Request;
use crate::router::{RouteDecision, Router};

/// Cache and router, joined.
#[derive(Debug, Clone)]
pub struct Engine {
    cache: Option<Arc<Cache>>,
    router: Arc<Router>,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Outcome {
    /// Serve this.
    Hit(Hit),
    /// Ask one of these models, then [`Cache::put`] the answer.
    Route(RouteDecision),
}

/// What to do with a request, what is known about it by now, and how long each step took.
#[derive(Debug)]
pub struct Decision {
    /// What to do.
    pub outcome: Outcome,
    /// The request, ready to be stored without being read again.
    pub analysis: Arc<Analysis>,
    /// Steps in their order.
    pub timings: [(&'static str, Duration); 3],
}

impl Engine {
    /// An engine; without a cache every request is routed.
    pub fn new(cache: Option<Arc<Cache>>, router: Arc<Router>) -> Self {
        Self { cache, router }
    }

    /// Decides one request.
    ///
    /// # Errors
    /// `Text` where the body is no chat request, `NoCandidate` where no model can take it.
    pub fn decide(&self, body: Vec<u8>, tenant: &str, namespace: &str) -> Result<Decision> {
        let start = Instant::now();
        let analysis = Arc::new(Analysis::new(Request::parse(body, tenant, namespace)?));
        let parsed = Instant::now();
        let hit = self.cache.as_ref().and_then(|cache| cache.get(&analysis));
        let looked_up = Instant::now();
        let outcome = match hit {
            Some(hit) => Outcome::Hit(hit),
            None => Outcome::Route(self.router.route(&analysis)?),
        };
        let timings = [("request", parsed - start), ("cache", looked_up - parsed), ("route", looked_up.elapsed())];
        Ok(Decision { outcome, analysis, timings })
    }
}
