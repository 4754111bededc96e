//! Which entries are meant: for invalidating, listing and exporting.

use super::{Entry, guards};
use crate::embed::Embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Features;
use crate::index;
use crate::store::document;

/// Requests near a text, whatever their scope and their slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// The text. What is kept is this and not its vector, so that it still means the same to another embedder.
    pub text: Box<str>,
    /// Least cosine of the two frames, in [-1, 1].
    pub min_similarity: f32,
}

/// Entries for which everything that is said holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// This one.
    pub entry_id: Option<u128>,
    /// Made from this document: "doc@7" in that version; "doc@*" or "doc" in any, also where none was told.
    pub source: Option<Box<str>>,
    /// Carrying this tag.
    pub tag: Option<Box<str>>,
    /// Made for this tenant.
    pub tenant: Option<Box<str>>,
    /// Made in this namespace.
    pub namespace: Option<Box<str>>,
    /// Stored by this writer.
    pub writer: Option<Box<str>>,
    /// Of a request near this text; one that is never compared by meaning is near to none.
    pub near: Option<Near>,
}

impl Selection {
    /// Whether nothing is said, so that every entry is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the entries that are meant can be found without a look at the others.
    pub(super) fn has_table(&self) -> bool {
        self.entry_id.is_some() || self.source.is_some() || self.tag.is_some()
    }

    /// Whether an entry is meant, by all that is said but `near`.
    pub fn matches(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<Box<str>>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let origin = &entry.origin;
        let comes_from = |wanted: &str| origin.sources.iter().any(|source| names(wanted, source));
        self.entry_id.is_none_or(|id| id == entry.id)
            && is(&self.tenant, &origin.tenant)
            && is(&self.namespace, &origin.namespace)
            && is(&self.writer, &origin.writer)
            && self.source.as_deref().is_none_or(comes_from)
            && self.tag.as_ref().is_none_or(|tag| origin.tags.contains(tag))
    }
}

/// A selection, with the vector of the text that what is meant is near to.
pub(super) struct Meant<'a> {
    selection: &'a Selection,
    vector: Option<Vec<f32>>,
    is_unknown: bool,
}

impl<'a> Meant<'a> {
    pub(super) fn new(selection: &'a Selection, embedder: &dyn Embedder) -> Self {
        let embed = |near: &Near| {
            let slots = Features::of_text(&near.text).slots;
            embedder.embed(if slots.frame.is_empty() { &near.text } else { &slots.frame })
        };
        let embedding = selection.near.as_ref().map(embed);
        let is_unknown = embedding.as_ref().is_some_and(|embedding| embedding.coverage < guards::KNOWN);
        Self { selection, vector: embedding.map(|embedding| embedding.vector), is_unknown }
    }

    /// Whether the embedder knows so little of the text that its vector tells nothing.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Whether an entry is meant; `vector` reads the one that it is compared by, if it has one.
    pub(super) fn matches(&self, entry: &Entry, vector: impl FnOnce() -> Option<Vec<f32>>) -> bool {
        let is_near = |near: &Near| {
            let cosine = |held: Vec<f32>| index::cosine(self.vector.as_deref().unwrap_or_default(), &held);
            vector().is_some_and(|held| cosine(held) >= near.min_similarity)
        };
        self.selection.matches(entry) && self.selection.near.as_ref().is_none_or(is_near)
    }
}

/// Whether a source asked for names a source of an entry.
fn names(wanted: &str, source: &str) -> bool {
    match wanted.rsplit_once('@') {
        None => document(source) == wanted,
        Some((wanted, "*")) => document(source) == wanted,
        Some(_) => source == wanted,
    }
}

/// Sources or tags that an entry may have.
///
/// # Errors
/// `Config` where one is empty, or is a pattern.
pub fn check_names(name: &str, values: &[Box<str>]) -> Result<()> {
    for value in values {
        if value.is_empty() || name == "sources" && value.ends_with("@*") {
            let context = format!("{name} holds {value:?}; each has to name one thing, as \"kb/returns.md@7\" does");
            return Err(Error::new(ErrorKind::Config, context));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_one_version_or_all() {
        for (wanted, source, expected) in [
            ("doc@7", "doc@7", true),
            ("doc@7", "doc@8", false),
            ("doc@7", "doc", false),
            ("doc@*", "doc@7", true),
            ("doc@*", "doc", true),
            ("doc", "doc@7", true),
            ("doc", "doc", true),
            ("doc", "doc2@7", false),
            ("a@b.org", "a@b.org", true),
            ("a@b.org@*", "a@b.org@3", true),
            ("a@b.org", "a@c.org", false),
        ] {
            assert_eq!(names(wanted, source), expected, "{wanted} {source}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        assert!(check_names("sources", &["doc@7".into(), "doc".into()]).is_ok());
        assert!(check_names("sources", &["doc@*".into()]).is_err());
        assert!(check_names("tags", &["".into()]).is_err());
    }
}
