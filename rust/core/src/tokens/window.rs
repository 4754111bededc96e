//! The two split patterns as bit algebra over 64 bytes at a time.
//!
//! A window begins at a known piece start, so it needs nothing carried in. It accepts the starts that it can be sure of and
//! stops at the first byte it cannot judge (`unsure`): text beyond ASCII, and the few places where a boundary depends on
//! something further away. The matcher in `pattern` cuts the piece there, and the next window begins behind it.
//!
//! In the formulas `x << 1` reads "the byte before is x", `x >> 1` "the byte after is x".

use super::pattern::Pattern;
use crate::simd::WINDOW;

/// Readable bytes that a piece handed to a [`Sink`] has from its start on, whatever its length.
pub const READABLE: usize = 32;

/// Where a window in place must leave off: its own bytes and [`READABLE`] more from its last piece.
const MARGIN: usize = WINDOW + READABLE;

/// Takes the pieces of a text in order.
pub trait Sink {
    /// A piece `bytes[start..end]`; at least [`READABLE`] bytes follow `start`.
    fn piece(&mut self, bytes: &[u8], start: usize, end: usize);

    /// The pieces of a window from `base` on that end at the positions in `ends`; returns where the last one ends.
    #[inline(always)]
    fn pieces(&mut self, bytes: &[u8], base: usize, mut ends: u64) -> usize {
        let mut from = base;
        while ends != 0 {
            let to = base + ends.trailing_zeros() as usize;
            self.piece(bytes, from, to);
            from = to;
            ends &= ends - 1;
        }
        from
    }

    /// Whether no more pieces are wanted; asked now and then.
    fn is_full(&mut self) -> bool {
        false
    }
}

/// Which of 64 bytes are what, one bit a byte.
pub struct Masks {
    /// A-Z.
    pub upper: u64,
    /// a-z.
    pub lower: u64,
    /// 0-9.
    pub digit: u64,
    /// The space.
    pub space: u64,
    /// Tab, vertical tab, form feed.
    pub blank: u64,
    /// CR and LF.
    pub newline: u64,
    /// Beyond ASCII.
    pub high: u64,
    /// The apostrophe.
    pub quote: u64,
    /// The slash.
    pub slash: u64,
}

/// Turns 64 bytes into masks, with whatever the CPU has.
pub trait Classify {
    /// The masks of `bytes`.
    fn masks(bytes: &[u8; WINDOW]) -> Masks;
}

/// Cuts all of `text` by windows.
#[inline(always)]
pub fn cut<P: Pattern, C: Classify>(text: &[u8], sink: &mut impl Sink) {
    let mut base = 0;
    if text.len() >= MARGIN {
        base = cut_until::<P, C>(text, text.len(), 0, text.len() - MARGIN + 1, sink);
    }
    if base < text.len() && !sink.is_full() {
        // The rest moves to where there are zeros behind it. The pattern does not look behind, so it may begin anew.
        let mut tail = [0; 2 * MARGIN];
        let rest = &text[base..];
        tail[..rest.len()].copy_from_slice(rest);
        cut_until::<P, C>(&tail, rest.len(), 0, rest.len(), sink);
    }
}

/// Cuts all of `text` by the matcher alone.
#[inline(always)]
pub fn cut_portable<P: Pattern>(text: &[u8], sink: &mut impl Sink) {
    let mut base = 0;
    let stop = (text.len() + 1).saturating_sub(READABLE);
    while base < stop {
        let end = P::next(text, base);
        sink.piece(text, base, end);
        base = end;
        if sink.is_full() {
            return;
        }
    }
    let mut tail = [0; 2 * READABLE];
    let rest = &text[base..];
    tail[..rest.len()].copy_from_slice(rest);
    let mut base = 0;
    while base < rest.len() {
        let end = P::next(rest, base);
        sink.piece(&tail, base, end);
        base = end;
    }
}

/// Cuts `bytes[..len]` from `base` until a piece ends at `stop` or later, and returns where.
///
/// A window's bytes and [`READABLE`] more from any of its positions are in `bytes` for every base below `stop`.
#[inline(always)]
fn cut_until<P: Pattern, C: Classify>(
    bytes: &[u8],
    len: usize,
    mut base: usize,
    stop: usize,
    sink: &mut impl Sink,
) -> usize {
    while base < stop {
        let Some((window, _)) = bytes[base..].split_first_chunk::<WINDOW>() else { return base };
        let mut one_by_one_until = base + 1;
        // A piece that begins beyond ASCII would come back with nothing accepted.
        if window[0] < 0x80 && window[1] < 0x80 {
            let masks = C::masks(window);
            let Starts { starts, unsure } = starts::<P>(&masks, window, len - base);
            let from = sink.pieces(bytes, base, starts);
            if unsure == TO_THE_END {
                sink.piece(bytes, from, len);
                return len;
            }
            // Where much of the window is beyond ASCII, more windows over it would accept little.
            one_by_one_until = match unsure {
                _ if masks.high.count_ones() >= 8 => base + WINDOW,
                64 if from > base => base,
                at => base + at as usize + 1,
            };
            base = from;
        }
        while base < one_by_one_until && base < stop {
            let end = P::next(&bytes[..len], base);
            sink.piece(bytes, base, end);
            base = end;
        }
        if sink.is_full() {
            return base;
        }
    }
    base
}

struct Starts {
    /// The piece starts in the window, but for the first byte.
    starts: u64,
    /// The first byte that only the matcher can judge, 64 for none, or [`TO_THE_END`].
    unsure: u32,
}

/// The text ends in the window and every piece in it is known.
const TO_THE_END: u32 = 65;

/// Starts of pieces in a window with `rest` bytes of text left; the bytes after the text are zeros.
#[inline(always)]
fn starts<P: Pattern>(masks: &Masks, window: &[u8; WINDOW], rest: usize) -> Starts {
    let text = if rest < WINDOW { (1 << rest) - 1 } else { u64::MAX };
    let Masks { upper, lower, digit, space, blank, newline, high, quote, slash } = *masks;
    let letter = upper | lower;
    let white = space | blank;
    let symbol = !(letter | digit | white | newline | high) & text;

    // Contractions: the apostrophe, the position behind the suffix, the letters of the suffix.
    let (mut apostrophe, mut behind, mut suffix) = (0, 0, 0);
    let mut candidates = if P::CASED {
        // After a letter; the second of two in a row is for the matcher.
        quote & (letter << 1) & (letter >> 1)
    } else {
        // A run of its own, not taken by a space before it.
        quote & !((symbol | space) << 1) & (letter >> 1)
    };
    while candidates != 0 {
        let at = candidates.trailing_zeros() as usize;
        candidates &= candidates - 1;
        let byte = |offset: usize| if at + offset < WINDOW { window[at + offset] | 0x20 } else { 0 };
        let letters = match (byte(1), byte(2)) {
            (b's' | b't' | b'm' | b'd', _) => 1,
            (b'r' | b'v', b'e') | (b'l', b'l') => 2,
            _ => continue,
        };
        apostrophe |= 1 << at;
        suffix |= (if letters == 1 { 0b10 } else { 0b110 }) << at;
        behind |= ((1u64 << at) << letters) << 1;
    }

    // A contraction's apostrophe is no symbol where it belongs to the word before it.
    let symbol = if P::CASED { symbol & !apostrophe } else { symbol };
    let symbol_start = symbol & !(symbol << 1);
    let word = letter & !(letter << 1) & !suffix;
    let camel = if P::CASED { upper & (lower << 1) & !suffix } else { 0 };
    // The one character that a word may take along: white space, or a symbol that no run of symbols has taken.
    let prefix = (word >> 1) & (white | (symbol_start & !(space << 1) & !apostrophe));
    let words = prefix | (word & !(prefix << 1)) | camel | behind;
    let symbols = ((symbol_start >> 1) & space) | (symbol_start & !(space << 1));
    let newlines = newline & !(newline << 1) & !(symbol << 1);
    // A run of white space; its last character goes with what follows, unless that is a newline or the end.
    let last = if rest < WINDOW { text & !(text >> 1) } else { 0 };
    let whites = (white & !(white << 1)) | (white & !((white | newline) >> 1) & !last);
    // Every third digit of a run begins a piece.
    let mut digits = digit & !(digit << 1);
    let four = digit & (digit << 1) & (digit << 2) & (digit << 3);
    let mut thirds = (digits << 3) & four;
    while thirds != 0 {
        digits |= thirds;
        thirds = (thirds << 3) & four;
    }

    let mut unsure = high | (newline & (white << 1));
    if P::CASED {
        unsure |= (slash & (newline << 1)) | (quote & behind);
    }
    // White space after a newline belongs to it if another newline follows in the run; unknown where the window ends, and
    // where the run may go on beyond ASCII.
    let after_newline = white & (newline << 1);
    let (carried, overflows) = white.overflowing_add(after_newline);
    let run_ends = carried & !white;
    if after_newline != 0 && (overflows || run_ends & (newline | high | (last << 1) | !text) != 0) {
        let mut runs = after_newline;
        while runs != 0 {
            let at = runs.trailing_zeros();
            let end = at + (!(white >> at)).trailing_zeros();
            if end as usize >= rest.min(WINDOW) || (newline | high) >> end & 1 == 1 {
                unsure |= 1 << at;
            }
            runs &= runs - 1;
        }
    }

    let found = (words | symbols | newlines | whites | digits) & !1;
    if unsure == 0 && rest < WINDOW {
        return Starts { starts: found & text, unsure: TO_THE_END };
    }
    // The last three positions before an unsure byte may still hang on it: a contraction reads two bytes ahead, white space
    // and a word's prefix one. The text cannot end before an unsure byte.
    let unsure = unsure.trailing_zeros();
    Starts { starts: found & ((1 << unsure.saturating_sub(3)) - 1), unsure }
}
