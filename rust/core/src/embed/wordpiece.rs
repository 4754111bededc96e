//! WordPiece over the BERT-uncased vocabulary, by hand: the pieces that Hugging Face `tokenizers` gives.
//!
//! Clean, lower-case, strip accents, cut at blanks and punctuation, put CJK characters apart, then the longest piece
//! first. ASCII takes a path of its own and allocates nothing. Differs from the reference in one thing: the text
//! `[CLS]` and its like are three pieces here, for a user's text holds no control tokens.

use unicode_categories::UnicodeCategories as _;
use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, ErrorKind, Result};

/// A word longer than this many characters is unknown as a whole, as in the reference.
const LONGEST_WORD: usize = 100;

/// The piece that stands for a word that the vocabulary cannot spell.
pub const UNKNOWN: u32 = 100;

/// Free places in the table of pieces.
const EMPTY: u32 = u32::MAX;

/// A piece of a text: its id, and where its word's bytes hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Place in the vocabulary.
    pub id: u32,
    /// How many bytes of the word it covers.
    pub bytes: u32,
    /// Whether it is its whole word.
    pub is_whole: bool,
    /// Hash of the whole word; told apart by it are words that the vocabulary cannot spell.
    pub word: u64,
}

/// The vocabulary, borrowed from the model file.
///
/// Open addressing at a load of under one half; made in about 1 ms, 400 KB.
#[derive(Debug)]
pub struct WordPiece {
    text: &'static str,
    /// Start of each piece in `text`, and one more for the end.
    starts: Vec<u32>,
    table: Vec<u32>,
    longest: usize,
}

/// FNV-1a with a last mix: one step a byte, so that the hashes of all prefixes come from one pass.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    /// A piece inside a word ("##ing") and one at its start hash apart.
    fn new(is_inside: bool) -> Self {
        Self(if is_inside { 0x9ae1_6a3b_2f90_404f } else { 0xcbf2_9ce4_8422_2325 })
    }

    fn push(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    fn mixed(self) -> u64 {
        (self.0 ^ self.0 >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

impl WordPiece {
    /// Reads a vocabulary of one piece a line, in the order of the ids.
    ///
    /// # Errors
    /// `Config` where it has no line for `[UNK]` or more than 2^31 bytes.
    pub fn new(text: &'static str) -> Result<Self> {
        let fault = || Error::new(ErrorKind::Config, "the vocabulary of the model file is not one piece a line");
        let mut starts = vec![0u32];
        for (at, byte) in text.bytes().enumerate() {
            if byte == b'\n' {
                starts.push(u32::try_from(at + 1).map_err(|_| fault())?);
            }
        }
        if !text.ends_with('\n') {
            starts.push(u32::try_from(text.len() + 1).map_err(|_| fault())?);
        }
        if starts.len() <= UNKNOWN as usize {
            return Err(fault());
        }
        let size = (2 * starts.len()).next_power_of_two();
        let mut pieces = Self { text, starts, table: vec![EMPTY; size], longest: 0 };
        for id in 0..pieces.len() {
            let piece = pieces.text_of(id);
            let (is_inside, body) = piece.strip_prefix("##").map_or((false, piece), |body| (true, body));
            // "##" alone and "#" are pieces at the start of a word.
            let (is_inside, body) = if body.is_empty() { (false, piece) } else { (is_inside, body) };
            let hash = body.bytes().fold(Hash::new(is_inside), Hash::push).mixed();
            let longest = pieces.longest.max(body.len());
            let mut at = pieces.place(hash);
            while pieces.table[at] != EMPTY {
                at = (at + 1) & (size - 1);
            }
            pieces.table[at] = u32::try_from(id).unwrap_or(EMPTY);
            pieces.longest = longest;
        }
        Ok(pieces)
    }

    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none; never so after [`WordPiece::new`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How a piece is written.
    pub fn text_of(&self, id: usize) -> &'static str {
        &self.text[self.starts[id] as usize..self.starts[id + 1] as usize - 1]
    }

    fn place(&self, hash: u64) -> usize {
        (hash >> 20) as usize & (self.table.len() - 1)
    }

    /// Hands the pieces of a text to `take`, in order. Cost: about 20 ns a word of ASCII, thrice that elsewhere.
    pub fn each(&self, text: &str, mut take: impl FnMut(Piece)) {
        let bytes = text.as_bytes();
        if !text.is_ascii() {
            let plain = normalised(text);
            return self.each_word(&plain, &mut take);
        }
        let mut word = [0u8; LONGEST_WORD];
        let mut length = 0;
        for &byte in bytes {
            match CLASS[byte as usize] {
                Class::Word => {
                    if length < LONGEST_WORD {
                        word[length] = byte.to_ascii_lowercase();
                    }
                    length += 1;
                }
                Class::Gone => {}
                class => {
                    if length > 0 {
                        self.word(word.get(..length), &mut take);
                        length = 0;
                    }
                    if class == Class::Sign {
                        self.word(Some(&[byte]), &mut take);
                    }
                }
            }
        }
        if length > 0 {
            self.word(word.get(..length), &mut take);
        }
    }

    /// The words of a text that is normalised already.
    fn each_word(&self, text: &str, take: &mut impl FnMut(Piece)) {
        let mut start = None;
        for (at, c) in text.char_indices() {
            let is_sign = is_punctuation(c);
            if is_sign || c.is_whitespace() {
                if let Some(start) = start.take() {
                    self.long_word(&text[start..at], take);
                }
                if is_sign {
                    self.word(Some(&text.as_bytes()[at..at + c.len_utf8()]), take);
                }
            } else if start.is_none() {
                start = Some(at);
            }
        }
        if let Some(start) = start {
            self.long_word(&text[start..], take);
        }
    }

    fn long_word(&self, word: &str, take: &mut impl FnMut(Piece)) {
        let is_short = word.len() <= LONGEST_WORD || word.chars().count() <= LONGEST_WORD;
        self.word(is_short.then_some(word.as_bytes()), take);
    }

    /// Longest piece first; a word that cannot be spelt to its end is one unknown piece.
    fn word(&self, word: Option<&[u8]>, take: &mut impl FnMut(Piece)) {
        let Some(word) = word else { return take(Piece { id: UNKNOWN, bytes: length(b"?"), is_whole: true, word: 0 }) };
        if let Some((id, hash)) = self.whole(word) {
            return take(Piece { id, bytes: length(word), is_whole: true, word: hash });
        }
        // At most one piece a byte; a piece is kept until the whole word is spelt.
        let mut found = [(0u32, 0u32); 4 * LONGEST_WORD];
        let mut count = 0;
        let mut at = 0;
        let whole = word.iter().fold(Hash::new(false), |hash, &byte| hash.push(byte)).mixed();
        while at < word.len() {
            let Some((id, bytes)) = self.longest_at(&word[at..], at > 0) else {
                return take(Piece { id: UNKNOWN, bytes: length(word), is_whole: true, word: whole });
            };
            if count < found.len() {
                found[count] = (id, length(&word[at..at + bytes]));
                count += 1;
            }
            at += bytes;
        }
        for &(id, bytes) in &found[..count] {
            take(Piece { id, bytes, is_whole: false, word: whole });
        }
    }

    /// The piece that is the whole word: most words of a text are one.
    fn whole(&self, word: &[u8]) -> Option<(u32, u64)> {
        if word.len() > self.longest {
            return None;
        }
        let hash = word.iter().fold(Hash::new(false), |hash, &byte| hash.push(byte)).mixed();
        self.find(hash, word, false).map(|id| (id, hash))
    }

    fn longest_at(&self, rest: &[u8], is_inside: bool) -> Option<(u32, usize)> {
        let mut hashes = [0u64; 64];
        let limit = rest.len().min(self.longest).min(hashes.len());
        let mut hash = Hash::new(is_inside);
        for (at, &byte) in rest[..limit].iter().enumerate() {
            hash = hash.push(byte);
            hashes[at] = hash.mixed();
        }
        (1..=limit).rev().find_map(|bytes| Some((self.find(hashes[bytes - 1], &rest[..bytes], is_inside)?, bytes)))
    }

    fn find(&self, hash: u64, body: &[u8], is_inside: bool) -> Option<u32> {
        let mut at = self.place(hash);
        loop {
            let id = self.table[at];
            if id == EMPTY {
                return None;
            }
            let piece = self.text_of(id as usize).as_bytes();
            let is_it = if is_inside {
                piece.len() == body.len() + 2 && piece.starts_with(b"##") && &piece[2..] == body
            } else {
                piece == body
            };
            if is_it {
                return Some(id);
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// What an ASCII byte does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stands in a word.
    Word,
    /// Is a word of its own.
    Sign,
    /// Ends a word.
    Blank,
    /// Is dropped: a control character.
    Gone,
}

static CLASS: [Class; 128] = {
    let mut class = [Class::Word; 128];
    let mut byte = 0u8;
    while byte < 128 {
        class[byte as usize] = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => Class::Blank,
            _ if byte.is_ascii_control() => Class::Gone,
            _ if byte.is_ascii_punctuation() => Class::Sign,
            _ => Class::Word,
        };
        byte += 1;
    }
    class
};

/// Cleaned, CJK apart, without accents, lower case: what the reference's normaliser gives.
fn normalised(text: &str) -> String {
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        // Controls go first: a form feed is dropped, though it is white space too.
        if matches!(c, '\t' | '\n' | '\r') {
            clean.push(' ');
        } else if c == '\u{fffd}' || c.is_other() {
        } else if c.is_whitespace() {
            clean.push(' ');
        } else if is_cjk(c) {
            clean.extend([' ', c, ' ']);
        } else {
            clean.push(c);
        }
    }
    clean.nfd().filter(|c| !c.is_mark_nonspacing()).flat_map(char::to_lowercase).collect()
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_punctuation() } else { c.is_punctuation() }
}

fn is_cjk(c: char) -> bool {
    matches!(u32::from(c),
        0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x2_0000..=0x2_a6df | 0x2_a700..=0x2_b73f | 0x2_b740..=0x2_b81f
        | 0x2_b920..=0x2_ceaf | 0xf900..=0xfaff | 0x2_f800..=0x2_fa1f)
}
