//! A power cut at any moment of writing, opening and compacting: what was acknowledged is there, and every folder that may be
//! left opens. And a disk that refuses.

use std::fs;

use super::durable_tests::{Folder, from, open, put, source, try_open_as};
use super::partition_tests::question;
use super::tests::ask;
use super::*;
use crate::disk::power_cut::{Event, Recording};

const WRITERS: usize = 3;
const KEYS: usize = 4;

/// A change of one key. Only one writer changes a key, so its changes follow one another.
#[derive(Debug, Clone, Copy)]
struct Change {
    key: usize,
    /// The answer that is there afterwards; `None` = none.
    answer: Option<usize>,
}

/// Even notes: the change of that number begins; odd ones: it was acknowledged.
fn begins(change: usize) -> usize {
    2 * change
}

/// A note that what was acknowledged before `tend` began is on the disk.
const TENDS: usize = usize::MAX - 1;
const TENDED: usize = usize::MAX;

fn text(key: usize) -> String {
    format!("what is thing number {key}")
}

/// From 0 to `most`, the same for a seed.
fn draws(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |most| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % (most + 1)
    }
}

/// Opens the folder and changes things, with a snapshot now and then beside; gives the calls to the disk and the changes.
fn live(root: &Folder, is_sync: bool, first: usize) -> (Recording, Vec<Change>) {
    let recording = Recording::start(&root.0);
    let changes = Mutex::new(Vec::new());
    {
        let cache = try_open_as(&root.0.join("a").join("cache"), is_sync).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (cache, recording, changes) = (&cache, &recording, &changes);
                scope.spawn(move || {
                    let mut draw = draws((first + writer) as u64);
                    for _ in 0..6 {
                        let key = writer * KEYS + draw(KEYS - 1);
                        let number = {
                            let mut changes = changes.lock();
                            let number = changes.len();
                            let answer = (draw(3) > 0).then_some(first + number);
                            changes.push(Change { key, answer });
                            recording.note(begins(number));
                            number
                        };
                        let Change { answer, .. } = changes.lock()[number];
                        match answer {
                            Some(answer) => {
                                let options = from(&format!("{key}@{answer}"));
                                let answer = super::tests::answer(&answer.to_string());
                                cache.put(&ask(&text(key)), answer, options).unwrap();
                            }
                            None => drop(cache.invalidate(&source(&key.to_string()), false).unwrap()),
                        }
                        recording.note(begins(number) + 1);
                    }
                });
            }
            let mut draw = draws(first as u64 ^ 0xabcd);
            for _ in 0..3 {
                if draw(1) == 0 {
                    cache.compact().unwrap();
                } else {
                    recording.note(TENDS);
                    cache.tend().unwrap();
                    recording.note(TENDED);
                }
            }
        });
    }
    (recording, changes.into_inner())
}

/// For each key the answers that it may have after a power cut: that of the last change which was promised, and those of
/// the changes after it.
fn allowed(events: &[Event], changes: &[Change], is_sync: bool, before: &[Option<usize>]) -> Vec<Vec<Option<usize>>> {
    // Each with the number of its change, which is none for what was there before.
    let mut allowed: Vec<_> = before.iter().map(|&answer| vec![(usize::MAX, answer)]).collect();
    let mut acknowledged: Vec<usize> = Vec::new();
    let mut at_tend = 0;
    for event in events {
        let Event::Note(note) = *event else { continue };
        let mut promised = 0..0;
        match note {
            TENDS => at_tend = acknowledged.len(),
            TENDED => promised = 0..at_tend,
            _ if note % 2 == 0 => {
                let Change { key, answer } = changes[note / 2];
                allowed[key].push((note / 2, answer));
            }
            _ => {
                acknowledged.push(note / 2);
                // A removal is on the disk whatever the mode.
                if is_sync || changes[note / 2].answer.is_none() {
                    promised = acknowledged.len() - 1..acknowledged.len();
                }
            }
        }
        for &change in &acknowledged[promised] {
            let answers = &mut allowed[changes[change].key];
            // Not there any more where a later one was promised.
            if let Some(at) = answers.iter().position(|&(of, _)| of == change) {
                answers.drain(..at);
            }
        }
    }
    allowed.into_iter().map(|answers| answers.into_iter().map(|(_, answer)| answer).collect()).collect()
}

fn held(cache: &Cache) -> Vec<Option<usize>> {
    let read = |hit: Hit| std::str::from_utf8(&hit.answer().response).unwrap().parse().unwrap();
    (0..WRITERS * KEYS).map(|key| cache.get(&ask(&text(key))).map(read)).collect()
}

fn survives_power_cuts(name: &str, is_sync: bool, lives: usize, cuts: usize) {
    let mut root = Folder::new(name);
    fs::create_dir(&root.0).unwrap();
    let mut before = vec![None; WRITERS * KEYS];
    for life in 0..lives {
        let (recording, changes) = live(&root, is_sync, life << 16);
        let events = recording.events();
        let mut draw = draws(life as u64 ^ 0x5eed);
        for cut in 0..cuts {
            let end = recording.start + draw(events.len() - recording.start);
            let next = Folder::new(&format!("{name}-{life}-{cut}"));
            fs::create_dir(&next.0).unwrap();
            recording.rebuild(&events[..end], &next.0, &mut draw);
            let copy = Folder::new(&format!("{name}-{life}-{cut}-copy"));
            if cut + 1 == cuts {
                copy_of(&next, &copy);
            }

            let cache = try_open_as(&next.0.join("a").join("cache"), is_sync)
                .unwrap_or_else(|error| panic!("life {life}, cut at {end} of {}: {error}", events.len()));

            let found = held(&cache);
            let allowed = allowed(&events[..end], &changes, is_sync, &before);
            for (key, (found, allowed)) in found.iter().zip(&allowed).enumerate() {
                assert!(allowed.contains(found), "life {life}, cut at {end}: {key} has {found:?} of {allowed:?}");
            }
            drop(cache);
            assert_eq!(held(&try_open_as(&next.0.join("a").join("cache"), is_sync).unwrap()), found, "a second open");
            if cut + 1 == cuts {
                // The next life begins with what this one left, and its power cuts hit the recovery as well.
                before = found;
                root = copy;
            }
        }
    }
}

fn copy_of(from: &Folder, to: &Folder) {
    let (from, to) = (from.0.join("a").join("cache"), to.0.join("a").join("cache"));
    fs::create_dir_all(&to).unwrap();
    for file in fs::read_dir(&from).into_iter().flatten() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn what_sync_acknowledged_survives_a_power_cut_at_any_moment() {
    survives_power_cuts("cut-sync", true, 12, 25);
}

#[test]
fn what_was_removed_or_tended_survives_a_power_cut_under_interval() {
    survives_power_cuts("cut-interval", false, 12, 25);
}

/// What any of some power cuts after these events leaves of these requests.
fn survive_each(recording: &Recording, events: &[Event], name: &str, texts: &[&str]) {
    let mut draw = draws(7);
    for cut in 0..20 {
        let next = Folder::new(&format!("{name}-{cut}"));
        fs::create_dir(&next.0).unwrap();
        recording.rebuild(events, &next.0, &mut draw);
        let cache = try_open_as(&next.0.join("cache"), false).unwrap();
        for text in texts {
            assert!(cache.get(&ask(text)).is_some(), "cut {cut} took {text:?}");
        }
    }
}

fn recorded(name: &str) -> (Folder, Recording) {
    let root = Folder::new(name);
    fs::create_dir(&root.0).unwrap();
    let recording = Recording::start(&root.0);
    (root, recording)
}

#[test]
fn what_a_killed_process_left_to_the_system_is_on_the_disk_once_the_folder_was_opened() {
    let (root, recording) = recorded("cut-killed");
    let cache = try_open_as(&root.0.join("cache"), false).unwrap();
    put(&cache, "first", PutOptions::default());
    cache.leave_disk(); // as a process that is killed: nothing is synced

    let _opened = try_open_as(&root.0.join("cache"), false).unwrap();

    survive_each(&recording, &recording.events(), "cut-killed", &["first"]);
}

#[test]
fn what_a_cache_acknowledged_is_on_the_disk_once_it_was_dropped() {
    let (root, recording) = recorded("cut-dropped");
    let cache = try_open_as(&root.0.join("cache"), false).unwrap();
    put(&cache, "first", PutOptions::default());
    drop(cache);
    survive_each(&recording, &recording.events(), "cut-dropped", &["first"]);
}

#[test]
fn a_folder_is_let_go_of_when_all_is_on_the_disk() {
    let (root, recording) = recorded("cut-closed");
    let cache = try_open_as(&root.0.join("cache"), false).unwrap();
    put(&cache, "first", PutOptions::default());
    let hold = recording.hold("journal-");
    std::thread::scope(|scope| {
        scope.spawn(|| cache.close().unwrap());
        hold.wait();
        let error = try_open_as(&root.0.join("cache"), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CacheLocked);
        drop(hold);
    });
    survive_each(&recording, &recording.events(), "cut-closed", &["first"]);
}

#[test]
fn what_was_acknowledged_before_and_beside_a_snapshot_reaches_the_disk_before_the_snapshot() {
    let (root, recording) = recorded("cut-beside");
    let cache = try_open_as(&root.0.join("cache"), false).unwrap();
    put(&cache, "first", PutOptions::default());
    let hold = recording.hold("snapshot-");
    std::thread::scope(|scope| {
        scope.spawn(|| cache.compact().unwrap());
        hold.wait();
        let at = recording.events().len();
        put(&cache, "second", PutOptions::default());
        let is_synced = |events: &[Event]| {
            let written = events[at..].iter().find_map(|event| match event {
                Event::Wrote { file, .. } => Some(*file),
                _ => None,
            });
            events[at..].iter().any(|event| matches!(event, Event::Synced(file, _) if Some(*file) == written))
        };
        let until = Instant::now() + std::time::Duration::from_secs(20);
        while !is_synced(&recording.events()) && Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let events = recording.events();
        drop(hold);
        survive_each(&recording, &events, "cut-beside", &["first", "second"]);
    });
}

#[test]
fn a_snapshot_that_keeps_failing_is_tried_less_and_less_often_and_leaves_no_journals() {
    let folder = Folder::new("failing");
    let cache = open(&folder);
    put(&cache, "before", PutOptions::default());
    let in_the_way = folder.0.join("snapshot-000000000002");
    fs::create_dir_all(in_the_way.join("full")).unwrap();
    assert!(cache.compact().is_err());

    let failed = (0..300).filter(|_| cache.tend().is_err()).count();

    // After 1, 2, 4, ... 128 calls that left it out.
    assert_eq!((failed, cache.stats().io_faults), (8, 9));
    assert_eq!(folder.files("journal-").len(), 2, "the first, and the one that the failed snapshots began");
    put(&cache, "after", PutOptions::default());
    fs::remove_dir_all(in_the_way).unwrap();
    cache.compact().unwrap();
    assert_eq!((folder.files("journal-").len(), folder.files("snapshot-").len()), (1, 1));
    drop(cache);
    let cache = open(&folder);
    assert!(cache.get(&ask("before")).is_some() && cache.get(&ask("after")).is_some());
}

#[test]
fn changes_of_a_large_partition_do_not_wait_for_the_disk_while_its_file_is_synced() {
    let (root, recording) = recorded("large-held");
    let cache = try_open_as(&root.0.join("cache"), false).unwrap();
    for number in 0..100 {
        put(&cache, &question(number), from(&format!("d{number}")));
    }
    cache.compact().unwrap();
    let mut files = fs::read_dir(root.0.join("cache")).unwrap().map(|file| file.unwrap().file_name());
    assert!(files.any(|name| name.to_string_lossy().starts_with("vectors-")), "nothing was large");
    let hold = recording.hold("vectors-");
    std::thread::scope(|scope| {
        scope.spawn(|| cache.compact().unwrap());
        hold.wait();
        let (done, is_done) = std::sync::mpsc::channel();
        scope.spawn({
            let cache = &cache;
            move || {
                put(cache, &question(101), PutOptions::default());
                cache.invalidate(&source("d3"), false).unwrap();
                done.send(()).unwrap();
            }
        });
        let waited = is_done.recv_timeout(std::time::Duration::from_secs(20));
        drop(hold);
        waited.expect("a change waited for the disk");
    });
}

#[test]
#[cfg(unix)]
fn what_a_cache_keeps_is_its_owner_s_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("private");
    let cache = open(&folder);
    for number in 0..100 {
        put(&cache, &question(number), PutOptions::default());
    }
    cache.compact().unwrap();
    for kind in ["journal-", "snapshot-", "vectors-"] {
        let files = folder.files(kind);
        assert!(!files.is_empty(), "no {kind}");
        for file in files {
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{}", file.display());
        }
    }
}
