//! One pass over the bytes of a text: tokens, and counts that need no words.

use super::lexicon::{Lexicon, WordKey, flag};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Letters, with apostrophes inside; "c++" and "c#" are words.
    Word,
    /// Digits, with thousands separators and a decimal point.
    Number,
    /// Digits joined by ":" ("10:30"), "-" ("2024-05-01") or "/" ("5/1/2024").
    Clock,
    /// See [`Kind::Clock`].
    Date,
    /// "3.9.1", "v2".
    Version,
    /// Letters and digits in one: "INV-2024", "X7K9Q2".
    Id,
    /// An e-mail address.
    Email,
    /// A URL.
    Url,
    /// `user_id`, `getUser`, `main()`.
    Code,
    /// A string in quotes.
    Quoted,
    /// One of the signs that matter to slots: $ £ € ¥ ₹ % #.
    Money,
    /// See [`Kind::Money`].
    Percent,
    /// See [`Kind::Money`].
    Hash,
    /// An end mark: . ! ? before a blank or the end.
    End,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
    /// What it is.
    pub kind: Kind,
    /// Whether it touches the token before it.
    pub is_glued: bool,
    /// Number of its lexicon entry; 0 for none.
    pub entry: u16,
    /// Flags of its entry; a word that ends in "n't" is a negation whatever the lists say.
    pub flags: u32,
}

/// What the pass found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The tokens, in order.
    pub tokens: Vec<Token>,
    /// Question marks.
    pub questions: usize,
    /// End marks before a blank or the end.
    pub ends: usize,
    /// Signs of program code.
    pub code_signs: usize,
    /// Whether there is a code fence.
    pub has_fence: bool,
    /// Signs of mathematics: = ^ √ ∑ ∫ and a backslash before a letter.
    pub maths_signs: usize,
    /// Bytes of words that are no ASCII letters.
    pub foreign_bytes: usize,
}

/// Most bytes of a quoted string, quotes left out: more is a passage and not a name.
const LONGEST_QUOTE: usize = 60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Letter,
    Digit,
    Sign,
    High,
}

static CLASS: [Class; 256] = {
    let mut class = [Class::Sign; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = at as u8;
        class[at] = if byte >= 128 {
            Class::High
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            Class::Letter
        } else if byte.is_ascii_digit() {
            Class::Digit
        } else if byte.is_ascii_whitespace() {
            Class::Blank
        } else {
            Class::Sign
        };
        at += 1;
    }
    class
};

/// Cuts a text into tokens. One allocation, for the tokens.
pub fn scan(text: &str) -> Scan {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        lexicon: Lexicon::get(),
        chunk: 0,
        found: Scan { tokens: Vec::with_capacity(text.len() / 4 + 4), ..Scan::default() },
    };
    let mut at = 0;
    while at < scanner.bytes.len() {
        at = match CLASS[scanner.bytes[at] as usize] {
            Class::Blank => {
                scanner.chunk = at + 1;
                at + 1
            }
            Class::Letter => scanner.word(at),
            Class::Digit => scanner.number(at),
            Class::Sign => scanner.sign(at),
            Class::High => scanner.high(at),
        };
    }
    scanner.found
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    lexicon: Lexicon,
    /// Where the run of bytes without a blank began.
    chunk: usize,
    found: Scan,
}

impl Scanner<'_> {
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b' ')
    }

    fn class(&self, at: usize) -> Class {
        CLASS[self.byte(at) as usize]
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.push_word(kind, start, end, 0, 0);
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a request of 4 GiB is refused long before")]
    fn push_word(&mut self, kind: Kind, start: usize, end: usize, entry: u16, flags: u32) {
        let is_glued = self.found.tokens.last().is_some_and(|last| last.end as usize == start);
        let token = Token { start: start as u32, end: end as u32, kind, is_glued, entry, flags };
        self.found.tokens.push(token);
    }

    /// A word from `start` on; gives the place after it.
    fn word(&mut self, start: usize) -> usize {
        let mut key = WordKey::default();
        let mut at = start;
        let (mut is_upper, mut has_hump, mut has_score) = (true, false, false);
        // Most words are a run of at most 16 ASCII letters: they are read as one number.
        let run = self.bytes[start..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if let (1..=16, Some(sixteen)) = (run, self.bytes[start..].first_chunk::<16>())
            && !matches!(self.byte(start + run), b'\'' | b'_' | 128..)
        {
            let letters = Letters::new(*sixteen, run);
            (key, is_upper, has_hump) = (letters.key, letters.is_upper, letters.has_hump);
            at = start + run;
        }
        let mut was_lower = false;
        while at < self.bytes.len() {
            let byte = self.bytes[at];
            if byte.is_ascii_lowercase() {
                key.push(byte);
                (is_upper, was_lower) = (false, true);
                at += 1;
            } else if byte.is_ascii_uppercase() {
                key.push(byte | 32);
                has_hump |= was_lower;
                was_lower = false;
                at += 1;
            } else if byte == b'_' {
                has_score = true;
                key.push(byte);
                at += 1;
            } else if byte == b'\'' && at > start && self.class(at + 1) == Class::Letter {
                key.push(byte);
                at += 1;
            } else if byte >= 128 {
                let c = self.char(at);
                if c == '’' && at > start && self.class(at + 3) == Class::Letter {
                    key.push(b'\'');
                } else if is_word_char(c) {
                    for lower in c.to_lowercase() {
                        lower.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| key.push(byte));
                    }
                    self.found.foreign_bytes += c.len_utf8();
                    is_upper = false;
                } else {
                    break;
                }
                at += c.len_utf8();
            } else {
                break;
            }
        }
        let next = self.byte(at);
        // Shapes that a rare second byte gives away; a plain word falls through to the end.
        match next {
            b'0'..=b'9' | b'-' => {
                if let Some(end) = self.id(start, at, is_upper) {
                    self.push(Kind::Id, start, end);
                    return end;
                }
                if next != b'-' && has_score {
                    let end = self.identifier(at);
                    self.push(Kind::Code, start, end);
                    return end;
                }
                if key == WordKey::of("v") && next.is_ascii_digit() {
                    let end = self.digits(at);
                    self.push(Kind::Version, start, end);
                    return end;
                }
            }
            b'+' | b'#' => {
                let end = at + 1 + usize::from(self.byte(at + 1) == next && next == b'+');
                let is_name = next == b'#' || end == at + 2;
                if is_name && !matches!(self.class(end), Class::Letter | Class::Digit | Class::High) {
                    self.push(Kind::Word, start, end);
                    return end;
                }
            }
            b'@' => {
                if let Some(end) = self.email(at) {
                    return end;
                }
            }
            b':' if self.byte(at + 1) == b'/' && self.byte(at + 2) == b'/' => return self.url(start),
            b'.' if key == WordKey::of("www") => return self.url(start),
            b'(' if self.byte(at + 1) == b')' => {
                self.found.code_signs += 1;
                self.push(Kind::Code, start, at + 2);
                return at + 2;
            }
            _ => {}
        }
        let is_camel = has_hump && at - start >= 5 && self.bytes[start..start + 2].iter().all(u8::is_ascii_lowercase);
        if has_score && self.bytes[start..at].iter().any(u8::is_ascii_alphabetic) || is_camel {
            self.push(Kind::Code, start, at);
        } else if !has_score {
            let entry = self.lexicon.find(key);
            let not = if key.is_contracted_not() { flag::NEGATION } else { 0 };
            self.push_word(Kind::Word, start, at, entry, self.lexicon.flags(entry) | not);
        }
        at
    }

    fn char(&self, at: usize) -> char {
        self.text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ')
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
        while start > self.chunk
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

    fn number(&mut self, start: usize) -> usize {
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
        if kind == Kind::Number && end == start + first && self.byte(end).is_ascii_uppercase() {
            let after = self.identifier(end);
            let digits = self.bytes[start..after].iter().filter(|byte| byte.is_ascii_digit()).count();
            let is_lower = self.bytes[start..after].iter().any(u8::is_ascii_lowercase);
            if after - start >= 5 && digits >= 2 && !is_lower && digits < after - start {
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

    fn sign(&mut self, at: usize) -> usize {
        let (byte, next) = (self.bytes[at], self.byte(at + 1));
        match byte {
            b'$' => self.push(Kind::Money, at, at + 1),
            b'%' => self.push(Kind::Percent, at, at + 1),
            b'#' => self.push(Kind::Hash, at, at + 1),
            b'"' => return self.quoted(at, "\"", "\""),
            b'`' => {
                if next == b'`' && self.byte(at + 2) == b'`' {
                    self.found.has_fence = true;
                    return at + 3;
                }
                return self.quoted(at, "`", "`");
            }
            b'.' | b'!' | b'?' => {
                self.found.questions += usize::from(byte == b'?');
                if at + 1 >= self.bytes.len() || next == b' ' {
                    self.found.ends += 1;
                    self.push(Kind::End, at, at + 1);
                }
            }
            b'(' if next == b')' => self.found.code_signs += 1,
            b')' if next == b':' => self.found.code_signs += 1,
            b'}' if next == b';' => self.found.code_signs += 1,
            b'=' => {
                self.found.maths_signs += 1;
                self.found.code_signs += usize::from(next == b'=' || (next == b'>' && self.byte(at + 3) == b'{'));
                return at + 1 + usize::from(next == b'=');
            }
            b'<' if next == b'/' => self.found.code_signs += 1,
            b'^' => self.found.maths_signs += 1,
            b'\\' if next.is_ascii_alphabetic() => self.found.maths_signs += 1,
            _ => {}
        }
        at + 1
    }

    /// A character of several bytes.
    fn high(&mut self, at: usize) -> usize {
        let c = self.char(at);
        let end = at + c.len_utf8();
        match c {
            '£' | '€' | '¥' | '₹' => self.push(Kind::Money, at, end),
            '“' => return self.quoted(at, "“", "”"),
            '∑' | '∫' | '√' | '≤' | '≥' | '≠' | '∂' | 'π' | '×' | '÷' => {
                self.found.maths_signs += 1;
                if c == 'π' {
                    return self.word(at);
                }
            }
            _ if is_word_char(c) => return self.word(at),
            _ => {}
        }
        end
    }

    /// A short string in quotes that is not the whole text; a lone quote is nothing.
    fn quoted(&mut self, at: usize, open: &str, close: &str) -> usize {
        let start = at + open.len();
        let is_free = at == self.chunk || !self.bytes[at - 1].is_ascii_alphanumeric();
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

/// A run of ASCII letters read as one number.
struct Letters {
    key: WordKey,
    is_upper: bool,
    /// Whether a capital follows a small letter.
    has_hump: bool,
}

impl Letters {
    #[inline]
    fn new(sixteen: [u8; 16], count: usize) -> Self {
        /// The bit that tells small letters from capitals.
        const SMALL: u128 = 0x2020_2020_2020_2020_2020_2020_2020_2020;
        let unused = 8 * (16 - count);
        let letters = u128::from_be_bytes(sixteen) >> unused;
        let small = SMALL >> unused;
        let capitals = !letters & small;
        Self {
            key: WordKey::of_lower(letters | small, count),
            is_upper: capitals == small,
            has_hump: (letters & small) >> 8 & capitals != 0,
        }
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(&c)
}
