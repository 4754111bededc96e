//! What a power cut may leave of a folder: every call to the disk is written down, and any folder that the calls before a
//! moment allow can be rebuilt.
//!
//! What was synced is there. Of the rest, each name may be the old or the new one, whatever the order, and of a file's
//! writes a prefix is there, the next one in part, and any later one with zeros before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// Calls to the disk, in the order in which they ended, and what the test says in between.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    MadeFolder(PathBuf),
    Made(PathBuf, usize),
    Wrote {
        file: usize,
        at: u64,
        bytes: Vec<u8>,
    },
    /// What came before the given number of events is on the disk.
    Synced(usize, usize),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    SyncedFolder(PathBuf, usize),
    /// A note of the test's own.
    Note(usize),
}

/// Writes down what happens below a folder, as long as it lives.
#[derive(Debug)]
pub(crate) struct Recording {
    record: Arc<Record>,
    /// Events that say what was there at the start.
    pub start: usize,
}

#[derive(Debug)]
pub(crate) struct Record {
    root: PathBuf,
    events: Mutex<Vec<Event>>,
    /// Syncs that are held up, and how many of them have begun.
    held: Mutex<(Option<&'static str>, usize)>,
    has_changed: Condvar,
    /// How many syncs of files from here on fail.
    refused: Mutex<usize>,
    /// Which file has which name now, and how many files there were.
    files: Mutex<(BTreeMap<PathBuf, usize>, usize)>,
}

static RECORDS: Mutex<Vec<Arc<Record>>> = Mutex::new(Vec::new());

fn record_of(path: &Path) -> Option<Arc<Record>> {
    RECORDS.lock().iter().find(|record| path.starts_with(&record.root)).cloned()
}

impl Record {
    fn push(&self, event: Event) {
        self.events.lock().push(event);
    }

    fn wait_for_hold(&self, file: usize) {
        let is_of = |start: &str| {
            let files = self.files.lock();
            let named = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
            files.0.iter().any(|(path, &of)| of == file && named(path))
        };
        let mut held = self.held.lock();
        while let Some(start) = held.0
            && is_of(start)
        {
            held.1 += 1;
            self.has_changed.notify_all();
            self.has_changed.wait(&mut held);
        }
    }

    fn name(&self, path: &Path) -> usize {
        let mut files = self.files.lock();
        files.1 += 1;
        let file = files.1;
        files.0.insert(path.to_owned(), file);
        file
    }
}

impl Recording {
    /// Begins with what stands below `root` now, which counts as synced.
    pub(crate) fn start(root: &Path) -> Self {
        let files = Mutex::default();
        let record = Arc::new(Record {
            root: root.to_owned(),
            events: Mutex::default(),
            held: Mutex::default(),
            has_changed: Condvar::new(),
            refused: Mutex::default(),
            files,
        });
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for found in fs::read_dir(&folder).unwrap().map(|found| found.unwrap().path()) {
                if found.is_dir() {
                    record.push(Event::MadeFolder(found.clone()));
                    folders.push(found);
                } else {
                    let file = record.name(&found);
                    record.push(Event::Made(found.clone(), file));
                    record.push(Event::Wrote { file, at: 0, bytes: fs::read(&found).unwrap() });
                    let before = record.events.lock().len();
                    record.push(Event::Synced(file, before));
                }
            }
            let before = record.events.lock().len();
            record.push(Event::SyncedFolder(folder, before));
        }
        RECORDS.lock().push(Arc::clone(&record));
        let start = record.events.lock().len();
        Self { record, start }
    }

    pub(crate) fn note(&self, number: usize) {
        self.record.push(Event::Note(number));
    }

    /// Has every sync of a file whose name begins so wait until what is given back is dropped.
    pub(crate) fn hold(&self, name: &'static str) -> Hold {
        *self.record.held.lock() = (Some(name), 0);
        Hold(Arc::clone(&self.record))
    }

    /// Has the next sync of a file fail.
    pub(crate) fn refuse_a_sync(&self) {
        *self.record.refused.lock() += 1;
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.record.events.lock().clone()
    }

    /// Makes a folder of what a power cut after these events may leave; `chance(n)` draws from 0 to n.
    pub(crate) fn rebuild(&self, events: &[Event], into: &Path, chance: &mut dyn FnMut(usize) -> usize) {
        let root = &self.record.root;
        let synced_folder = |path: &Path, at: usize| {
            let parent = path.parent().unwrap();
            events
                .iter()
                .any(|event| matches!(event, Event::SyncedFolder(folder, before) if folder == parent && at < *before))
        };
        let (mut folders, mut names) = (BTreeSet::from([root.clone()]), BTreeMap::<&Path, usize>::new());
        // The file that a name stood for when it was renamed, whether or not the name before it lasts.
        let mut now = BTreeMap::<&Path, usize>::new();
        let mut writes = BTreeMap::<usize, Vec<(u64, &[u8], bool)>>::new();
        for (at, event) in events.iter().enumerate() {
            let mut lasts = |path: &Path| synced_folder(path, at) || chance(1) == 1;
            match event {
                Event::MadeFolder(path) => {
                    if lasts(path) {
                        folders.insert(path.clone());
                    }
                }
                Event::Made(path, file) => {
                    now.insert(path, *file);
                    if lasts(path) {
                        names.insert(path, *file);
                    }
                }
                Event::Renamed(from, to) => {
                    let file = now.remove(&**from).unwrap();
                    now.insert(to, file);
                    if lasts(to) {
                        names.remove(&**from);
                        names.insert(to, file);
                    }
                }
                Event::Removed(path) => {
                    now.remove(&**path);
                    if lasts(path) {
                        names.remove(&**path);
                    }
                }
                Event::Wrote { file, at: place, bytes } => {
                    let is_synced = |event: &Event| matches!(event, Event::Synced(synced, before) if synced == file && at < *before);
                    let is_synced = events.iter().any(is_synced);
                    writes.entry(*file).or_default().push((*place, bytes, is_synced));
                }
                Event::Synced(..) | Event::SyncedFolder(..) | Event::Note(_) => {}
            }
        }
        for folder in &folders {
            if folder.ancestors().take_while(|above| above.starts_with(root)).all(|above| folders.contains(above)) {
                fs::create_dir_all(into.join(folder.strip_prefix(root).unwrap())).unwrap();
            }
        }
        for (path, file) in names {
            let target = into.join(path.strip_prefix(root).unwrap());
            if !target.parent().unwrap().is_dir() {
                continue;
            }
            let mut content = Vec::new();
            let written = writes.get(&file).map_or(&[][..], |writes| writes);
            let loose = written.iter().filter(|(.., is_synced)| !is_synced).count();
            let (kept, mut seen) = (chance(loose), 0);
            for &(place, bytes, is_synced) in written {
                let len = if is_synced {
                    bytes.len()
                } else {
                    seen += 1;
                    match seen {
                        _ if seen <= kept => bytes.len(),
                        _ if seen == kept + 1 => chance(bytes.len()),
                        _ if chance(3) == 0 => bytes.len(),
                        _ => 0,
                    }
                };
                let place = usize::try_from(place).unwrap();
                if len > 0 {
                    content.resize(content.len().max(place + len), 0);
                    content[place..place + len].copy_from_slice(&bytes[..len]);
                }
            }
            fs::write(target, content).unwrap();
        }
    }
}

/// Holds syncs up.
pub(crate) struct Hold(Arc<Record>);

impl Hold {
    /// Returns when one of them has begun.
    pub(crate) fn wait(&self) {
        let mut held = self.0.held.lock();
        while held.1 == 0 {
            self.0.has_changed.wait(&mut held);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.held.lock().0 = None;
        self.0.has_changed.notify_all();
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDS.lock().retain(|record| !Arc::ptr_eq(record, &self.record));
    }
}

/// Which file of which recording an open file is, and where it is written to.
#[derive(Debug)]
pub(crate) struct FileRecord(Option<(Arc<Record>, usize, Mutex<u64>)>);

pub(crate) fn made(path: &Path) -> FileRecord {
    FileRecord(record_of(path).map(|record| {
        let file = record.name(path);
        record.push(Event::Made(path.to_owned(), file));
        (record, file, Mutex::new(0))
    }))
}

pub(crate) fn opened(path: &Path, len: u64) -> FileRecord {
    FileRecord(record_of(path).map(|record| {
        let file = record.files.lock().0[path];
        (record, file, Mutex::new(len))
    }))
}

/// Notes on its end that a sync has come to its end.
pub(crate) struct Syncing<F: Fn(&Record, usize)>(Option<(Arc<Record>, usize)>, F);

impl<F: Fn(&Record, usize)> Drop for Syncing<F> {
    fn drop(&mut self) {
        if let Some((record, before)) = &self.0 {
            self.1(record, *before);
        }
    }
}

fn syncing<F: Fn(&Record, usize)>(record: Option<Arc<Record>>, done: F) -> Syncing<F> {
    let begun = record.map(|record| {
        let before = record.events.lock().len();
        (record, before)
    });
    Syncing(begun, done)
}

impl FileRecord {
    pub(crate) fn wrote(&self, bytes: &[u8]) {
        if let Some((record, file, at)) = &self.0 {
            let mut at = at.lock();
            record.push(Event::Wrote { file: *file, at: *at, bytes: bytes.to_vec() });
            *at += bytes.len() as u64;
        }
    }

    pub(crate) fn sought(&self, place: u64) {
        if let Some((_, _, at)) = &self.0 {
            *at.lock() = place;
        }
    }

    pub(crate) fn sync(&self) -> io::Result<Syncing<impl Fn(&Record, usize)>> {
        let file = self.0.as_ref().map_or(0, |(_, file, _)| *file);
        let mut sync = syncing(self.0.as_ref().map(|(record, ..)| Arc::clone(record)), move |record, before| {
            record.push(Event::Synced(file, before));
        });
        if let Some((record, ..)) = &self.0 {
            record.wait_for_hold(file);
            let mut refused = record.refused.lock();
            if *refused > 0 {
                *refused -= 1;
                sync.0 = None;
                return Err(io::Error::other("refused by the test"));
            }
        }
        Ok(sync)
    }
}

pub(crate) fn renamed(from: &Path, to: &Path) {
    if let Some(record) = record_of(to) {
        let mut files = record.files.lock();
        if let Some(file) = files.0.remove(from) {
            files.0.insert(to.to_owned(), file);
        }
        record.push(Event::Renamed(from.to_owned(), to.to_owned()));
    }
}

pub(crate) fn removed(path: &Path) {
    if let Some(record) = record_of(path) {
        record.files.lock().0.remove(path);
        record.push(Event::Removed(path.to_owned()));
    }
}

pub(crate) fn made_folder(path: &Path) {
    if let Some(record) = record_of(path) {
        record.push(Event::MadeFolder(path.to_owned()));
    }
}

pub(crate) fn sync_folder(folder: &Path) -> Syncing<impl Fn(&Record, usize)> {
    let path = folder.to_owned();
    syncing(record_of(folder), move |record, before| record.push(Event::SyncedFolder(path.clone(), before)))
}
