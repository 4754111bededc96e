//! One pass over the bytes of a text: tokens, and counts that need no words.

mod shapes;
mod signs;
mod windows;

use unicode_normalization::char::is_combining_mark;

use self::signs::Signs;
use self::windows::Walk;
use super::lexicon::{Lexicon, entry};
use super::simd::with_masks;
use super::word::WordKey;

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
    /// Number of its lexicon entry, see [`entry`]; flags and stem of a listed word stand there.
    pub entry: u16,
    /// A hash of a word without its ending, where the walk had to look closer; else 0.
    pub stem: u32,
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
    /// Signs of markup.
    pub markup_signs: usize,
    /// Bytes of words that are no ASCII letters.
    pub foreign_bytes: usize,
    /// Signs that are part of no token.
    pub signs: Signs,
}

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
    with_masks(Walk(text))
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    lexicon: Lexicon,
    found: Scan,
    /// The last break of the blanks that were walked last, so that many breaks in a row are one walk and not one each.
    last_break: usize,
    /// A run of letters and digits that begins before this place is no id: there is a small letter in it. So the run is
    /// not walked again for each number in it.
    no_id_before: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        let found = Scan { tokens: Vec::with_capacity(text.len() / 4 + 4), ..Scan::default() };
        Self { text, bytes: text.as_bytes(), lexicon: Lexicon::get(), found, last_break: 0, no_id_before: 0 }
    }

    /// Reads what begins at a place; gives the place after it.
    fn step(&mut self, at: usize) -> usize {
        match CLASS[self.bytes[at] as usize] {
            Class::Blank => {
                if self.bytes[at] == b'\n' {
                    self.line_break(at);
                }
                at + 1
            }
            Class::Letter => self.word(at),
            Class::Digit => self.number(at),
            Class::Sign => self.sign(at),
            Class::High => self.high(at),
        }
    }

    /// Of several breaks in a row the last one counts.
    fn line_break(&mut self, at: usize) {
        if at < self.last_break {
            return;
        }
        let rest = &self.text[at..];
        let blanks = &rest[..rest.len() - rest.trim_start().len()];
        self.last_break = at + blanks.rfind('\n').unwrap_or(0);
        if self.last_break == at {
            self.found.signs.push_line(blanks);
        }
    }

    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b' ')
    }

    fn class(&self, at: usize) -> Class {
        CLASS[self.byte(at) as usize]
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.push_token(kind, start, end, (entry::OTHER, 0));
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a request of 4 GiB is refused long before")]
    fn push_token(&mut self, kind: Kind, start: usize, end: usize, (entry, stem): (u16, u32)) {
        let token = Token { start: start as u32, end: end as u32, kind, entry, stem };
        self.found.tokens.push(token);
    }

    /// A word from `start` on; gives the place after it.
    fn word(&mut self, start: usize) -> usize {
        let mut key = WordKey::default();
        let mut at = start;
        let (mut is_upper, mut has_hump, mut has_score, mut is_latin) = (true, false, false, true);
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
                    is_latin &= matches!(c, '\u{80}'..='\u{36f}' | '\u{1e00}'..='\u{1eff}') || !c.is_alphabetic();
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
        // Shapes that a rare second byte gives away; a plain word falls through to the end.
        if let Some(end) = self.shape(start, at, key, is_upper, has_score) {
            return end;
        }
        let is_camel = has_hump && at - start >= 5 && self.bytes[start..start + 2].iter().all(u8::is_ascii_lowercase);
        if has_score && self.bytes[start..at].iter().any(u8::is_ascii_alphabetic) || is_camel {
            self.push(Kind::Code, start, at);
        } else if has_score {
            self.bytes[start..at].iter().for_each(|&byte| self.found.signs.push(byte, b"", b""));
        } else {
            if !is_latin {
                self.found.signs.push_word(&self.text[start..at]);
            }
            // "A or B": a capital A may be a name, and costs nothing where it is an article.
            let entry = match self.lexicon.find(key) {
                entry::NONE if key.is_contracted_not() => entry::NOT,
                _ if is_upper && key == WordKey::of("a") => entry::NAME_A,
                entry => entry,
            };
            self.push_token(Kind::Word, start, at, (entry, key.stem()));
        }
        at
    }

    fn char(&self, at: usize) -> char {
        self.text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ')
    }

    fn sign(&mut self, at: usize) -> usize {
        let (byte, next) = (self.bytes[at], self.byte(at + 1));
        self.found.signs.push(byte, &self.bytes[..at], &self.bytes[at + 1..]);
        match byte {
            b'$' => self.push(Kind::Money, at, at + 1),
            b'%' => self.push(Kind::Percent, at, at + 1),
            b'#' => self.push(Kind::Hash, at, at + 1),
            b'"' => return self.quoted(at, "\"", "\""),
            b'`' => {
                if next == b'`' && self.byte(at + 2) == b'`' {
                    self.found.has_fence = true;
                    self.found.signs.push_char('`', b"", b"");
                    return at + 3;
                }
                return self.quoted(at, "`", "`");
            }
            b'.' | b'!' | b'?' => {
                self.found.questions += usize::from(byte == b'?');
                if at + 1 >= self.bytes.len() || next.is_ascii_whitespace() {
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
                if next == b'=' {
                    self.found.signs.push(next, b"", b"");
                    return at + 2;
                }
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
            '£' | '€' | '¥' | '₹' => {
                self.push(Kind::Money, at, end);
                return end;
            }
            '“' => return self.quoted(at, "“", "”"),
            '∑' | '∫' | '√' | '≤' | '≥' | '≠' | '∂' | 'π' | '×' | '÷' => {
                self.found.maths_signs += 1;
                if c == 'π' {
                    return self.word(at);
                }
            }
            _ if is_word_char(c) => return self.word(at),
            _ if c.is_numeric() => return self.foreign_number(at),
            _ => {}
        }
        self.found.signs.push_char(c, &self.bytes[..at], &self.bytes[end..]);
        end
    }
}

fn is_word_char(c: char) -> bool {
    // A mark that is no letter (the virama of Hindi) joins letters and must not cut their word.
    c.is_alphabetic() || is_combining_mark(c)
}
