//! What each tenant holds, so that none pushes the others out.

use std::collections::VecDeque;
use std::hash::RandomState;

use hashbrown::HashMap;

use super::state::{Entry, Store};
use crate::heap;
use crate::store::Slot;

/// Bytes and entries by tenant. O(1) an entry, amortised.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    by_tenant: HashMap<String, Holding, RandomState>,
    heap: usize,
}

#[derive(Debug, Default)]
struct Holding {
    bytes: usize,
    entries: usize,
    /// In the order in which they came, gone ones among them: a slot holds the entry of that id, or the entry is gone.
    order: VecDeque<(Slot, u128)>,
}

impl Holding {
    fn heap(&self) -> usize {
        heap::allocated(self.order.capacity() * size_of::<(Slot, u128)>())
    }
}

impl Quotas {
    pub(super) fn bytes(&self) -> usize {
        self.by_tenant.allocation_size() + self.heap
    }

    /// What a tenant's entries take, their vectors included.
    pub(super) fn held(&self, tenant: &str) -> usize {
        self.by_tenant.get(tenant).map_or(0, |holding| holding.bytes)
    }

    pub(super) fn add(&mut self, slot: Slot, entry: &Entry, bytes: usize) {
        let holding = self.by_tenant.entry_ref(&*entry.origin.tenant).or_insert_with(|| {
            self.heap += heap::allocated(entry.origin.tenant.len());
            Holding::default()
        });
        let before = holding.heap();
        holding.bytes += bytes;
        holding.entries += 1;
        holding.order.push_back((slot, entry.id));
        self.heap = self.heap + holding.heap() - before;
    }

    pub(super) fn remove(&mut self, entry: &Entry, bytes: usize, store: &Store) {
        let tenant = &*entry.origin.tenant;
        let Some(holding) = self.by_tenant.get_mut(tenant) else { return };
        let before = holding.heap();
        holding.bytes -= bytes;
        holding.entries -= 1;
        if holding.order.len() > 2 * holding.entries + 16 {
            holding.order.retain(|&(slot, id)| store.get(slot).is_some_and(|entry| entry.id == id));
            holding.order.shrink_to(holding.entries + holding.entries / 2);
        }
        self.heap = self.heap + holding.heap() - before;
        if holding.entries == 0 {
            self.heap -= holding.heap() + heap::allocated(tenant.len());
            self.by_tenant.remove(tenant);
        }
    }

    /// The entry of a tenant that came first.
    pub(super) fn oldest(&mut self, tenant: &str, store: &Store) -> Option<Slot> {
        let order = &mut self.by_tenant.get_mut(tenant)?.order;
        while let Some(&(slot, id)) = order.front() {
            if store.get(slot).is_some_and(|entry| entry.id == id) {
                return Some(slot);
            }
            order.pop_front();
        }
        None
    }
}
