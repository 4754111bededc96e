//! Any file in the place of a cache's journal or snapshot: an error of ours, or a cache of whole entries that another open
//! finds again.
//!
//! The first byte says which file it is, and how the rest becomes one: as it stands; as records that are framed and signed
//! as ours are; or as changes of bytes in such a file.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compound_fast_core::cache::{Cache, CacheConfig, DiskConfig, Listed, PutOptions, Selection};
use compound_fast_core::clock::ManualClock;
use compound_fast_core::embed::StaticEmbedder;
use compound_fast_core::error::ErrorKind;
use compound_fast_core::features::Analysis;
use compound_fast_core::request::Request;
use compound_fast_core::store::journal::{self, Head, Journal};
use compound_fast_core::store::snapshot::{self, Snapshot};
use compound_fast_core::store::{Answer, Form};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&how, rest)) = data.split_first() else { return };
    let folder = Folder::new();
    let (journal, snapshot) = (folder.0.join("journal-000000000001"), folder.0.join("snapshot-000000000001"));
    let is_journal = how & 1 == 0;
    let target = if is_journal { &journal } else { &snapshot };
    match how >> 1 & 3 {
        0 => fs::write(target, rest).expect("a folder of ours"),
        1 => records(&folder.0, is_journal, rest),
        _ => {
            let mut bytes = sample(&folder.0, is_journal);
            for change in rest.chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
                bytes[at] ^= change[2];
            }
            if how & 8 != 0 {
                bytes.truncate(bytes.len() - rest.len() % bytes.len());
            }
            fs::write(target, bytes).expect("a folder of ours");
        }
    }
    let first = match open(&folder.0) {
        Ok(cache) => held(&cache),
        Err(kind) => {
            assert!(matches!(kind, ErrorKind::Snapshot | ErrorKind::Cache), "{kind:?}");
            return;
        }
    };
    let again = open(&folder.0).expect("what opened once opens again");
    assert_eq!(held(&again), first);
    again.compact().expect("a folder of ours");
    drop(again);
    assert_eq!(held(&open(&folder.0).expect("a snapshot of ours")), first);
});

/// What an entry is for whoever looks at it; in order.
fn held(cache: &Cache) -> Vec<(u128, Vec<u8>, String)> {
    let (mut found, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        let (page, to) = cache.list(&Selection::default(), from).expect("a selection of everything");
        found.extend(page.into_iter().map(|Listed { entry, .. }| {
            (entry.id, entry.answer.response.to_vec(), format!("{:?} {}", entry.origin, entry.expires_ms))
        }));
        next = to;
    }
    // Look-ups go through both tiers, whatever the vectors.
    for text in ["cancel purchase 150351613775", "please cancel the purchase 150351613775"] {
        let _ = cache.get(&ask(text));
    }
    found.sort();
    found
}

fn open(folder: &Path) -> Result<Cache, ErrorKind> {
    let disk = DiskConfig { path: folder.to_owned(), is_sync: false, is_strict: true };
    let clock = Arc::new(ManualClock::new(1_000));
    let config = CacheConfig { max_bytes: 4 << 20, ..CacheConfig::default() };
    Cache::open(config, StaticEmbedder::shipped().expect("the table that ships"), clock, &disk)
        .map_err(|error| error.kind())
}

/// A file of ours whose records are the given ones, each after a byte that says its length; or, for a length of 255, a
/// record of the sample that the next four bytes change.
fn records(folder: &Path, is_journal: bool, rest: &[u8]) {
    let sample = sample(folder, true);
    let replay = journal::read(&sample).expect("made by sample");
    let (head, ours) = (replay.head, replay.records);
    let mut payloads = Vec::new();
    let mut left = rest;
    while let Some((&len, after)) = left.split_first() {
        if let (255, Some((&[which, low, high, change], after))) = (len, after.split_first_chunk()) {
            let mut payload = ours[usize::from(which) % ours.len()].to_vec();
            let at = usize::from(u16::from_le_bytes([low, high])) % payload.len();
            payload[at] ^= change;
            payloads.push(payload);
            left = after;
        } else {
            let (payload, after) = after.split_at(after.len().min(usize::from(len)));
            payloads.push(payload.to_vec());
            left = after;
        }
    }
    if is_journal {
        let journal = Journal::create(&folder.join("journal-000000000001"), &head, false).expect("a folder of ours");
        payloads.iter().for_each(|payload| journal.commit(journal.append(payload)).expect("a folder of ours"));
    } else {
        let head = Head { generation: 1, ..head };
        snapshot::write(&folder.join("snapshot-000000000001"), &head, |records| {
            payloads.iter().try_for_each(|payload| records.push(payload))
        })
        .expect("a folder of ours");
    }
}

/// A file of ours with entries, a removal and a mark in it; the rest of the folder is gone.
fn sample(folder: &Path, is_journal: bool) -> Vec<u8> {
    let cache = open(folder).expect("an empty folder");
    for (number, text) in ["cancel purchase 150351613775", "Where is my order?", "hi"].into_iter().enumerate() {
        let sources = [format!("kb/{number}.md@1").into()].into();
        let answer = Answer {
            response: format!("\"{text}\"").into_bytes().into(),
            form: Form::Str,
            model: "m".into(),
            input_tokens: 1,
            output_tokens: 2,
            cost_nano_usd: Some(3),
        };
        let options = PutOptions { sources, tags: ["faq".into()].into(), ..PutOptions::default() };
        cache.put(&ask(text), answer, options).expect("a folder of ours");
    }
    if let Some(hit) = cache.get(&ask("please cancel the purchase 150351613775")) {
        cache.mark_wrong(&hit).expect("a folder of ours");
    }
    let gone = Selection { source: Some("kb/1.md@*".into()), ..Selection::default() };
    cache.invalidate(&gone, false).expect("a folder of ours");
    if !is_journal {
        cache.compact().expect("a folder of ours");
    }
    drop(cache);
    let generation = if is_journal { 1 } else { 2 };
    let name = format!("{}-{generation:012}", if is_journal { "journal" } else { "snapshot" });
    let bytes = fs::read(folder.join(name)).expect("made above");
    for file in fs::read_dir(folder).expect("a folder of ours").flatten() {
        fs::remove_file(file.path()).expect("a folder of ours");
    }
    if !is_journal {
        assert_eq!(Snapshot::parse(bytes.clone()).expect("made above").head.generation, 2);
    }
    bytes
}

fn ask(text: &str) -> Analysis {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#);
    Analysis::new(Request::parse(body.into_bytes(), "", "").expect("a well-formed body"))
}

/// An empty folder, in memory where the system has that.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = base.join(format!("compound-fast-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a folder for files");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
