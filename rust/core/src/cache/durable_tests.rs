use std::fs;
use std::path::{Path, PathBuf};

use super::durable::DiskConfig;
use super::tests::{answer, ask, ask_as};
use super::*;
use crate::clock::ManualClock;
use crate::embed::{Embedding, StaticEmbedder};

/// A folder that goes with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        // In memory where the system has that: these tests wait for the disk some thousand times.
        let memory = PathBuf::from("/dev/shm");
        let path = if memory.is_dir() { memory } else { std::env::temp_dir() }
            .join(format!("compound-fast-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(super) fn files(&self, start: &str) -> Vec<PathBuf> {
        let names = fs::read_dir(&self.0).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> =
            names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn try_open(path: &Path, config: CacheConfig, embedder: Arc<dyn Embedder>, now_ms: u64) -> Result<Cache> {
    let disk = DiskConfig { path: path.to_owned(), is_sync: false, is_strict: true };
    Cache::open(config, embedder, Arc::new(ManualClock::new(now_ms)), &disk)
}

pub(super) fn try_open_as(path: &Path, is_sync: bool) -> Result<Cache> {
    let disk = DiskConfig { path: path.to_owned(), is_sync, is_strict: true };
    Cache::open(CacheConfig::default(), StaticEmbedder::shipped().unwrap(), Arc::new(ManualClock::new(1_000)), &disk)
}

pub(super) fn open(folder: &Folder) -> Cache {
    try_open(&folder.0, CacheConfig::default(), StaticEmbedder::shipped().unwrap(), 1_000).unwrap()
}

pub(super) fn put(cache: &Cache, text: &str, options: PutOptions) -> u128 {
    cache.put(&ask(text), answer(text), options).unwrap().unwrap()
}

pub(super) fn from(source: &str) -> PutOptions {
    PutOptions { sources: [source.into()].into(), ..PutOptions::default() }
}

pub(super) fn source(name: &str) -> Selection {
    Selection { source: Some(name.into()), ..Selection::default() }
}

#[test]
fn what_was_acknowledged_is_there_after_the_process_in_both_tiers() {
    let folder = Folder::new("reopen");
    let first = open(&folder);
    let id = put(&first, "cancel purchase 150351613775", from("kb/a.md@1"));
    first.put(&ask_as("b", "cancel purchase 150351613775"), answer("b's"), PutOptions::default()).unwrap();
    drop(first); // as a process that is killed: nothing is closed

    let second = open(&folder);

    let hit = second.get(&ask("please cancel the purchase 150351613775")).unwrap();
    assert_eq!((hit.kind, hit.entry_id(), &*hit.entry.origin.sources[0]), (HitKind::Semantic, id, "kb/a.md@1"));
    assert_eq!(
        second.get(&ask("cancel purchase 150351613775")).unwrap().answer(),
        &answer("cancel purchase 150351613775")
    );
    assert_eq!((second.len(), second.stats().loaded), (2, 2));
    assert_ne!(put(&second, "another", PutOptions::default()), id);
    assert_eq!(second.invalidate(&source("kb/a.md@*"), false).unwrap(), 1);
}

#[test]
fn what_was_removed_does_not_come_back() {
    let folder = Folder::new("removed");
    let cache = open(&folder);
    put(&cache, "one", from("a@1"));
    put(&cache, "cancel purchase 150351613775", PutOptions::default());
    put(&cache, "three", PutOptions::default());
    cache.invalidate(&source("a"), false).unwrap();
    cache.mark_wrong(&cache.get(&ask("please cancel the purchase 150351613775")).unwrap()).unwrap();
    put(&cache, "cancel purchase 150351613775", PutOptions::default());
    drop(cache);

    let cache = open(&folder);
    assert!(cache.get(&ask("one")).is_none() && cache.get(&ask("three")).is_some());
    assert!(cache.get(&ask("please cancel the purchase 150351613775")).is_none(), "the mark was forgotten");
    cache.compact().unwrap();
    cache.clear().unwrap();
    put(&cache, "four", PutOptions::default());
    drop(cache);

    let cache = open(&folder);
    assert_eq!((cache.len(), cache.get(&ask("four")).is_some()), (1, true));
    put(&cache, "cancel purchase 150351613775", PutOptions::default());
    assert!(cache.get(&ask("please cancel the purchase 150351613775")).is_none());
}

#[test]
fn an_entry_that_memory_had_no_room_for_goes_with_its_source_all_the_same() {
    let folder = Folder::new("evicted");
    let small = CacheConfig { max_bytes: 40_000, ..CacheConfig::default() };
    let embedder = StaticEmbedder::shipped().unwrap();
    let cache = try_open(&folder.0, small, embedder, 1_000).unwrap();
    put(&cache, "the first of all", from("a@1"));
    for number in 0..60 {
        put(&cache, &format!("question {number}"), PutOptions::default());
    }
    assert!(cache.get(&ask("the first of all")).is_none());
    assert_eq!(cache.invalidate(&source("a"), false).unwrap(), 0);
    drop(cache);

    assert!(open(&folder).get(&ask("the first of all")).is_none());
}

#[test]
fn no_id_is_given_twice_however_often_the_folder_is_opened() {
    let folder = Folder::new("ids");
    let first = put(&open(&folder), "one", PutOptions::default());
    let of_generation = |generation: u64| folder.0.join(format!("journal-{generation:012}"));
    fs::rename(of_generation(1), of_generation(1 << 24)).unwrap();
    assert_ne!(put(&open(&folder), "two", PutOptions::default()), first);
}

#[test]
fn a_folder_belongs_to_one_process_at_a_time() {
    let folder = Folder::new("locked");
    let cache = open(&folder);
    let again = || try_open(&folder.0, CacheConfig::default(), StaticEmbedder::shipped().unwrap(), 0);

    assert_eq!(again().unwrap_err().kind(), ErrorKind::CacheLocked);
    cache.close().unwrap();
    assert!(again().is_ok());
}

#[test]
fn what_went_for_being_near_a_text_does_not_come_back() {
    let folder = Folder::new("near");
    let cache = open(&folder);
    put(&cache, "cancel purchase 150351613775", PutOptions::default());
    put(&cache, "do you ship to Iceland", PutOptions::default());
    let near = Near { text: "please cancel my purchase".into(), min_similarity: 0.6 };
    let selection = Selection { near: Some(near), ..Selection::default() };
    assert_eq!(cache.invalidate(&selection, false).unwrap(), 1);
    put(&cache, "cancel purchase 17", PutOptions::default());
    drop(cache);

    let cache = open(&folder);
    assert!(cache.get(&ask("cancel purchase 150351613775")).is_none());
    assert!(cache.get(&ask("do you ship to Iceland")).is_some() && cache.get(&ask("cancel purchase 17")).is_some());
}

#[test]
fn a_snapshot_takes_the_place_of_the_files_before_it() {
    let folder = Folder::new("snapshot");
    let cache = open(&folder);
    for number in 0..199 {
        put(&cache, &format!("question {number}"), PutOptions::default());
    }
    put(&cache, "cancel purchase 150351613775", PutOptions::default());
    cache.compact().unwrap();
    put(&cache, "after it", PutOptions::default());
    cache
        .invalidate(
            &Selection { entry_id: Some(cache.get(&ask("question 7")).unwrap().entry_id()), ..Selection::default() },
            false,
        )
        .unwrap();
    assert_eq!((folder.files("journal-").len(), folder.files("snapshot-").len()), (1, 1));
    drop(cache);

    let cache = open(&folder);
    assert_eq!(cache.len(), 200);
    assert!(cache.get(&ask("after it")).is_some() && cache.get(&ask("question 7")).is_none());
    assert_eq!(cache.get(&ask("please cancel the purchase 150351613775")).unwrap().kind, HitKind::Semantic);
}

#[test]
fn a_snapshot_written_beside_writers_loses_nothing() {
    let folder = Folder::new("beside");
    let cache = open(&folder);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let cache = &cache;
            scope.spawn(move || {
                for number in 0..150 {
                    put(cache, &format!("question {number} of {writer}"), from(&format!("d{}", number % 10)));
                }
            });
        }
        for _ in 0..5 {
            cache.compact().unwrap();
            cache.invalidate(&source("d3"), false).unwrap();
        }
    });
    cache.invalidate(&source("d4"), false).unwrap();
    let held = cache.len();
    drop(cache);

    let cache = open(&folder);
    assert_eq!(cache.len(), held);
    for writer in 0..3 {
        for number in (0..150).filter(|number| !(3..5).contains(&(number % 10))) {
            let text = format!("question {number} of {writer}");
            assert_eq!(&*cache.get(&ask(&text)).unwrap().answer().response, text.as_bytes());
        }
        assert!(cache.get(&ask(&format!("question 4 of {writer}"))).is_none());
    }
}

#[test]
fn a_tenant_that_was_removed_beside_a_snapshot_does_not_come_back() {
    let folder = Folder::new("tenant");
    for _ in 0..10 {
        let cache = open(&folder);
        for number in 0..2_000 {
            cache.put(&ask(&format!("question {number}")), answer("x"), PutOptions::default()).unwrap();
        }
        let tenant = Selection { tenant: Some("acme".into()), ..Selection::default() };
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    cache.compact().unwrap();
                }
            });
            assert_eq!(cache.invalidate(&tenant, false).unwrap(), 2_000);
            is_done.store(true, Ordering::Relaxed);
        });
        drop(cache);
        assert_eq!(open(&folder).len(), 0);
    }
}

#[test]
fn a_journal_cut_at_any_byte_opens_with_what_stands_before_the_cut() {
    let folder = Folder::new("cut");
    let cache = open(&folder);
    for number in 0..3 {
        put(&cache, &format!("question {number}"), PutOptions::default());
    }
    drop(cache);
    let journal = folder.files("journal-").pop().unwrap();
    let whole = fs::read(&journal).unwrap();
    let head = whole.len() - 3 * (whole.len() / 3 / 8 * 8); // the head is shorter than a record

    let mut before = 0;
    for len in (head.max(128)..=whole.len()).step_by(13).chain([whole.len()]) {
        let copy = Folder::new("cut-copy");
        fs::create_dir(&copy.0).unwrap();
        fs::write(copy.0.join(journal.file_name().unwrap()), &whole[..len]).unwrap();

        let cache = open(&copy);

        let held = (0..3).filter(|number| cache.get(&ask(&format!("question {number}"))).is_some()).count();
        assert_eq!(held, cache.len());
        assert!(held >= before, "{len}");
        before = held;
    }
    assert_eq!(before, 3);
}

#[test]
fn a_damaged_snapshot_is_named_and_nothing_of_it_is_served() {
    let folder = Folder::new("damaged");
    let cache = open(&folder);
    put(&cache, "question", PutOptions::default());
    cache.compact().unwrap();
    drop(cache);
    let snapshot = folder.files("snapshot-").pop().unwrap();
    let whole = fs::read(&snapshot).unwrap();

    for at in (0..whole.len()).step_by(whole.len() / 200 + 1) {
        let mut damaged = whole.clone();
        damaged[at] ^= 16;
        fs::write(&snapshot, damaged).unwrap();
        let error = try_open(&folder.0, CacheConfig::default(), StaticEmbedder::shipped().unwrap(), 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Snapshot);
        assert!(error.to_string().contains("snapshot-"), "{error}");
    }
}

#[test]
fn an_expired_entry_is_not_read_back() {
    let folder = Folder::new("expired");
    let cache = open(&folder);
    put(&cache, "short", PutOptions { ttl_ms: Some(10), ..PutOptions::default() });
    put(&cache, "long", PutOptions::default());
    drop(cache);

    let embedder = StaticEmbedder::shipped().unwrap();
    assert_eq!(try_open(&folder.0, CacheConfig::default(), embedder, 1_010).unwrap().len(), 1);
}

#[test]
fn an_answer_that_was_replaced_does_not_come_back_when_the_new_one_has_had_its_time() {
    let folder = Folder::new("replaced");
    let cache = open(&folder);
    put(&cache, "question", PutOptions::default());
    put(&cache, "question", PutOptions { ttl_ms: Some(10), ..PutOptions::default() });
    drop(cache);

    let embedder = StaticEmbedder::shipped().unwrap();
    assert!(try_open(&folder.0, CacheConfig::default(), embedder, 1_010).unwrap().is_empty());
}

/// Another embedder: other vectors, of another length.
#[derive(Debug)]
struct Other(Arc<StaticEmbedder>);

impl Embedder for Other {
    fn id(&self) -> &'static str {
        "other"
    }

    fn dim(&self) -> usize {
        self.0.dim() / 2
    }

    fn embed(&self, text: &str) -> Embedding {
        let embedding = self.0.embed(text);
        let vector = embedding.vector.chunks(2).map(|pair| pair[0] + pair[1]).collect();
        Embedding { embedder_id: "other", vector, ..embedding }
    }
}

#[test]
fn entries_of_another_embedder_are_made_anew_and_not_mixed() {
    let folder = Folder::new("embedder");
    let cache = open(&folder);
    let id = put(&cache, "cancel purchase 150351613775", PutOptions::default());
    put(&cache, &"long ".repeat(4_000), PutOptions::default());
    cache.compact().unwrap();
    put(&cache, "track purchase 150351613775", PutOptions::default());
    drop(cache);

    let other = || Arc::new(Other(StaticEmbedder::shipped().unwrap()));
    let cache = try_open(&folder.0, CacheConfig::default(), other(), 1_000).unwrap();

    assert_eq!(cache.len(), 2, "the request that was too long to keep cannot be read anew");
    let hit = cache.get(&ask("please cancel the purchase 150351613775")).unwrap();
    assert_eq!((hit.kind, hit.entry_id()), (HitKind::Semantic, id));
    cache.tend().unwrap();
    assert_eq!(cache.stats().snapshots, 1, "so that the next one need not do it again");
    drop(cache);
    assert_eq!(try_open(&folder.0, CacheConfig::default(), other(), 1_000).unwrap().stats().loaded, 2);
}

#[test]
fn a_long_journal_and_many_journals_become_a_snapshot() {
    let folder = Folder::new("long");
    let cache = open(&folder);
    for _ in 0..900 {
        put(&cache, "the same", PutOptions::default());
    }
    cache.tend().unwrap();
    assert_eq!((cache.stats().snapshots, cache.len()), (1, 1));
    drop(cache);
    for _ in 0..12 {
        let cache = open(&folder);
        assert_eq!(cache.len(), 1);
        cache.tend().unwrap();
    }
    assert!(folder.files("journal-").len() <= 9);
}

#[test]
fn a_cache_that_left_its_folder_goes_on_in_memory() {
    let folder = Folder::new("left");
    let cache = open(&folder);
    put(&cache, "before", PutOptions::default());

    assert!(cache.leave_disk() && !cache.leave_disk());

    put(&cache, "after", PutOptions::default());
    assert!(cache.get(&ask("before")).is_some() && cache.get(&ask("after")).is_some());
    let next = open(&folder);
    assert!(next.get(&ask("before")).is_some() && next.get(&ask("after")).is_none());
}
