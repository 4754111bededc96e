//! The two split patterns by hand, one piece at a time: what is exact on any text, and what the windows fall back to.
//!
//! Neither pattern looks behind, so a match may begin at any piece's end without knowing what came before.

use super::classes::{BOTH, END, LETTER, LOWER, MARK, NUMBER, OTHER, SPACE, UPPER, class_at, skip};

/// A split pattern.
pub trait Pattern {
    /// Whether words break at a change of case and carry their contraction (`o200k`), or neither (`cl100k`).
    const CASED: bool;

    /// The end of the piece that begins at `at`, which is less than `text.len()`.
    fn next(text: &[u8], at: usize) -> usize;
}

/// The pattern of `o200k_base` and `o200k_harmony`:
///
/// ```text
/// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// \p{N}{1,3}
///  ?[^\s\p{L}\p{N}]+[\r\n/]*
/// \s*[\r\n]+
/// \s+(?!\S)
/// \s+
/// ```
pub enum O200k {}

/// The pattern of `cl100k_base`:
///
/// ```text
/// '(?i:[sdmt]|ll|ve|re)
/// [^\r\n\p{L}\p{N}]?+\p{L}++
/// \p{N}{1,3}+
///  ?[^\s\p{L}\p{N}]++[\r\n]*+
/// \s++$
/// \s*[\r\n]
/// \s+(?!\S)
/// \s
/// ```
pub enum Cl100k {}

impl Pattern for O200k {
    const CASED: bool = true;

    #[inline]
    fn next(text: &[u8], at: usize) -> usize {
        let (class, len) = class_at(text, at);
        if class & LETTER != 0
            && let Some(end) = cased_word(text, at)
        {
            return end;
        }
        if class & NUMBER != 0 {
            return numbers(text, at);
        }
        if class & MARK != 0 {
            // A mark is both a prefix and a letter. The first alternative is tried with the mark as prefix, then with it as
            // letter, and only then would the second alternative come: it never does.
            return mixed_word(text, at + len).or_else(|| mixed_word(text, at)).unwrap_or(at + len);
        }
        if !is_newline(text[at])
            && let Some(end) = cased_word(text, at + len)
        {
            return end;
        }
        if let Some(end) = symbols(text, at) {
            let mut end = end;
            while text.get(end).is_some_and(|&byte| is_newline(byte) || byte == b'/') {
                end += 1;
            }
            return end;
        }
        white_space(text, at, false)
    }
}

impl Pattern for Cl100k {
    const CASED: bool = false;

    #[inline]
    fn next(text: &[u8], at: usize) -> usize {
        let suffix = contraction(text, at);
        if suffix > at {
            return suffix;
        }
        let (class, len) = class_at(text, at);
        if class & LETTER != 0 {
            return skip(text, at + len, LETTER);
        }
        if class & NUMBER != 0 {
            return numbers(text, at);
        }
        if !is_newline(text[at]) {
            let end = skip(text, at + len, LETTER);
            if end > at + len {
                return end;
            }
        }
        if let Some(end) = symbols(text, at) {
            let mut end = end;
            while text.get(end).is_some_and(|&byte| is_newline(byte)) {
                end += 1;
            }
            return end;
        }
        white_space(text, at, true)
    }
}

fn is_newline(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// The end of a contraction that begins at `at`, or `at`. Case does not matter, so U+017F (long s) is an s.
#[inline]
pub fn contraction(text: &[u8], at: usize) -> usize {
    let byte = |offset: usize| text.get(at + offset).copied().unwrap_or(0);
    if byte(0) != b'\'' {
        return at;
    }
    match (byte(1).to_ascii_lowercase(), byte(2).to_ascii_lowercase()) {
        (b's' | b't' | b'm' | b'd', _) => at + 2,
        (b'r' | b'v', b'e') | (b'l', b'l') => at + 3,
        (0xC5, _) if byte(2) == 0xBF => at + 3,
        _ => at,
    }
}

/// The first two alternatives of `o200k` without their prefix.
#[inline]
fn cased_word(text: &[u8], at: usize) -> Option<usize> {
    mixed_word(text, at).or_else(|| {
        let end = skip(text, at, UPPER);
        (end > at).then(|| contraction(text, end))
    })
}

/// The first alternative of `o200k` without its prefix: `[Lu Lt Lm Lo M]*[Ll Lm Lo M]+` and a contraction.
#[inline]
fn mixed_word(text: &[u8], at: usize) -> Option<usize> {
    // The first set runs as far as it can. If a lower-case letter stops it, the second set goes on from there; otherwise the
    // run gives back what the second set cannot take, down to its last character that is in both sets.
    let (mut end, mut last_in_both) = (at, at);
    let (mut class, mut len) = class_at(text, end);
    while class & (UPPER | BOTH | MARK) != 0 {
        end += len;
        if class & UPPER == 0 {
            last_in_both = end;
        }
        (class, len) = class_at(text, end);
    }
    let end = if class & LOWER != 0 { skip(text, end + len, LOWER | BOTH | MARK) } else { last_in_both };
    (end > at).then(|| contraction(text, end))
}

/// `\p{N}{1,3}`
#[inline]
fn numbers(text: &[u8], at: usize) -> usize {
    let mut end = at;
    for _ in 0..3 {
        let (class, len) = class_at(text, end);
        if class & NUMBER == 0 {
            break;
        }
        end += len;
    }
    end
}

/// ` ?[^\s\p{L}\p{N}]+`
#[inline]
fn symbols(text: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(text[at] == b' ');
    let end = skip(text, start, OTHER | MARK);
    (end > start).then_some(end)
}

/// The alternatives for white space. `cl100k` takes a run that reaches the end of the text whole, `o200k` ends it after its
/// last newline first.
#[inline]
fn white_space(text: &[u8], at: usize, whole_at_end: bool) -> usize {
    let (mut end, mut before_last, mut after_newline) = (at, at, at);
    loop {
        let (class, len) = class_at(text, end);
        if class & SPACE == 0 {
            if class == END && whole_at_end {
                return end;
            }
            break;
        }
        before_last = end;
        end += len;
        if is_newline(text[before_last]) {
            after_newline = end;
        }
    }
    if after_newline > at {
        after_newline
    } else if end == text.len() || before_last == at {
        end
    } else {
        before_last
    }
}
