//! The walk over a text, 64 bytes at a time: bits say where words begin and where anything else stands.
//!
//! Nine words of ten are a run of at most 16 ASCII letters with nothing behind it that would make more of it. They are
//! read here, as one number each; all else goes byte by byte through [`Scanner::step`], which reads these words as well.
#![expect(clippy::inline_always, reason = "the walk must be compiled into its caller, with the CPU's instructions")]

use super::super::markup;
use super::super::simd::{Classify, Job, Masks};
use super::{Kind, Scan, Scanner};
use crate::features::word::{LONGEST, WordKey};
use crate::simd::WINDOW;

/// The walk over a text.
pub struct Walk<'a>(pub &'a str);

impl Job for Walk<'_> {
    type Found = Scan;

    #[inline(always)]
    fn run<C: Classify>(self) -> Scan {
        let mut scanner = Scanner::new(self.0);
        let bytes = self.0.as_bytes();
        // The first byte that nobody has read: past a window where something long began in it.
        let mut at = 0;
        let mut window = read::<C>(bytes, 0);
        let (mut was_letter, mut hump) = (0, humps(window, 0));
        for base in (0..bytes.len()).step_by(WINDOW) {
            let next = read::<C>(bytes, base + WINDOW);
            let Masks { letter, space, comma, tag, .. } = window;
            let next_hump = humps(next, (letter & !window.upper) >> 63);
            let after_letter = letter << 1 | was_letter;
            // A comma says something only where no letter stands before it.
            let quiet = space | comma & after_letter;
            let inside = if bytes.len() - base < WINDOW { (1 << (bytes.len() - base)) - 1 } else { u64::MAX };
            let found = (letter & !after_letter | !(letter | quiet)) & inside;
            let mut places = from(at, base, found, letter);
            while places != 0 {
                let place = places.trailing_zeros();
                let start = base + place as usize;
                places &= places - 1;
                let ahead = u128::from(next.letter) << 64 | u128::from(letter);
                #[expect(clippy::cast_possible_truncation, reason = "a window of it")]
                let run = (!(ahead >> place) as u64).trailing_zeros() as usize;
                let may_be_plain = (1..=LONGEST).contains(&run) && hump | next_hump == 0;
                if !(may_be_plain && scanner.plain_word(start, start + run)) {
                    at = scanner.step(start);
                    places = from(at, base, places, letter);
                }
            }
            scanner.found.markup_signs += markup::signs(bytes, base, tag);
            was_letter = letter >> 63;
            (window, hump) = (next, next_hump);
        }
        scanner.found
    }
}

/// The masks of the window at `base`; behind the end of the text there are zeros.
#[inline(always)]
fn read<C: Classify>(bytes: &[u8], base: usize) -> Masks {
    match bytes.get(base..) {
        None | Some([]) => Masks::default(),
        Some(rest) => match rest.first_chunk() {
            Some(window) => C::masks(window),
            None => C::masks(&padded(rest)),
        },
    }
}

#[cold]
fn padded(rest: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    window[..rest.len()].copy_from_slice(rest);
    window
}

/// Capitals that follow a small letter: "getUser" may be a name of code.
#[inline(always)]
fn humps(window: Masks, was_small: u64) -> u64 {
    window.upper & ((window.letter & !window.upper) << 1 | was_small)
}

/// The places of a window at `at` and after it. Where something ended in the midst of letters, the rest is a word.
#[inline(always)]
fn from(at: usize, base: usize, places: u64, letter: u64) -> u64 {
    match at.checked_sub(base) {
        None => places,
        Some(used @ 0..WINDOW) => places & u64::MAX << used | letter & 1 << used,
        Some(_) => 0,
    }
}

impl Scanner<'_> {
    /// Takes a run of at most 16 letters, no capital in it but the first ones, where it is a word and no more.
    #[inline(always)]
    fn plain_word(&mut self, start: usize, end: usize) -> bool {
        let around = self.bytes.get(end.wrapping_sub(LONGEST)..).and_then(<[u8]>::first_chunk::<{ LONGEST + 2 }>);
        let copied;
        let around = if let Some(around) = around {
            around
        } else {
            copied = self.edge(end);
            &copied
        };
        let (next, after) = (around[LONGEST], around[LONGEST + 1]);
        let Some(sixteen) = around.first_chunk() else { return false };
        let sixteen = u128::from_be_bytes(*sixteen);
        if !matches!(next, b' ' | b',') && goes_on(sixteen, next, after) {
            return false;
        }
        // "A or B": a capital A may be a name.
        if end - start == 1 && sixteen & 0xff == u128::from(b'A') {
            return false;
        }
        let entry = self.lexicon.find_short(WordKey::of_letters(sixteen, end - start));
        self.push_token(Kind::Word, start, end, (entry, 0));
        true
    }

    /// The 16 bytes before a place and the two after it, where the text does not have as many.
    #[cold]
    fn edge(&self, end: usize) -> [u8; LONGEST + 2] {
        let mut around = [b' '; LONGEST + 2];
        let before = end.min(LONGEST);
        let after = (self.bytes.len() - end).min(2);
        around[LONGEST - before..LONGEST + after].copy_from_slice(&self.bytes[end - before..end + after]);
        around
    }
}

/// Whether a run of letters is more than a word by the two bytes that follow it, or may be.
#[inline]
fn goes_on(sixteen: u128, next: u8, after: u8) -> bool {
    match next {
        b'0'..=b'9' | b'+' | b'#' | b'@' | b'_' | 128.. => true,
        b'-' => after.is_ascii_digit(),
        b'\'' => after.is_ascii_alphabetic() || after == b'_',
        b':' => after == b'/',
        b'(' => after == b')',
        b'.' => after.is_ascii_lowercase() || (sixteen & 0xff) | 0x20 == u128::from(b'w'), // "www."
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::features::Features;
    use crate::features::simd::Portable;

    /// The obvious walk: one step after the other.
    fn by_steps(text: &str) -> Features {
        let mut scanner = Scanner::new(text);
        let mut at = 0;
        while at < text.len() {
            at = scanner.step(at);
        }
        scanner.found.markup_signs = (0..text.len()).map(|at| markup::signs(text.as_bytes(), at, 1)).sum();
        Features::of_scan(text, scanner.found)
    }

    /// What meets at the places where a run of letters is a word and no more, or is not.
    const PIECES: &str = "a|A|I|the|Order|don't|Don’t|can't|www|www\\.|http://a\\.b/c|ann@mail\\.example|v2|INV-2024-001|\
        user_id|_|getUser|main\\(\\)|\\):|==|café|猫は|½|'|’|\"|`|```|\\$5|5%|#5|12|10:30|5kg|a\\.m\\.|report\\.pdf|c\\+\\+|c#|-|-l|\
        \\*\\*|</b>|/>|\\]\\(|!|\\?|\\.|,|;|:|\n|\n  |\t|internationalization|five|dollars|May|stories|today's|£|[a-z]{1,20}|\\PC";

    proptest! {
        #[test]
        fn a_walk_by_windows_finds_what_steps_find(
            pieces in proptest::collection::vec((PIECES, prop_oneof![Just(""), Just(" "), Just("  ")]), 0..80),
        ) {
            let text: String = pieces.iter().flat_map(|(piece, gap)| [piece.as_str(), gap]).collect();
            let expected = by_steps(&text);
            prop_assert_eq!(&Features::of_text(&text), &expected);
            prop_assert_eq!(&Features::of_scan(&text, Walk(&text).run::<Portable>()), &expected);
        }
    }
}
