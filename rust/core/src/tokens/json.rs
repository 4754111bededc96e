//! A borrowed view of a JSON body, read in one pass.
//!
//! Strings without escapes are slices of the body, so counting a request copies almost nothing. `serde_json::Value` took
//! three times as long on a body of 3 KB: it owns every string and sorts every object.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};

/// Deeper nesting is refused, so that a hostile body cannot exhaust the stack.
const MAX_DEPTH: usize = 128;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`, `true`, `false` or a number, as written.
    Literal(&'a str),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object in the order of the body, with the text it was read from.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a whole body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let text = std::str::from_utf8(body).map_err(|fault| malformed("is not UTF-8", fault.valid_up_to()))?;
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.white();
        if reader.at < text.len() {
            return Err(malformed("goes on after its JSON value", reader.at));
        }
        Ok(value)
    }

    /// The value of a key; the last one where it is repeated.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string member.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The elements of an array; none for any other value.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The members of an object; none for any other value.
    pub fn members(&self) -> &[(Cow<'a, str>, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// Writes the value without white space, as `JSON.stringify` does.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Literal(literal) => out.push_str(literal),
            Self::Text(text) => quote(text, out),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
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

fn malformed(what: &str, at: usize) -> Error {
    Error::new(
        ErrorKind::Text,
        format!("the request body {what} at byte {at}; a JSON chat-completion body was expected"),
    )
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn white(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>> {
        if depth > MAX_DEPTH {
            return Err(malformed("nests more than 128 levels deep", self.at));
        }
        self.white();
        match self.peek() {
            b'"' => Ok(Json::Text(self.string()?)),
            b'{' => {
                let mut members = Vec::with_capacity(4);
                self.sequence(b'}', |reader| {
                    reader.white();
                    if reader.peek() != b'"' {
                        return Err(malformed("has an object without a key", reader.at));
                    }
                    let key = reader.string()?;
                    reader.white();
                    if reader.peek() != b':' {
                        return Err(malformed("has a key without a value", reader.at));
                    }
                    reader.at += 1;
                    members.push((key, reader.value(depth + 1)?));
                    Ok(())
                })?;
                Ok(Json::Object(members))
            }
            b'[' => {
                let mut items = Vec::new();
                self.sequence(b']', |reader| {
                    items.push(reader.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Json::Array(items))
            }
            _ => self.literal(),
        }
    }

    fn sequence(&mut self, close: u8, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.at += 1;
        self.white();
        if self.peek() == close {
            self.at += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            self.white();
            let found = self.peek();
            self.at += 1;
            if found == close {
                return Ok(());
            }
            if found != b',' {
                return Err(malformed("is cut off or lacks a comma", self.at - 1));
            }
        }
    }

    fn literal(&mut self) -> Result<Json<'a>> {
        let rest = &self.text[self.at..];
        let len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let literal = &rest[..len];
        let is_number = is_number(literal.as_bytes());
        if !is_number && !["null", "true", "false"].contains(&literal) {
            return Err(malformed("is not JSON", self.at));
        }
        self.at += len;
        Ok(Json::Literal(literal))
    }

    /// A string; the reader stands at its opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut end = start;
        loop {
            // Eight bytes at a time while none of them is a quote, a backslash or a control character.
            while let Some(chunk) = bytes.get(end..).and_then(|rest| rest.first_chunk::<8>()) {
                let stop = special_bytes(u64::from_le_bytes(*chunk));
                end += (stop.trailing_zeros() / 8) as usize;
                if stop != 0 {
                    break;
                }
            }
            match bytes.get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    return Ok(Cow::Borrowed(&self.text[start..end]));
                }
                Some(b'\\') => return self.escaped(start, end),
                Some(0..0x20) => return Err(malformed("has a control character in a string", end)),
                Some(_) => end += 1,
                None => return Err(malformed("ends inside a string", end)),
            }
        }
    }

    fn escaped(&mut self, start: usize, mut at: usize) -> Result<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let mut out = String::with_capacity(64 + at - start);
        out.push_str(&self.text[start..at]);
        loop {
            let plain = at;
            while bytes.get(at).is_some_and(|&byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
                at += 1;
            }
            out.push_str(&self.text[plain..at]);
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => at = self.escape(at, &mut out)?,
                _ => return Err(malformed("ends inside a string or has a control character in one", at)),
            }
        }
    }

    /// One escape that begins at `at`; returns where it ends.
    fn escape(&self, at: usize, out: &mut String) -> Result<usize> {
        let character = match self.text.as_bytes().get(at + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(&plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'u') => {
                let high = self.hex(at + 2)?;
                let (code, end) = match high {
                    0xD800..0xDC00 if self.text[at + 6..].starts_with("\\u") => {
                        let low = self.hex(at + 8)?;
                        if !(0xDC00..0xE000).contains(&low) {
                            return Err(malformed("has a lone surrogate", at));
                        }
                        (0x1_0000 + ((high - 0xD800) << 10 | (low - 0xDC00)), at + 12)
                    }
                    _ => (high, at + 6),
                };
                out.push(char::from_u32(code).ok_or_else(|| malformed("has a lone surrogate", at))?);
                return Ok(end);
            }
            _ => return Err(malformed("has an unknown escape", at)),
        };
        out.push(character);
        Ok(at + 2)
    }

    fn hex(&self, at: usize) -> Result<u32> {
        let digits = self.text.get(at..at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| malformed("has a bad \\u escape", at))
    }
}

/// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, and not too large for a float, as `serde_json` has it.
fn is_number(text: &[u8]) -> bool {
    let digits = |at: usize| text[at.min(text.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return false;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == text.len() && std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite))
}

/// A high bit for each byte that is a quote, a backslash or below the space; exact up to the first such byte.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    zero_in(word ^ (ONES * u64::from(b'"'))) | zero_in(word ^ (ONES * u64::from(b'\\'))) | below_space
}
