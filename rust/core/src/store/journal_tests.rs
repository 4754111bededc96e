use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::disk::power_cut::{Event, Recording};

fn head() -> Head {
    Head { generation: 3, key: [7; 16], meaning: "m".into() }
}

fn journal(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = head().encode();
    let tags = Tags::new(&head());
    for payload in payloads {
        let mut framed = Vec::new();
        tags.frame(&mut framed, bytes.len() as u64, payload);
        bytes.extend(framed);
    }
    bytes
}

#[test]
fn what_is_cut_off_at_any_byte_leaves_the_records_before_it() {
    let payloads: [&[u8]; 3] = [b"one", b"", &[9; 100]];
    let whole = journal(&payloads);
    let ends: Vec<usize> = (1..=3).map(|count| journal(&payloads[..count]).len()).collect();
    for len in head().encode().len()..=whole.len() {
        let replay = read(&whole[..len]).unwrap();
        // Padding that is missing takes nothing away.
        let least = ends.iter().filter(|&&end| end <= len).count();
        assert!((least..=least + 1).contains(&replay.records.len()), "{len}");
        assert_eq!(replay.records[..], payloads[..replay.records.len()]);
    }
}

#[test]
fn a_flipped_bit_takes_away_one_record_and_no_more() {
    let payloads: [&[u8]; 3] = [b"one", b"two", b"three"];
    let whole = journal(&payloads);
    for at in head().encode().len()..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            let records = read(&damaged).unwrap().records;
            assert!(records.len() >= 2, "{at}.{bit}");
            assert!(records.iter().all(|record| payloads.contains(record)));
        }
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A journal with one record that was handed to the system, and what is called of the disk.
fn recorded(name: &str) -> (Folder, Recording, Journal, u64) {
    let folder = Folder(std::env::temp_dir().join(format!("compound-fast-{}-{name}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let recording = Recording::start(&folder.0);
    let journal = Journal::create(&folder.0.join("journal"), &head(), false).unwrap();
    let number = journal.append(b"one");
    journal.commit(number).unwrap();
    (folder, recording, journal, number)
}

#[test]
fn a_removal_waits_for_a_sync_that_another_began() {
    let (_folder, recording, journal, number) = recorded("sync");
    let syncs = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Synced(..))).count();
    let before = syncs(&recording.events());
    let hold = recording.hold("journal");

    std::thread::scope(|scope| {
        scope.spawn(|| journal.sync().unwrap());
        hold.wait();
        scope.spawn(|| {
            journal.commit_synced(number).unwrap();
            assert!(syncs(&recording.events()) > before, "acknowledged before it was on the disk");
        });
        // Time in which a wrong acknowledgement may come; none is missed for being slow.
        std::thread::sleep(Duration::from_millis(20));
        drop(hold);
    });
}

#[test]
fn nobody_whose_record_a_failed_sync_was_for_is_told_that_it_is_on_the_disk() {
    let (_folder, recording, journal, first) = recorded("lost");
    let second = journal.append(b"two");
    recording.refuse_a_sync();

    assert!(journal.commit_synced(second).is_err());
    assert!(journal.commit_synced(first).is_err(), "the sync that it was part of failed, and a later one cannot tell");
    let third = journal.append(b"three");
    journal.commit_synced(third).unwrap();
    assert!(journal.commit_synced(second).is_err());

    // The same where nobody waited for the sync.
    let fourth = journal.append(b"four");
    journal.commit(fourth).unwrap();
    recording.refuse_a_sync();
    assert!(journal.sync().is_err());
    assert!(journal.commit_synced(fourth).is_err());
}

#[test]
fn a_damaged_head_is_refused_by_name() {
    let whole = journal(&[b"one"]);
    for at in 0..head().encode().len() - 4 {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let error = read(&damaged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Snapshot, "{at}");
    }
    for len in 0..head().encode().len() - 4 {
        assert!(read(&whole[..len]).is_err());
    }
}

#[test]
fn a_record_inside_an_answer_or_from_elsewhere_is_not_taken_for_one() {
    let inner = journal(&[b"forged"]);
    // The forger knows the format and has seen a record of this very cache, but its place is another.
    let mut bytes = journal(&[&inner[..], b"last"]);
    bytes[head().encode().len()] ^= 1;

    assert_eq!(read(&bytes).unwrap().records, [b"last"]);
}
