//! Who asked, and how long it took: the part of a cache's numbers that is no plain counter.

use std::hash::{Hash, RandomState};

use hashbrown::{Equivalent, HashMap};

use super::HitKind;
use crate::meter::Latencies;

/// Scopes that are told apart, the first that come; the others are counted together.
///
/// A tenant a user is a common way to use the cache, and numbers must not grow with its users.
pub const MOST_SCOPES: usize = 256;

/// Bytes up to which the name of a tenant or namespace is kept.
const LONGEST_NAME: usize = 256;

/// Look-ups of one tenant and namespace.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ScopeStats {
    /// Looked up.
    pub lookups: u64,
    /// Served by the exact tier.
    pub exact_hits: u64,
    /// Served by the semantic tier.
    pub semantic_hits: u64,
}

/// What was seen since the cache was made. At most 320 KB, which the byte budget leaves out.
#[derive(Debug, Default, Clone)]
pub struct Observed {
    by_scope: HashMap<Scope, ScopeStats, RandomState>,
    /// Look-ups of the scopes that are not told apart.
    pub others: ScopeStats,
    /// Look-ups that the exact tier served.
    pub exact: Latencies,
    /// Look-ups that the semantic tier served.
    pub semantic: Latencies,
    /// Look-ups that found nothing.
    pub miss: Latencies,
    /// Answers stored.
    pub put: Latencies,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Scope(Box<str>, Box<str>);

/// The same, borrowed: a look-up allocates nothing.
#[derive(Hash)]
struct Asked<'a>(&'a str, &'a str);

impl Equivalent<Scope> for Asked<'_> {
    fn equivalent(&self, held: &Scope) -> bool {
        *self.0 == *held.0 && *self.1 == *held.1
    }
}

impl Observed {
    /// Each scope that is told apart, as tenant, namespace and its numbers; in no order.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, &str, ScopeStats)> {
        self.by_scope.iter().map(|(Scope(tenant, namespace), stats)| (&**tenant, &**namespace, *stats))
    }

    /// Notes a look-up: who served it, and what it took.
    pub(super) fn looked_up(&mut self, tenant: &str, namespace: &str, found: Option<HitKind>, ns: u64) {
        let scope = self.scope(tenant, namespace);
        scope.lookups += 1;
        let latencies = match found {
            Some(HitKind::Exact) => {
                scope.exact_hits += 1;
                &mut self.exact
            }
            Some(HitKind::Semantic) => {
                scope.semantic_hits += 1;
                &mut self.semantic
            }
            None => &mut self.miss,
        };
        latencies.record(ns);
    }

    /// Makes an exact hit of a look-up that was noted as a miss. What it took stays where it was noted.
    pub(super) fn found_after_all(&mut self, tenant: &str, namespace: &str) {
        self.scope(tenant, namespace).exact_hits += 1;
    }

    fn scope(&mut self, tenant: &str, namespace: &str) -> &mut ScopeStats {
        let is_known = self.by_scope.contains_key(&Asked(tenant, namespace));
        let is_short = tenant.len().max(namespace.len()) <= LONGEST_NAME;
        if !is_known && is_short && self.by_scope.len() < MOST_SCOPES {
            self.by_scope.insert(Scope(tenant.into(), namespace.into()), ScopeStats::default());
        }
        self.by_scope.get_mut(&Asked(tenant, namespace)).unwrap_or(&mut self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_told_apart_up_to_a_number() {
        let mut observed = Observed::default();
        for number in 0..MOST_SCOPES + 3 {
            observed.looked_up(&number.to_string(), "", None, 1);
        }
        observed.looked_up("0", "", Some(HitKind::Exact), 1);
        observed.looked_up(&"x".repeat(LONGEST_NAME + 1), "", Some(HitKind::Semantic), 1);

        let first = observed.scopes().find(|(tenant, ..)| *tenant == "0").map(|(.., stats)| stats);
        assert_eq!(first, Some(ScopeStats { lookups: 2, exact_hits: 1, semantic_hits: 0 }));
        assert_eq!(observed.scopes().count(), MOST_SCOPES);
        assert_eq!(observed.others, ScopeStats { lookups: 4, exact_hits: 0, semantic_hits: 1 });
        assert_eq!((observed.exact.count(), observed.semantic.count(), observed.miss.count()), (1, 1, 259));
    }

    #[test]
    fn tenant_and_namespace_do_not_run_together() {
        let mut observed = Observed::default();
        observed.looked_up("ab", "c", None, 1);
        observed.looked_up("a", "bc", None, 1);

        assert_eq!(observed.scopes().count(), 2);
    }
}
