//! Reading JSON text into the nodes of a [`super::json::Body`], refusing what `serde_json` refuses.

use super::json::{Kind, Node};
use crate::error::{Error, ErrorKind, Result};

/// Deeper nesting is refused, so that a hostile body cannot exhaust the stack.
const MAX_DEPTH: usize = 128;
/// Bytes of a body for which a node is set aside, up to [`MOST_NODES`]; more are made room for when they come.
const BYTES_PER_NODE: usize = 16;
const MOST_NODES: usize = 4096;

#[cold]
fn malformed(what: &str, at: usize) -> Error {
    Error::new(
        ErrorKind::Text,
        format!("the request body {what} at byte {at}; a JSON chat-completion body was expected"),
    )
}

/// Reads a body into nodes.
pub struct Reader<'a> {
    pub text: &'a str,
    at: usize,
    /// The strings that had escapes, without them.
    pub unescaped: String,
    /// The values in the order of the body.
    pub nodes: Vec<Node>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    pub fn of(body: &'a [u8]) -> Result<Self> {
        let text = std::str::from_utf8(body).map_err(|fault| malformed("is not UTF-8", fault.valid_up_to()))?;
        let nodes = Vec::with_capacity((text.len() / BYTES_PER_NODE + 4).min(MOST_NODES));
        Ok(Self { text, at: 0, unescaped: String::new(), nodes })
    }

    /// Reads all of the body.
    pub fn whole(&mut self) -> Result<()> {
        self.value(0)?;
        self.white();
        if self.at < self.text.len() {
            return Err(malformed("goes on after its JSON value", self.at));
        }
        Ok(())
    }

    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn white(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    fn push(&mut self, kind: Kind, is_unescaped: bool, start: usize, end: usize) {
        let next = self.nodes.len() + 1;
        self.nodes.push(Node { kind, is_unescaped, start, end, next });
    }

    fn value(&mut self, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(malformed("nests more than 128 levels deep", self.at));
        }
        self.white();
        match self.peek() {
            b'"' => self.string(),
            b'{' => self.sequence(Kind::Object, b'}', |reader| {
                reader.white();
                if reader.peek() != b'"' {
                    return Err(malformed("has an object without a key", reader.at));
                }
                reader.string()?;
                reader.white();
                if reader.peek() != b':' {
                    return Err(malformed("has a key without a value", reader.at));
                }
                reader.at += 1;
                reader.value(depth + 1)
            }),
            b'[' => self.sequence(Kind::Array, b']', |reader| reader.value(depth + 1)),
            _ => self.literal(),
        }
    }

    fn sequence(&mut self, kind: Kind, close: u8, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let node = self.nodes.len();
        self.push(kind, false, 0, 0);
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
                self.nodes[node].next = self.nodes.len();
                return Ok(());
            }
            if found != b',' {
                return Err(malformed("is cut off or lacks a comma", self.at - 1));
            }
        }
    }

    fn literal(&mut self) -> Result<()> {
        let rest = &self.text[self.at..];
        let len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let literal = &rest[..len];
        let is_number = is_number(literal.as_bytes());
        if !is_number && !["null", "true", "false"].contains(&literal) {
            return Err(malformed("is not JSON", self.at));
        }
        self.push(Kind::Literal, false, self.at, self.at + len);
        self.at += len;
        Ok(())
    }

    /// A string; the reader stands at its opening quote.
    fn string(&mut self) -> Result<()> {
        let start = self.at + 1;
        let end = self.plain_until(start);
        match self.text.as_bytes().get(end) {
            Some(b'"') => {
                self.push(Kind::Text, false, start, end);
                self.at = end + 1;
                Ok(())
            }
            Some(b'\\') => self.escaped(start, end),
            Some(_) => Err(malformed("has a control character in a string", end)),
            None => Err(malformed("ends inside a string", end)),
        }
    }

    /// The first quote, backslash or control character from `at` on, or the end of the body.
    ///
    /// Strides of 32 bytes in vector registers took 3 to 5 % longer on a chat request: most of its strings are short.
    fn plain_until(&self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let stop = special_bytes(u64::from_le_bytes(*chunk));
            if stop != 0 {
                return at + (stop.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while bytes.get(at).is_some_and(|&byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
            at += 1;
        }
        at
    }

    #[inline(never)]
    fn escaped(&mut self, start: usize, mut at: usize) -> Result<()> {
        let mut out = std::mem::take(&mut self.unescaped);
        let from = out.len();
        out.push_str(&self.text[start..at]);
        loop {
            let plain = at;
            at = self.plain_until(at);
            out.push_str(&self.text[plain..at]);
            match self.text.as_bytes().get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    self.push(Kind::Text, true, from, out.len());
                    self.unescaped = out;
                    return Ok(());
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
