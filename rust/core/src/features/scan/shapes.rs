//! What is longer than a word: numbers, dates, versions, ids, addresses, names of files and of code, strings in quotes.

use super::{Class, Kind, Scanner};
use crate::features::lexicon::entry;
use crate::features::word::WordKey;

/// Most bytes of a quoted string, quotes left out: more is a passage and not a name.
const LONGEST_QUOTE: usize = 60;

impl Scanner<'_> {
    /// What a run of letters turns out to be by the byte after it, and where that ends.
    #[inline]
    pub(super) fn shape(
        &mut self,
        start: usize,
        at: usize,
        mut key: WordKey,
        is_upper: bool,
        has_score: bool,
    ) -> Option<usize> {
        let next = self.byte(at);
        match next {
            b'0'..=b'9' | b'-' => {
                if let Some(end) = self.id(start, at, is_upper) {
                    self.push(Kind::Id, start, end);
                    return Some(end);
                }
                if next != b'-' && has_score {
                    let end = self.identifier(at);
                    self.push(Kind::Code, start, end);
                    return Some(end);
                }
                if key == WordKey::of("v") && next.is_ascii_digit() {
                    let end = self.digits(at);
                    self.push(Kind::Version, start, end);
                    return Some(end);
                }
            }
            b'+' | b'#' => {
                let end = at + 1 + usize::from(self.byte(at + 1) == next && next == b'+');
                let is_name = next == b'#' || end == at + 2;
                if is_name && !matches!(self.class(end), Class::Letter | Class::Digit | Class::High) {
                    self.bytes[at..end].iter().for_each(|&sign| key.push(sign));
                    self.push_token(Kind::Word, start, end, (entry::NONE, key.stem()));
                    return Some(end);
                }
            }
            b'@' => return self.email(at),
            b':' if self.byte(at + 1) == b'/' && self.byte(at + 2) == b'/' => return Some(self.url(start)),
            b'.' if key == WordKey::of("www") => return Some(self.url(start)),
            b'.' => {
                let end = self.file_name(at)?;
                self.push(Kind::Code, start, end);
                return Some(end);
            }
            b'(' if self.byte(at + 1) == b')' => {
                self.found.code_signs += 1;
                self.push(Kind::Code, start, at + 2);
                return Some(at + 2);
            }
            _ => {}
        }
        None
    }

    /// "INV-2024-0017", "AB12345": up to six letters, then at least three digits. Without a hyphen the letters must be
    /// capitals, for "order5036" is two words.
    fn id(&self, start: usize, at: usize, is_upper: bool) -> Option<usize> {
        let hyphen = usize::from(self.byte(at) == b'-');
        if at - start > 6 || (hyphen == 0 && !is_upper) || !self.byte(at + hyphen).is_ascii_digit() {
            return None;
        }
        let mut end = at + hyphen;
        let mut digits = 0;
        while self.byte(end).is_ascii_alphanumeric()
            || (self.byte(end) == b'-' && self.byte(end + 1).is_ascii_alphanumeric())
        {
            digits += usize::from(self.byte(end).is_ascii_digit());
            end += 1;
        }
        (digits >= 3).then_some(end)
    }

    /// "report.pdf", "archive.tar.gz", "example.com": a name, and endings of two to five small letters after points.
    /// "a.m." and "e.g." are none, and neither is the end of one sentence that touches the next.
    fn file_name(&self, mut at: usize) -> Option<usize> {
        let mut end = None;
        // "str.join()" is a call of `join`.
        while self.byte(at) == b'.' {
            let ending = self.bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_lowercase()).count();
            at += 1 + ending;
            let is_longer =
                matches!(self.class(at), Class::Letter | Class::Digit | Class::High) || self.byte(at) == b'(';
            if !(2..=5).contains(&ending) || is_longer {
                break;
            }
            end = Some(at);
        }
        end
    }

    fn identifier(&self, mut at: usize) -> usize {
        while self.byte(at).is_ascii_alphanumeric() || self.byte(at) == b'_' {
            at += 1;
        }
        at
    }

    /// The whole chunk around an "@", where it is an address.
    fn email(&mut self, at: usize) -> Option<usize> {
        let mut end = at + 1;
        while matches!(self.byte(end), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_') {
            end += 1;
        }
        while end > at && matches!(self.byte(end - 1), b'.' | b'-' | b'_') {
            end -= 1;
        }
        let domain = self.text.get(at + 1..end)?;
        if !domain.contains('.') {
            return None;
        }
        let mut start = at;
        while start > 0
            && matches!(self.byte(start - 1), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'+')
        {
            start -= 1;
        }
        self.take_back(start);
        self.push(Kind::Email, start, end);
        Some(end)
    }

    fn url(&mut self, start: usize) -> usize {
        let mut end = start;
        while end < self.bytes.len() && !matches!(self.byte(end), b' ' | b'"' | b'<' | b'>' | b'`' | b'\n' | b'\t') {
            end += 1;
        }
        while end > start && matches!(self.byte(end - 1), b'.' | b',' | b';' | b'?' | b'!' | b')' | b'\'' | b':') {
            end -= 1;
        }
        // A character of several bytes ends where the text says.
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        self.push(Kind::Url, start, end);
        end.max(start + 1)
    }

    /// Removes the tokens from `start` on, which turned out to be parts of a longer one.
    fn take_back(&mut self, start: usize) {
        while self.found.tokens.last().is_some_and(|last| last.start as usize >= start) {
            self.found.tokens.pop();
        }
        // Half of a token that began before: it becomes the shorter one.
        if let Some(last) = self.found.tokens.last_mut()
            && last.end as usize > start
        {
            last.end = u32::try_from(start).unwrap_or(u32::MAX);
        }
    }

    /// The end of a run of digits and points, points at its end left out.
    fn digits(&self, mut at: usize) -> usize {
        while self.byte(at).is_ascii_digit() || (self.byte(at) == b'.' && self.byte(at + 1).is_ascii_digit()) {
            at += 1;
        }
        at
    }

    /// How many digits stand from `at` on.
    fn run(&self, at: usize) -> usize {
        self.bytes[at.min(self.bytes.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    pub(super) fn number(&mut self, start: usize) -> usize {
        let first = self.run(start);
        let at = start + first;
        let (next, after) = (self.byte(at), self.run(at + 1));
        // "5/1", "5/1/2024", "2024-05-01", "10:30", "10:30:15".
        let (kind, end) = match next {
            b':' if first <= 2 && after == 2 => {
                let seconds = if self.byte(at + 3) == b':' && self.run(at + 4) == 2 { 3 } else { 0 };
                (Kind::Clock, at + 3 + seconds)
            }
            b'-' if first == 4 && after == 2 && self.byte(at + 3) == b'-' && self.run(at + 4) == 2 => {
                (Kind::Date, at + 6)
            }
            b'/' if first <= 2 && (1..=2).contains(&after) => {
                let year = if self.byte(at + 1 + after) == b'/' { self.run(at + 2 + after) } else { 0 };
                if matches!(year, 2 | 4) { (Kind::Date, at + 2 + after + year) } else { (Kind::Number, at) }
            }
            b',' if first <= 3 => {
                let mut end = at;
                while self.byte(end) == b',' && self.run(end + 1) == 3 {
                    end += 4;
                }
                let fraction = if self.byte(end) == b'.' { self.run(end + 1) } else { 0 };
                (Kind::Number, if fraction > 0 { end + 1 + fraction } else { end })
            }
            b'.' if after > 0 => {
                let end = self.digits(at);
                let dots = self.text[start..end].matches('.').count();
                let last = end - start - self.bytes[start..end].iter().rposition(|&byte| byte == b'.').unwrap_or(0) - 1;
                if dots == 2 && first <= 2 && last == 4 {
                    (Kind::Date, end)
                } else {
                    (if dots >= 2 { Kind::Version } else { Kind::Number }, end)
                }
            }
            _ => (Kind::Number, at),
        };
        // Digits with capitals among them, or at least five characters of both: "7K9Q2X".
        let may_be_id = kind == Kind::Number && end == start + first && self.byte(end).is_ascii_uppercase();
        if may_be_id && start >= self.no_id_before {
            let after = self.identifier(end);
            let run = &self.bytes[start..after];
            let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
            if let Some(small) = run.iter().rposition(u8::is_ascii_lowercase) {
                self.no_id_before = start + small;
            } else if run.len() >= 5 && digits >= 2 {
                self.push(Kind::Id, start, after);
                return after;
            }
        }
        if self.byte(end) == b'@'
            && let Some(end) = self.email(end)
        {
            return end;
        }
        self.push(kind, start, end);
        end
    }

    /// Digits of other scripts, fractions, numbers in circles: a number as it stands.
    pub(super) fn foreign_number(&mut self, start: usize) -> usize {
        let length = self.text[start..].chars().take_while(|c| c.is_numeric()).map(char::len_utf8).sum::<usize>();
        self.push(Kind::Number, start, start + length);
        start + length
    }

    /// A short string in quotes that is not the whole text; a lone quote is nothing.
    pub(super) fn quoted(&mut self, at: usize, open: &str, close: &str) -> usize {
        let start = at + open.len();
        let is_free = at == 0 || !self.bytes[at - 1].is_ascii_alphanumeric();
        let mut limit = (start + LONGEST_QUOTE + close.len()).min(self.bytes.len());
        while !self.text.is_char_boundary(limit) {
            limit -= 1;
        }
        let inner = self.text.get(start..limit).and_then(|rest| rest.find(close));
        match inner {
            Some(length) if is_free && length > 0 && !(at == 0 && start + length + close.len() == self.bytes.len()) => {
                if open == "`" {
                    // Code in backticks is one token; its signs are counted all the same.
                    let body = &self.bytes[start..start + length];
                    self.found.code_signs += 2 * usize::from(body.iter().any(|byte| b"(){}=;<>".contains(byte)));
                }
                self.push(Kind::Quoted, at, start + length + close.len());
                start + length + close.len()
            }
            _ => start,
        }
    }
}
