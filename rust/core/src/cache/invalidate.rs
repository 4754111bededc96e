//! What goes on request, and the walk through what is there.

use std::sync::Arc;

use super::partition::Dropped;
use super::records;
use super::select::{Meant, Selection};
use super::state::{Entry, State};
use super::{Cache, Hit};
use crate::embed::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Label, Slot};

/// Slots that a walk looks at before it lets others in.
const PAGE: usize = 512;

/// An entry with what is known about it from outside.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The entry.
    pub entry: Arc<Entry>,
    /// How long ago it was made, in milliseconds.
    pub age_ms: u64,
    /// Bytes that it takes by itself: vector and places in the tables left out.
    pub bytes: usize,
}

impl Cache {
    /// Removes the entries that are meant, and gives how many they were; with `is_dry_run` only that.
    ///
    /// An entry id, a source and a tag are found by their own tables, however much else is held, and all their entries go
    /// in one step. Without one of these every entry is looked at, a few hundred at a time; with `near` the vector of each
    /// that is left is compared as well.
    ///
    /// # Errors
    /// `Config` where the selection says nothing ([`Cache::clear`] is what removes everything), or `near` can find nothing:
    /// this cache compares nothing by meaning, or its embedder knows too little of the text. `Cache` where the disk could
    /// not be told; the entries are gone from memory then, and may come back with the next process.
    pub fn invalidate(&self, selection: &Selection, is_dry_run: bool) -> Result<u64> {
        if selection.is_everything() {
            let context =
                "invalidate() was not told what; name an entry_id, source, tag, tenant, namespace, writer or near";
            return Err(Error::new(ErrorKind::Config, format!("{context}, or call clear() to remove everything")));
        }
        let meant = self.meant(selection)?;
        // A walk gives others turns, and a snapshot in between would hold what the walk has not come to yet, without the
        // record that says that it goes: that stands in the journal which the snapshot replaces.
        let walk = (!is_dry_run && !selection.has_table()).then(|| self.disk.lock());
        let mut dropped = Dropped::default();
        let mut state = self.state.lock();
        // First in line, then done: what comes in between is newer than what was meant.
        let ticket = if is_dry_run { None } else { state.log(&records::invalidate(selection)) };
        let found = state.find(selection);
        let mut count = found.map(|slots| state.take(slots.into_iter(), &meant, is_dry_run, &mut dropped));
        drop(state); // before the entries are
        let count = count.take().unwrap_or_else(|| self.take_paged(&meant, is_dry_run));
        drop(walk);
        self.commit_removal(ticket)?;
        Ok(count)
    }

    fn meant<'a>(&self, selection: &'a Selection) -> Result<Meant<'a>> {
        let meant = Meant::new(selection, &*self.embedder);
        let why = if selection.near.is_some() && !self.config.is_semantic {
            "near compares by meaning, and this cache has no vectors: name a source, tag, tenant or writer"
        } else if meant.is_unknown() {
            "near holds too few words that the embedder knows: name a source, tag, tenant or writer"
        } else {
            return Ok(meant);
        };
        Err(Error::new(ErrorKind::Config, why))
    }

    fn take_paged(&self, meant: &Meant<'_>, is_dry_run: bool) -> u64 {
        let (mut count, mut from) = (0, 0);
        loop {
            let mut dropped = Dropped::default();
            let mut state = self.state.lock();
            let to = (from + PAGE).min(state.store.slots());
            count += state.take(slots(from, to), meant, is_dry_run, &mut dropped);
            let is_end = to == state.store.slots();
            drop(state);
            if is_end {
                return count;
            }
            from = to;
        }
    }

    /// Notes that a hit was wrong: its entry goes, and the request is not served with an answer to that entry's request
    /// again, nor the other way round. Where the hit was exact, the request is not served with any other's answer.
    ///
    /// False where the entry was gone already; it is remembered all the same.
    ///
    /// # Errors
    /// `Cache` where the disk could not be told.
    pub fn mark_wrong(&self, hit: &Hit) -> Result<bool> {
        let mut dropped = Dropped::default();
        let mut state = self.state.lock();
        state.anchors.add(hit.asked, hit.entry.fingerprint);
        state.stats.marked_wrong += 1;
        let slot = state.store.find_id(hit.entry_id());
        let is_held = slot.is_some_and(|slot| state.remove(slot, &mut dropped));
        state.stats.invalidated += u64::from(is_held);
        let ticket = state.log(&records::wrong(hit.asked, hit.entry.fingerprint, hit.entry_id()));
        drop(state); // before the entry is
        self.commit_removal(ticket)?;
        Ok(is_held)
    }

    /// The next entries that are meant, from a slot on, and where to go on; `None` at the end.
    ///
    /// An entry that is held from the first call to the last is given once; what comes and goes meanwhile may be given or
    /// not. Expired entries are left out.
    ///
    /// # Errors
    /// `Config` where `near` can find nothing, as for [`Cache::invalidate`].
    pub fn list(&self, selection: &Selection, from: usize) -> Result<(Vec<Listed>, Option<usize>)> {
        let meant = self.meant(selection)?;
        let now = self.now(None);
        let state = self.state.lock();
        let to = (from + PAGE).min(state.store.slots());
        let is_live = |slot: &Slot| state.is_live(*slot, now);
        let entry =
            |slot: Slot| state.store.get(slot).filter(|entry| meant.matches(entry, || state.vector(entry).read()));
        let listed = |entry: &Arc<Entry>| Listed {
            entry: Arc::clone(entry),
            age_ms: now.now_ms.saturating_sub(entry.born_ms),
            bytes: entry.heap_bytes(),
        };
        let page = slots(from, to).filter(is_live).filter_map(entry).map(listed).collect();
        Ok((page, (to < state.store.slots()).then_some(to)))
    }
}

impl State {
    /// The slots among which those meant are, where a table tells; `None` = any.
    pub(super) fn find(&self, selection: &Selection) -> Option<Vec<Slot>> {
        if let Some(id) = selection.entry_id {
            return Some(self.store.find_id(id).into_iter().collect());
        }
        let source = selection.source.as_deref().map(Label::document_of);
        source.or(selection.tag.as_deref().map(Label::Tag)).map(|label| self.store.find_label(label))
    }

    /// Removes the entries that are meant, in one step.
    pub(super) fn take_all(&mut self, selection: &Selection, embedder: &dyn Embedder, dropped: &mut Dropped) {
        let all = || slots(0, self.store.slots()).collect();
        let found = self.find(selection).unwrap_or_else(all);
        self.take(found.into_iter(), &Meant::new(selection, embedder), false, dropped);
    }

    /// Removes those of the slots whose entries are meant, and counts them; with `is_dry_run` only that.
    pub(super) fn take(
        &mut self,
        slots: impl Iterator<Item = Slot>,
        meant: &Meant<'_>,
        is_dry_run: bool,
        dropped: &mut Dropped,
    ) -> u64 {
        let mut count = 0;
        for slot in slots {
            if !self.store.get(slot).is_some_and(|entry| meant.matches(entry, || self.vector(entry).read())) {
                continue;
            }
            count += 1;
            if !is_dry_run {
                self.remove(slot, dropped);
                self.stats.invalidated += 1;
            }
        }
        count
    }
}

fn slots(from: usize, to: usize) -> impl Iterator<Item = Slot> {
    (from..to).filter_map(|slot| Slot::try_from(slot).ok())
}
