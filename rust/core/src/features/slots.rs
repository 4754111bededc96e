//! Typed slots: the numbers, amounts, ids and dates of a text, in canonical form, and the text without them.
//!
//! Requests that carry different slots never share an answer, so the cache compares *frames* (the text without its
//! slots) among requests with equal slots. Provisional: names, places, whole dates and units are not slots yet.

use std::fmt::Write as _;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// What a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotKind {
    /// A number of five digits or more: an order, an invoice, a ticket.
    Id,
    /// Money.
    Amount,
    /// A length of time.
    Duration,
    /// A per cent.
    Percent,
    /// A time of day.
    Time,
    /// A day of the week.
    Weekday,
    /// A month.
    Month,
    /// First, 2nd, third.
    Ordinal,
    /// A version: 3.9.1.
    Version,
    /// A number that is none of the above.
    Number,
    /// A URL or an e-mail address.
    Address,
}

impl SlotKind {
    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Amount => "amount",
            Self::Duration => "duration",
            Self::Percent => "percent",
            Self::Time => "time",
            Self::Weekday => "weekday",
            Self::Month => "month",
            Self::Ordinal => "ordinal",
            Self::Version => "version",
            Self::Number => "number",
            Self::Address => "address",
        }
    }
}

/// One slot: what it is, and its canonical value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// What it is.
    pub kind: SlotKind,
    /// Its value: `usd:5` for "$5.00" as for "five dollars".
    pub value: String,
}

/// The slots of a text, sorted, and the text without them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Slots {
    /// Sorted by kind, then value.
    pub slots: Vec<Slot>,
    /// The text without its slots, lower case, words joined by one blank.
    pub frame: String,
}

impl Slots {
    /// Finds the slots of a text. One pass over its bytes to cut it, one over its words.
    pub fn find(text: &str) -> Self {
        let pieces = cut(text);
        let mut found = Self { slots: Vec::new(), frame: String::with_capacity(text.len()) };
        let mut rest = pieces.as_slice();
        while let Some((piece, after)) = rest.split_first() {
            if let Some((slot, used)) = slot_at(rest) {
                found.slots.push(slot);
                rest = &rest[used..];
            } else {
                if piece.kind == PieceKind::Word || piece.kind == PieceKind::Number {
                    if !found.frame.is_empty() {
                        found.frame.push(' ');
                    }
                    found.frame.push_str(&piece.text);
                }
                rest = after;
            }
        }
        found.slots.sort_unstable();
        found
    }

    /// Whether the slots alone say most of what is asked about: an id or an amount, which texts seldom share by chance.
    pub fn are_telling(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.kind, SlotKind::Id | SlotKind::Amount))
    }

    /// A hash of the sorted slots; 0 where there are none. The same in every process.
    pub fn key(&self) -> u64 {
        if self.slots.is_empty() {
            return 0;
        }
        let mut hasher = SipHasher13::new();
        for slot in &self.slots {
            hasher.write_u8(slot.kind as u8);
            hasher.write(slot.value.as_bytes());
            hasher.write_u8(0xff); // no byte of UTF-8
        }
        hasher.finish().max(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PieceKind {
    Word,
    Number,
    Time,
    Version,
    Address,
    Sign,
}

#[derive(Debug)]
struct Piece {
    kind: PieceKind,
    /// Lower case; a number without its thousands separators.
    text: String,
}

/// Cuts a text into words, numbers, times, versions, addresses and the signs that matter ("$", "%", "#").
///
/// Digits and letters that touch come apart ("order5036", "$1200usd"), but for "v1.2.3" and short endings ("3rd").
fn cut(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len() / 5 + 1);
    for chunk in text.split_whitespace() {
        if is_address(chunk) {
            let trimmed = chunk.trim_end_matches(['.', ',', ';', '?', '!', ')']);
            pieces.push(Piece { kind: PieceKind::Address, text: trimmed.to_lowercase() });
            continue;
        }
        let mut rest = chunk;
        while let Some(first) = rest.chars().next() {
            let (piece, length) = if first.is_ascii_digit() {
                number(rest)
            } else if first.is_alphabetic() {
                word(rest)
            } else {
                let sign = matches!(first, '$' | '£' | '€' | '¥' | '₹' | '%' | '#');
                let piece = sign.then(|| Piece { kind: PieceKind::Sign, text: first.to_string() });
                (piece, first.len_utf8())
            };
            pieces.extend(piece);
            rest = &rest[length..];
        }
    }
    pieces
}

fn is_address(chunk: &str) -> bool {
    chunk.starts_with("http://")
        || chunk.starts_with("https://")
        || chunk.starts_with("www.")
        || chunk.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

fn word(rest: &str) -> (Option<Piece>, usize) {
    let mut end = rest.len();
    for (at, character) in rest.char_indices() {
        let apostrophe = matches!(character, '\'' | '’');
        let inside = rest[at + character.len_utf8()..].chars().next().is_some_and(char::is_alphabetic);
        if !(character.is_alphabetic() || apostrophe && inside) {
            end = at;
            break;
        }
    }
    let text = rest[..end].to_lowercase().replace('’', "'");
    (Some(Piece { kind: PieceKind::Word, text }), end)
}

/// A number, a time ("10:30") or a version ("3.9.1") at the start of `rest`.
fn number(rest: &str) -> (Option<Piece>, usize) {
    let bytes = rest.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let (mut end, mut points, mut colons) = (0, 0, 0);
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'0'..=b'9' => {}
            b'.' if digit(end + 1) => points += 1,
            b':' if digit(end + 1) => colons += 1,
            b',' if digit(end + 1) && digit(end + 2) && digit(end + 3) && !digit(end + 4) => {}
            _ => break,
        }
        end += 1;
    }
    let kind = match (points, colons) {
        (_, 1..) => PieceKind::Time,
        (2.., _) => PieceKind::Version,
        _ => PieceKind::Number,
    };
    (Some(Piece { kind, text: rest[..end].replace(',', "") }), end)
}

/// The slot at the start of `pieces`, and how many pieces it takes.
fn slot_at(pieces: &[Piece]) -> Option<(Slot, usize)> {
    let piece = &pieces[0];
    let slot = |kind, value: String, used| Some((Slot { kind, value }, used));
    match piece.kind {
        PieceKind::Address => slot(SlotKind::Address, piece.text.clone(), 1),
        PieceKind::Time => {
            let half = half_of_day(pieces.get(1));
            slot(SlotKind::Time, format!("{}{}", piece.text, half.unwrap_or("")), 1 + usize::from(half.is_some()))
        }
        PieceKind::Version => slot(SlotKind::Version, piece.text.clone(), 1),
        PieceKind::Number => Some(numeric(&piece.text, 1, pieces)),
        PieceKind::Sign => {
            let next = pieces.get(1)?;
            if next.kind != PieceKind::Number {
                return None;
            }
            match (piece.text.as_str(), currency(&piece.text)) {
                // "#32227" and "32227" are one id; "#12" is one too.
                ("#", _) => slot(SlotKind::Id, next.text.clone(), 2),
                (_, Some(currency)) => slot(SlotKind::Amount, format!("{currency}:{}", plain(&next.text)), 2),
                _ => None,
            }
        }
        PieceKind::Word => {
            if let Some(day) = weekday(&piece.text) {
                return slot(SlotKind::Weekday, day.to_owned(), 1);
            }
            if let Some(month) = month(&piece.text) {
                return slot(SlotKind::Month, month.to_string(), 1);
            }
            if let Some(ordinal) = place(&ORDINALS, &piece.text) {
                return slot(SlotKind::Ordinal, (ordinal + 1).to_string(), 1);
            }
            let (value, used) = number_words(pieces)?;
            Some(numeric(&value.to_string(), used, pieces))
        }
    }
}

/// What the number of `used` pieces is, by the word after it.
fn numeric(digits: &str, used: usize, pieces: &[Piece]) -> (Slot, usize) {
    let next = pieces.get(used);
    let unit = next.map_or("", |piece| piece.text.as_str());
    let value = plain(digits);
    let (kind, value, taken) = if let Some(currency) = currency(unit) {
        (SlotKind::Amount, format!("{currency}:{value}"), 1)
    } else if let Some(unit) = duration(unit) {
        (SlotKind::Duration, format!("{unit}:{value}"), 1)
    } else if matches!(unit, "%" | "percent" | "pct") {
        (SlotKind::Percent, value, 1)
    } else if let Some(half) = half_of_day(next) {
        (SlotKind::Time, value + half, 1)
    } else if matches!(unit, "st" | "nd" | "rd" | "th") {
        (SlotKind::Ordinal, value, 1)
    } else if digits.len() >= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        (SlotKind::Id, digits.to_owned(), 0)
    } else {
        (SlotKind::Number, value, 0)
    };
    (Slot { kind, value }, used + taken)
}

/// "5.00" and "5" are one value; "0042" stays as it is, for it names something.
fn plain(digits: &str) -> String {
    match digits.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole.to_owned(),
        Some((whole, fraction)) => {
            let mut value = whole.to_owned();
            let _ = write!(value, ".{}", fraction.trim_end_matches('0'));
            value
        }
        None => digits.to_owned(),
    }
}

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// "second" is missing: it is more often a unit of time or a figure of speech.
const ORDINALS: [&str; 12] =
    ["first", "", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// "may" is missing: it is more often a verb.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn place(list: &[&str], word: &str) -> Option<usize> {
    list.iter().position(|entry| !entry.is_empty() && *entry == word)
}

fn weekday(word: &str) -> Option<&'static str> {
    let word = word.strip_suffix('s').unwrap_or(word);
    place(&WEEKDAYS, word).map(|day| WEEKDAYS[day])
}

fn month(word: &str) -> Option<usize> {
    let short = |entry: &str| {
        matches!(word, "jan" | "feb" | "apr" | "jun" | "jul" | "aug" | "sep" | "sept" | "oct" | "nov" | "dec")
            && entry.starts_with(&word[..3])
    };
    MONTHS.iter().position(|entry| !entry.is_empty() && (*entry == word || short(entry))).map(|at| at + 1)
}

/// Reads "twenty five", "three hundred", "five"; `None` for "one" alone, which is more often a pronoun.
fn number_words(pieces: &[Piece]) -> Option<(u64, usize)> {
    let text = |at: usize| pieces.get(at).map_or("", |piece| piece.text.as_str());
    let (mut value, mut used) = if let Some(tens) = place(&TENS, text(0)) {
        match place(&UNITS, text(1)) {
            Some(units @ 1..=9) => (20 + 10 * tens + units, 2),
            _ => (20 + 10 * tens, 1),
        }
    } else {
        match place(&UNITS, text(0)) {
            Some(units) if units != 1 || scale(text(1)).is_some() => (units, 1),
            _ => return None,
        }
    };
    while let Some(scale) = scale(text(used)) {
        value = value.saturating_mul(scale);
        used += 1;
    }
    Some((value as u64, used))
}

fn scale(word: &str) -> Option<usize> {
    match word {
        "hundred" => Some(100),
        "thousand" => Some(1_000),
        "million" => Some(1_000_000),
        _ => None,
    }
}

fn currency(word: &str) -> Option<&'static str> {
    Some(match word {
        "$" | "dollar" | "dollars" | "usd" | "buck" | "bucks" => "usd",
        "£" | "pound" | "pounds" | "gbp" | "quid" => "gbp",
        "€" | "euro" | "euros" | "eur" => "eur",
        "¥" | "yen" | "jpy" => "jpy",
        "₹" | "rupee" | "rupees" | "inr" => "inr",
        "cent" | "cents" => "cent",
        _ => return None,
    })
}

fn duration(word: &str) -> Option<&'static str> {
    Some(match word {
        "second" | "seconds" | "sec" | "secs" => "second",
        "minute" | "minutes" | "min" | "mins" => "minute",
        "hour" | "hours" | "hr" | "hrs" => "hour",
        "day" | "days" => "day",
        "night" | "nights" => "night",
        "week" | "weeks" => "week",
        "month" | "months" => "month",
        "year" | "years" => "year",
        _ => return None,
    })
}

fn half_of_day(piece: Option<&Piece>) -> Option<&'static str> {
    match piece?.text.as_str() {
        "am" => Some("am"),
        "pm" => Some("pm"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(text: &str) -> Vec<String> {
        Slots::find(text).slots.iter().map(|slot| format!("{}={}", slot.kind.name(), slot.value)).collect()
    }

    #[test]
    fn slots_have_their_kind_and_canonical_value() {
        for (text, expected) in [
            ("cancel purchase 150351613775", vec!["id=150351613775"]),
            ("check bill #32227", vec!["id=32227"]),
            ("I expect a refund of $172", vec!["amount=usd:172"]),
            ("i expect a refund of 172 dollars", vec!["amount=usd:172"]),
            ("refund of $1,200.50", vec!["amount=usd:1200.5"]),
            ("refunding$1200", vec!["amount=usd:1200"]),
            ("Move fifty pounds", vec!["amount=gbp:50"]),
            ("within thirty days at 10:30 on Monday", vec!["duration=day:30", "time=10:30", "weekday=monday"]),
            ("at 5 pm", vec!["time=5pm"]),
            ("from the 3rd to the fifth of Sept", vec!["month=9", "ordinal=3", "ordinal=5"]),
            ("Python 3.9.1 and 25% of twenty five users", vec!["percent=25", "version=3.9.1", "number=25"]),
            ("order5036", vec!["number=5036"]),
            ("mail Me@Shop.example.", vec!["address=me@shop.example"]),
            ("one time code", vec![]),
            ("one hundred", vec!["number=100"]),
        ] {
            assert_eq!(slots(text), expected, "{text}");
        }
    }

    #[test]
    fn the_frame_is_the_text_without_its_slots() {
        assert_eq!(Slots::find("Cancel order #5036, please!").frame, "cancel order please");
        assert_eq!(Slots::find("Don’t refund $5").frame, "don't refund");
    }

    #[test]
    fn equal_slots_give_equal_keys_in_any_order() {
        let key = |text| Slots::find(text).key();

        assert_eq!(key("$5 for order 12345"), key("order #12345: five dollars"));
        assert_ne!(key("$5"), key("$6"));
        assert_ne!(key("5 days"), key("5 hours"));
        assert_eq!(key("no slots here"), 0);
    }

    #[test]
    fn any_text_is_taken() {
        for text in
            ["", "####", "$", "1,2,3", "1.", ":::", "’’’", "٣٤", "日本語5個", "1e9", "12:34:56", "v1.2.3.4", "@."]
        {
            let _ = Slots::find(text).key();
        }
    }
}
