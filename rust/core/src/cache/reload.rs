//! How what was written down becomes a cache again.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use super::Cache;
use super::partition::{Dropped, Large};
use super::records::{self, Record};
use super::state::{Entry, Now, State};
use crate::error::Result;
use crate::features::Analysis;
use crate::request::Request;
use crate::store::directory::Directory;

/// What is known while a folder is read.
#[derive(Debug, Default)]
pub(super) struct Loading {
    /// Whether what is read means what it would mean if it were written now.
    pub(super) is_current: bool,
    pub(super) was_rebuilt: bool,
    pub(super) skipped: u64,
    /// The indexes of the snapshot, by partition.
    pub(super) indexes: HashMap<u128, Arc<Large>>,
    /// Whether they become the cache's own; under a budget that they would fill, vectors are taken out of them one by one.
    pub(super) has_room: bool,
}

impl Cache {
    /// Opens the indexes that go with a snapshot.
    pub(super) fn open_partitions(
        &mut self,
        directory: &Directory,
        generation: u64,
        loading: &mut Loading,
    ) -> Result<()> {
        let partitions = directory.partitions(generation)?;
        let len =
            |&partition: &u128| fs::metadata(directory.vectors(generation, partition)).map_or(0, |file| file.len());
        let bytes: u64 = partitions.iter().map(len).sum();
        loading.has_room = bytes <= self.config.max_bytes as u64 / 2;
        let total = if loading.has_room { Arc::clone(&self.state.get_mut().large_bytes) } else { Arc::default() };
        for partition in partitions {
            let large = Large::open(&directory.vectors(generation, partition), self.embedder.dim(), &total)?;
            loading.indexes.insert(partition, large);
        }
        Ok(())
    }

    /// Lets go of the opened indexes, and takes out of those that became the cache's own what is no entry's: it went while they
    /// were written.
    pub(super) fn forget_orphans(&mut self, loading: &mut Loading) {
        let state = self.state.get_mut();
        for (partition, large) in loading.indexes.drain().filter(|_| loading.has_room) {
            large.keep(|key| {
                let entry = state.slot(key).and_then(|slot| state.store.get(slot));
                entry.is_some_and(|entry| entry.partition == partition)
            });
        }
    }

    /// Does again what a record says was done.
    pub(super) fn replay(&mut self, payload: &[u8], loading: &mut Loading) {
        let now = Now { now_ms: self.clock.now_ms(), max_age_ms: u64::MAX };
        let Some(record) = records::read(payload) else {
            loading.skipped += payload.len() as u64;
            return;
        };
        let (dim, config) = (self.embedder.dim(), &self.config);
        let may_enter = |state: &State, entry: &Entry| now.is_live(entry) && state.can_hold(entry, dim, config);
        let mut dropped = Dropped::default();
        match record {
            Record::Put(entry, vector) => {
                let vector = match loading.indexes.get(&entry.partition).filter(|_| vector.is_none()) {
                    Some(_) if loading.has_room && may_enter(self.state.get_mut(), &entry) => {
                        let tenant = entry.origin.tenant.clone();
                        let state = self.state.get_mut();
                        state.enter_indexed(*entry, &loading.indexes, &mut dropped);
                        state.hold_to_quota(&tenant, &self.config, &mut dropped);
                        drop(dropped);
                        self.hold_to_budget();
                        return;
                    }
                    Some(large) => large.vector(entry.key()),
                    None => vector,
                };
                let is_whole = vector.as_ref().is_none_or(|vector| vector.len() == self.embedder.dim());
                let put = if loading.is_current && is_whole { Some((*entry, vector)) } else { self.rebuilt(*entry) };
                loading.was_rebuilt |= !loading.is_current;
                let is_semantic = self.config.is_semantic;
                let state = self.state.get_mut();
                match put {
                    Some((entry, vector)) if may_enter(state, &entry) => {
                        let tenant = entry.origin.tenant.clone();
                        let vector = vector.as_deref().filter(|_| is_semantic);
                        if let (Some((large, key)), Some(vector)) = (state.insert(entry, vector, &mut dropped), vector)
                        {
                            dropped.settle(); // what a record does again has the same key
                            large.add_waiting(key, vector);
                        }
                        state.hold_to_quota(&tenant, &self.config, &mut dropped);
                        drop(dropped);
                        self.hold_to_budget();
                    }
                    // Its time is over or there is no room for it, and it had taken the place of the one before it.
                    Some((entry, _)) => {
                        if let Some(slot) = state.store.find(entry.fingerprint) {
                            state.remove(slot, &mut dropped);
                        }
                    }
                    None => {}
                }
            }
            Record::Invalidate(selection) => {
                self.state.get_mut().take_all(&selection, &*self.embedder, &mut dropped);
            }
            Record::Wrong { asked, answered, entry_id } => {
                let state = self.state.get_mut();
                state.anchors.add(asked, answered);
                if let Some(slot) = state.store.find_id(entry_id) {
                    state.remove(slot, &mut dropped);
                }
            }
            Record::Clear => drop(self.state.get_mut().emptied(self.config.eviction)),
        }
    }

    /// An entry whose fingerprints, signature and vector mean nothing here any more, made anew from its request.
    fn rebuilt(&self, entry: Entry) -> Option<(Entry, Option<Vec<f32>>)> {
        let origin = &entry.origin;
        let request = Request::parse(origin.request.to_vec(), &origin.tenant, &origin.namespace).ok()?;
        let analysis = Analysis::new(request);
        let scope = self.key.scope(analysis.request());
        let fingerprint = self.key.exact(scope, analysis.request());
        let probe = self.may_compare(&analysis).then(|| self.probe(&analysis, scope, fingerprint));
        let partition = probe.as_ref().map_or(0, |probe| probe.partition);
        let signature = probe.as_ref().map(|probe| probe.signature).unwrap_or_default();
        Some((Entry { fingerprint, partition, signature, ..entry }, probe.map(|probe| probe.vector)))
    }
}
