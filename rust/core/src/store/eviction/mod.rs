//! What goes first when the bytes run out. One policy a file.

mod cost_aware;
mod list;
mod lru;
mod s3_fifo;

use std::fmt::Debug;

pub use self::cost_aware::CostAware;
pub use self::lru::Lru;
pub use self::s3_fifo::S3Fifo;
use super::Slot;
use crate::error::{Error, ErrorKind, Result};

/// What a policy may weigh of a new entry.
#[derive(Debug, Clone, Copy)]
pub struct Weight {
    /// Hash of the request, by which one that comes back is known.
    pub fingerprint: u64,
    /// Bytes that the entry takes.
    pub bytes: usize,
    /// What a hit saves, in nano-dollars; 0 where that is not known.
    pub cost_nano_usd: u64,
}

/// An order of eviction.
pub trait Eviction: Debug + Send {
    /// A new entry stands in this slot.
    fn on_insert(&mut self, slot: Slot, weight: Weight);
    /// The entry in this slot was served.
    fn on_hit(&mut self, slot: Slot);
    /// The entry in this slot is gone.
    fn on_remove(&mut self, slot: Slot);
    /// Whose entry should go first; `None` where there are none. The caller removes it.
    fn victim(&mut self) -> Option<Slot>;
    /// Bytes of its state.
    fn bytes(&self) -> usize;
}

/// The policies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// [`Lru`].
    #[default]
    Lru,
    /// [`S3Fifo`].
    S3Fifo,
    /// [`CostAware`].
    CostAware,
}

impl Policy {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Lru, "lru"), (Self::S3Fifo, "s3-fifo"), (Self::CostAware, "cost-aware")];

    /// The policy of that name.
    ///
    /// # Errors
    /// `Config` on any other name.
    pub fn from_name(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(|(_, name)| name).join(", ");
        let found = Self::ALL.into_iter().find(|(_, known)| *known == name);
        found
            .map(|(policy, _)| policy)
            .ok_or_else(|| Error::new(ErrorKind::Config, format!("eviction={name:?} is none of {}", known())))
    }

    /// An empty order of that kind.
    pub fn start(self) -> Box<dyn Eviction> {
        match self {
            Self::Lru => Box::new(Lru::new()),
            Self::S3Fifo => Box::new(S3Fifo::new()),
            Self::CostAware => Box::new(CostAware::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn weight(slot: Slot) -> Weight {
        Weight { fingerprint: slot.into(), bytes: 100 + 7 * slot as usize, cost_nano_usd: u64::from(slot) * 13 % 50 }
    }

    proptest! {
        /// The contract of every policy: what it would evict is held, and it evicts everything in the end.
        #[test]
        fn a_victim_is_always_one_of_those_held(
            policy in prop::sample::select(vec![Policy::Lru, Policy::S3Fifo, Policy::CostAware]),
            steps in prop::collection::vec((0u32..12, 0u8..4), 0..300),
        ) {
            let (mut order, mut held) = (policy.start(), HashSet::new());
            for (slot, step) in steps {
                match (step, held.contains(&slot)) {
                    (0, false) => {
                        order.on_insert(slot, weight(slot));
                        held.insert(slot);
                    }
                    (1, true) => order.on_hit(slot),
                    (2, true) => {
                        order.on_remove(slot);
                        held.remove(&slot);
                    }
                    (3, _) => {
                        let victim = order.victim();
                        prop_assert_eq!(victim.is_none(), held.is_empty());
                        if let Some(victim) = victim {
                            prop_assert!(held.remove(&victim));
                            order.on_remove(victim);
                        }
                    }
                    _ => {}
                }
            }
            while let Some(victim) = order.victim() {
                prop_assert!(held.remove(&victim));
                order.on_remove(victim);
            }
            prop_assert!(held.is_empty());
        }
    }

    /// Requests that come back are worth keeping; a flood of requests that are seen once is not.
    fn survivors_of_a_flood(policy: Policy, flood: u64) -> usize {
        let mut order = policy.start();
        let (mut slots, mut free, mut held) = (std::collections::HashMap::new(), (0..64u32).collect::<Vec<_>>(), 0);
        let mut ask = |number: u64| {
            if let Some(&slot) = slots.get(&number) {
                order.on_hit(slot);
                return true;
            }
            if held == 64 {
                let victim = order.victim().unwrap();
                order.on_remove(victim);
                slots.retain(|_, slot| *slot != victim);
                free.push(victim);
            } else {
                held += 1;
            }
            let slot = free.pop().unwrap();
            slots.insert(number, slot);
            order.on_insert(slot, Weight { fingerprint: number, bytes: 100, cost_nano_usd: 5 });
            false
        };
        for _ in 0..5 {
            (0..20).for_each(|number| {
                ask(number);
            });
        }
        (1_000..1_000 + flood).for_each(|number| {
            ask(number);
        });
        (0..20).filter(|&number| ask(number)).count()
    }

    #[test]
    fn what_comes_back_survives_a_flood_of_what_does_not_except_under_lru() {
        assert_eq!(survivors_of_a_flood(Policy::Lru, 100), 0);
        assert_eq!(survivors_of_a_flood(Policy::S3Fifo, 1_000), 20);
        // Its clock goes on with each entry that goes, so a flood that lasts is believed in the end.
        assert_eq!(survivors_of_a_flood(Policy::CostAware, 100), 20);
        assert_eq!(survivors_of_a_flood(Policy::CostAware, 1_000), 0);
    }

    #[test]
    fn a_policy_that_is_none_is_refused_with_the_known_ones() {
        assert_eq!(Policy::from_name("s3-fifo").unwrap(), Policy::S3Fifo);
        let error = Policy::from_name("lfu").unwrap_err();
        assert_eq!(error.to_string(), "eviction=\"lfu\" is none of lru, s3-fifo, cost-aware");
    }
}
