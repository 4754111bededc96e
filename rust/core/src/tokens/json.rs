//! A view of a JSON body, read in one pass.
//!
//! The values lie one behind the other in one vector, a string without escapes is a slice of the body, and all other
//! strings share one buffer. With a tree of vectors a chat request of 2.4 KB took 8.5 us instead of 7.3 to count.
//! `serde_json::Value` took three times as long as that tree to read 3 KB: it owns every string and sorts every object.

use std::fmt::Write as _;

use super::reader::Reader;
use crate::error::Result;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`, `true`, `false` or a number.
    Literal,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value; its elements, or its keys and values in turn, follow it.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub kind: Kind,
    /// Whether the text lies in `unescaped` and not in the body.
    pub is_unescaped: bool,
    pub start: usize,
    pub end: usize,
    /// The node behind this one and all that is in it.
    pub next: usize,
}

/// A body that was read.
#[derive(Debug)]
pub struct Body<'a> {
    text: &'a str,
    /// The strings that had escapes, without them.
    unescaped: String,
    nodes: Vec<Node>,
}

impl<'a> Body<'a> {
    /// Reads a whole body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::of(body)?;
        reader.whole()?;
        Ok(Self { text: reader.text, unescaped: reader.unescaped, nodes: reader.nodes })
    }

    /// The value that the body is.
    pub fn root(&self) -> Json<'_> {
        Json { body: self, at: 0 }
    }
}

/// A value of a body.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a> {
    body: &'a Body<'a>,
    at: usize,
}

impl<'a> Json<'a> {
    fn node(self) -> &'a Node {
        &self.body.nodes[self.at]
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// A literal as written, or a string unescaped.
    fn written(self) -> &'a str {
        let node = self.node();
        let from = if node.is_unescaped { &self.body.unescaped } else { self.body.text };
        &from[node.start..node.end]
    }

    fn children(self, is_wanted: bool) -> Children<'a> {
        let end = if is_wanted { self.node().next } else { self.at + 1 };
        Children { body: self.body, at: self.at + 1, end }
    }

    /// The value of a key; the last one where it is repeated.
    pub fn get(self, key: &str) -> Option<Self> {
        let mut keys = self.children(self.kind() == Kind::Object);
        let mut found = None;
        while let Some(known) = keys.next() {
            let value = keys.next()?;
            // Most keys differ in length: the text of those is not looked at.
            let Node { start, end, .. } = *known.node();
            if end - start == key.len() && known.written() == key {
                found = Some(value);
            }
        }
        found
    }

    /// The text of a string.
    pub fn text(self) -> Option<&'a str> {
        (self.kind() == Kind::Text).then(|| self.written())
    }

    /// The text of a string member.
    pub fn text_of(self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// The elements of an array; none for any other value.
    pub fn items(self) -> impl Iterator<Item = Self> {
        self.children(self.kind() == Kind::Array)
    }

    /// The elements of an array member; none where there is no such.
    pub fn items_of(self, key: &str) -> impl Iterator<Item = Self> {
        self.get(key).into_iter().flat_map(Self::items)
    }

    /// The members of an object; none for any other value.
    pub fn members(self) -> impl Iterator<Item = (&'a str, Self)> {
        let mut children = self.children(self.kind() == Kind::Object);
        std::iter::from_fn(move || Some((children.next()?.written(), children.next()?)))
    }

    /// Writes the value without white space, as `JSON.stringify` does.
    pub fn write(self, out: &mut String) {
        match self.kind() {
            Kind::Literal => out.push_str(self.written()),
            Kind::Text => quote(self.written(), out),
            Kind::Array => {
                out.push('[');
                for (at, item) in self.items().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Kind::Object => {
                out.push('{');
                for (at, (key, value)) in self.members().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quote(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Values side by side.
struct Children<'a> {
    body: &'a Body<'a>,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Children<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let child = (self.at < self.end).then_some(Json { body: self.body, at: self.at })?;
        self.at = child.node().next;
        Some(child)
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control)); // Writing to a String cannot fail.
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
