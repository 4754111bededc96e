//! Imports go down only: reads every `crate::` path of the core against the order of the rooms.
#![expect(clippy::unwrap_used, reason = "a failing helper fails its test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, top to bottom. Those on one line stand side by side and never see each other.
const LAYERS: [&[&str]; 8] = [
    &["engine"],
    &["cache", "router", "retrieve", "validation"],
    &["features", "index", "health", "meter"],
    &["store"],
    &["tokens", "embed"],
    &["request"],
    &["container"],
    &["error", "clock", "heap", "disk", "simd"],
];

/// What the core must not depend on: it sees neither Python nor a network.
const FORBIDDEN: [&str; 7] = ["pyo3", "numpy", "reqwest", "hyper", "tokio", "ureq", "socket2"];

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn layer_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

/// Every Rust file of the core with the room it belongs to; `lib.rs` belongs to none.
fn files() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![source_root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(source_root()).unwrap();
                let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
                let room = first.trim_end_matches(".rs").to_owned();
                if room != "lib" {
                    found.push((room, path));
                }
            }
        }
    }
    found
}

/// The rooms that a source names after `crate::`, be it `crate::a::b` or `crate::{a, b::{c, d}}`.
fn rooms_named(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let mut rooms = BTreeSet::new();
    for (at, matched) in code.match_indices("crate::") {
        // `$crate::` in a macro is a path of the crate as well; `my_crate::` is not.
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &code[at + matched.len()..];
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(first_names(group)),
            None => rooms.extend(identifier(rest)),
        }
    }
    rooms
}

/// The first name of every path of a `{a, b::{c, d}}`, given without its opening brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut start) = (1, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 1 => depth -= 1,
            ',' | '}' if depth == 1 => {
                names.extend(identifier(group[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    // A capital is an item that lib.rs exports, not a room.
    name.starts_with(|first: char| first.is_lowercase()).then_some(name)
}

fn is_allowed(from: &str, to: &str) -> bool {
    from == to || matches!((layer_of(from), layer_of(to)), (Some(from), Some(to)) if from < to)
}

#[test]
fn every_room_has_its_layer() {
    let without: BTreeSet<String> =
        files().into_iter().map(|(room, _)| room).filter(|room| layer_of(room).is_none()).collect();

    assert!(without.is_empty(), "give these rooms a place in LAYERS: {without:?}");
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (room, path) in files() {
        for named in rooms_named(&fs::read_to_string(&path).unwrap()) {
            if !is_allowed(&room, &named) {
                wrong.push(format!("{}: {room} sees {named}", path.strip_prefix(source_root()).unwrap().display()));
            }
        }
    }

    assert!(wrong.is_empty(), "imports that go up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_depends_on_neither_python_nor_a_network() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();

    for name in FORBIDDEN {
        assert!(!manifest.lines().any(|line| line.starts_with(name)), "{name} is a dependency of the core");
    }
}

#[test]
fn the_reader_finds_every_form_of_import() {
    let source = "
        use crate::error::Result;
        use crate::{clock::Clock, index::{self, flat}, Engine};
        // use crate::cache::Cache;
        let place = crate::store::Entry::new(my_crate::router::route());
    ";

    let expected = ["clock", "error", "index", "store"].map(str::to_owned);
    assert_eq!(rooms_named(source), BTreeSet::from(expected));
}

#[test]
fn up_and_sideways_are_refused() {
    assert!(is_allowed("engine", "cache") && is_allowed("cache", "cache"));

    assert!(!is_allowed("error", "request"));
    assert!(!is_allowed("cache", "router"));
    assert!(!is_allowed("cache", "a_room_without_a_place"));
}
