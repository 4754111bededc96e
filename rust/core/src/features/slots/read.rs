//! What slot begins at a token, its canonical value, and how many tokens it takes.

use std::borrow::Cow;

use super::{Slot, SlotKind};
use crate::features::lexicon::{Entry, Lexicon, flag};
use crate::features::scan::{Kind, Token};

/// The tokens from one on, with what is needed to read them.
#[derive(Clone, Copy)]
struct View<'a> {
    text: &'a str,
    tokens: &'a [Token],
    lexicon: Lexicon,
}

impl<'a> View<'a> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn text(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| &self.text[token.start as usize..token.end as usize])
    }

    fn entry(&self, at: usize) -> &'static Entry {
        self.lexicon.entry(self.tokens.get(at).map_or(0, |token| token.entry))
    }

    fn has(&self, at: usize, flags: u32) -> bool {
        self.entry(at).flags & flags != 0
    }

    /// Whether a token touches the one before it.
    fn is_glued(&self, at: usize) -> bool {
        at > 0 && self.tokens.get(at).is_some_and(|token| token.start == self.tokens[at - 1].end)
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        self.kind(at) == Some(Kind::Word) && self.text(at).eq_ignore_ascii_case(word)
    }

    #[expect(clippy::unnecessary_wraps, reason = "most callers return it as it is")]
    fn slot(&self, kind: SlotKind, value: String, used: usize) -> Option<(Slot, usize)> {
        let (start, end) = (self.tokens[0].start as usize, self.tokens[used - 1].end as usize);
        Some((Slot { kind, value, start, end }, used))
    }
}

/// The slot that begins at the first of `tokens`, and how many of them it takes.
pub fn slot_at(text: &str, tokens: &[Token], lexicon: Lexicon) -> Option<(Slot, usize)> {
    let view = View { text, tokens, lexicon };
    let body = view.text(0);
    match tokens.first()?.kind {
        Kind::Word => word(view),
        Kind::Number => number(view, body, 1),
        Kind::Clock => Some(clock(view, body)),
        Kind::Date => view.slot(SlotKind::Date, numeric_date(body), 1),
        Kind::Version => view.slot(SlotKind::Version, body.trim_start_matches(['v', 'V']).to_owned(), 1),
        Kind::Id => view.slot(SlotKind::Id, body.to_ascii_lowercase(), 1),
        Kind::Email => view.slot(SlotKind::Email, body.to_lowercase(), 1),
        Kind::Url => view.slot(SlotKind::Url, body.to_owned(), 1),
        Kind::Code => view.slot(SlotKind::Code, body.to_owned(), 1),
        Kind::Quoted => {
            let mut inner = body.chars();
            inner.next();
            inner.next_back();
            view.slot(SlotKind::Quoted, inner.as_str().to_owned(), 1)
        }
        Kind::Money => money(view),
        Kind::Hash => hash(view),
        Kind::Percent | Kind::End => None,
    }
}

fn word(view: View<'_>) -> Option<(Slot, usize)> {
    let entry = view.entry(0);
    if entry.flags & flag::HOUR != 0 {
        return view.slot(SlotKind::Time, format!("{:02}:00", entry.number), 1);
    }
    if entry.flags & flag::WEEKDAY != 0 {
        return view.slot(SlotKind::Weekday, entry.number.to_string(), 1);
    }
    if entry.flags & flag::MONTH != 0 {
        return month(view, entry.number);
    }
    if entry.flags & flag::ORDINAL != 0 {
        return day_of_month(view, entry.number, 1)
            .or_else(|| view.slot(SlotKind::Ordinal, entry.number.to_string(), 1));
    }
    if entry.flags & flag::CURRENCY != 0 {
        // "USD 5": codes of three letters alone, for "pounds 5" is no amount.
        let is_code = view.text(0).len() == 3 && view.text(0).eq_ignore_ascii_case(entry.name);
        if is_code && view.kind(1) == Some(Kind::Number) {
            let (digits, used) = scaled(view, 1);
            return view.slot(SlotKind::Amount, named(entry.name, &digits), used);
        }
        return None;
    }
    let (value, used) = number_words(view)?;
    number(view, &value.to_string(), used)
}

/// "$5", "$1,200.50", "$5k", "$5bn", "$1.5 million".
fn money(view: View<'_>) -> Option<(Slot, usize)> {
    if view.kind(1) != Some(Kind::Number) {
        return None;
    }
    let currency = sign(view.text(0));
    let (digits, used) = scaled(view, 1);
    view.slot(SlotKind::Amount, named(currency, &digits), used)
}

fn sign(text: &str) -> &'static str {
    match text {
        "£" => "gbp",
        "€" => "eur",
        "¥" => "jpy",
        "₹" => "inr",
        _ => "usd",
    }
}

/// "#32227" is an id; "#1" is the number 1; "# 5" is neither.
fn hash(view: View<'_>) -> Option<(Slot, usize)> {
    match view.kind(1).filter(|_| view.is_glued(1))? {
        Kind::Number => {
            let digits = plain(view.text(1));
            let kind = if digits.len() >= 3 { SlotKind::Id } else { SlotKind::Number };
            view.slot(kind, digits.into_owned(), 2)
        }
        Kind::Id => view.slot(SlotKind::Id, view.text(1).to_ascii_lowercase(), 2),
        _ => None,
    }
}

/// The number at `at` with the thousand, million, k or bn after it, and the tokens used from the first on.
fn scaled(view: View<'_>, at: usize) -> (String, usize) {
    let digits = plain(view.text(at));
    let next = view.text(at + 1);
    let letters = [("k", 1_000), ("m", 1_000_000), ("mn", 1_000_000), ("b", 1_000_000_000), ("bn", 1_000_000_000)];
    let letter = letters.iter().find(|(letters, _)| view.is_glued(at + 1) && next.eq_ignore_ascii_case(letters));
    let scale = letter.map_or_else(|| scale(view, at + 1), |&(_, scale)| Some(scale));
    match (scale, scale.map_or(Ok(0.0), |_| digits.parse::<f64>())) {
        (Some(scale), Ok(value)) => ((value * f64::from(scale)).to_string(), at + 2),
        _ => (plain_fraction(&digits), at + 1),
    }
}

/// A number of `used` tokens: what it is, by what stands after it (and, for a sign, before).
fn number(view: View<'_>, digits: &str, used: usize) -> Option<(Slot, usize)> {
    let is_digits = view.tokens[0].kind == Kind::Number;
    let value = plain(digits);
    let (value, used) = if is_digits { after_scale(view, value, used) } else { (value, used) };
    // "30-day": the hyphen is no token.
    let entry = view.entry(used);
    let next = view.text(used);
    let is_next_glued = view.is_glued(used);
    match view.kind(used) {
        Some(Kind::Money) if !(view.kind(used + 1) == Some(Kind::Number) && view.is_glued(used + 1)) => {
            return view.slot(SlotKind::Amount, named(sign(next), &plain_fraction(&value)), used + 1);
        }
        Some(Kind::Percent) => return view.slot(SlotKind::Percent, plain_fraction(&value), used + 1),
        Some(Kind::Word) => {
            if entry.flags & flag::CURRENCY != 0 {
                return view.slot(SlotKind::Amount, named(entry.name, &plain_fraction(&value)), used + 1);
            }
            if entry.flags & flag::DURATION != 0 {
                return view.slot(SlotKind::Duration, named(entry.name, &plain_fraction(&value)), used + 1);
            }
            if let Some(half) = half_of_day(view, used) {
                return time(view, &value, half, used + 1);
            }
            if is_digits && is_next_glued && matches!(next, "st" | "nd" | "rd" | "th" | "ST" | "ND" | "RD" | "TH") {
                let place = value.parse().unwrap_or(0);
                return day_of_month(view, place, used + 1)
                    .or_else(|| view.slot(SlotKind::Ordinal, value.into_owned(), used + 1));
            }
            // "two cups" is a quantity, "seven l" is none: one letter needs digits before it.
            if entry.flags & flag::UNIT != 0 && (is_digits || next.len() > 1) {
                let mut taken = used + 1;
                let mut unit = entry.name;
                if unit == "degree" && matches!(view.entry(taken).name, "celsius" | "fahrenheit") {
                    unit = view.entry(taken).name;
                    taken += 1;
                }
                return view.slot(SlotKind::Quantity, named(unit, &plain_fraction(&value)), taken);
            }
            if matches!(next, "percent" | "pct" | "Percent") {
                return view.slot(SlotKind::Percent, plain_fraction(&value), used + 1);
            }
            if view.is_word(used, "per") && view.is_word(used + 1, "cent") {
                return view.slot(SlotKind::Percent, plain_fraction(&value), used + 2);
            }
            if view.is_word(used, "o'clock") || view.is_word(used, "oclock") {
                return view.slot(SlotKind::Time, format!("{value}:00"), used + 1);
            }
        }
        _ => {}
    }
    if is_digits && let Some(date) = day_of_month(view, value.parse().unwrap_or(0), used) {
        return Some(date);
    }
    if is_digits && digits.len() >= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return view.slot(SlotKind::Id, digits.to_owned(), used);
    }
    // "one" alone is a pronoun.
    if !is_digits && used == 1 && view.is_word(0, "one") {
        return None;
    }
    let is_negative = is_digits && {
        let start = view.tokens[0].start as usize;
        let before = &view.text.as_bytes()[..start];
        before.last() == Some(&b'-') && before.len().checked_sub(2).is_none_or(|at| before[at] == b' ')
    };
    view.slot(SlotKind::Number, if is_negative { format!("-{value}") } else { value.into_owned() }, used)
}

/// "5k", "2 million".
fn after_scale<'a>(view: View<'_>, value: Cow<'a, str>, used: usize) -> (Cow<'a, str>, usize) {
    let is_scaled = view.text(used).eq_ignore_ascii_case("k") || scale(view, used).is_some();
    if is_scaled && value.len() < 7 {
        let (value, used) = scaled(view, used - 1);
        (Cow::Owned(value), used)
    } else {
        (value, used)
    }
}

fn half_of_day(view: View<'_>, at: usize) -> Option<u32> {
    match view.text(at) {
        "am" | "AM" | "Am" | "a.m" => Some(0),
        "pm" | "PM" | "Pm" | "p.m" => Some(12),
        _ => None,
    }
}

fn time(view: View<'_>, hour: &str, half: u32, used: usize) -> Option<(Slot, usize)> {
    let (hour, minutes) = hour.split_once(':').unwrap_or((hour, "00"));
    let hour = hour.parse::<u32>().ok().filter(|hour| (1..=12).contains(hour))?;
    view.slot(SlotKind::Time, format!("{:02}:{minutes}", hour % 12 + half), used)
}

fn clock(view: View<'_>, body: &str) -> (Slot, usize) {
    let timed = half_of_day(view, 1).and_then(|half| time(view, body, half, 2));
    timed.unwrap_or_else(|| {
        let value = if body.as_bytes()[1] == b':' { format!("0{body}") } else { body.to_owned() };
        let (start, end) = (view.tokens[0].start as usize, view.tokens[0].end as usize);
        (Slot { kind: SlotKind::Time, value, start, end }, 1)
    })
}

/// "2024-05-01" as it is; "5/1/2024" and "5.1.2024" stay in the writer's order, which nobody knows.
fn numeric_date(body: &str) -> String {
    body.replace('.', "/")
}

/// A month, with the day or year after it: "May 5", "March 3rd, 2024", "June 2024", "September".
fn month(view: View<'_>, month: u32) -> Option<(Slot, usize)> {
    let day = |at: usize| -> Option<(u32, usize)> {
        let entry = view.entry(at);
        if view.kind(at) == Some(Kind::Word) && entry.flags & flag::ORDINAL != 0 {
            return Some((entry.number, at + 1));
        }
        let number = (view.kind(at) == Some(Kind::Number)).then(|| view.text(at).parse().ok()).flatten()?;
        let is_ordinal = view.is_glued(at + 1) && matches!(view.text(at + 1), "st" | "nd" | "rd" | "th");
        (1..=31).contains(&number).then_some((number, at + 1 + usize::from(is_ordinal)))
    };
    let year = |at: usize| -> Option<u32> {
        let text = view.text(at);
        (view.kind(at) == Some(Kind::Number) && text.len() == 4)
            .then(|| text.parse().ok())
            .flatten()
            .filter(|year| (1900..2100).contains(year))
    };
    if let Some(year) = year(1) {
        return view.slot(SlotKind::Date, format!("{year}-{month:02}"), 2);
    }
    if let Some((day, used)) = day(1) {
        return match year(used) {
            Some(year) => view.slot(SlotKind::Date, format!("{year}-{month:02}-{day:02}"), used + 1),
            None => view.slot(SlotKind::Date, format!("{month:02}-{day:02}"), used),
        };
    }
    // These three are verbs or names more often than months.
    let is_doubtful = ["may", "march", "mar"].iter().any(|word| view.is_word(0, word));
    if is_doubtful { None } else { view.slot(SlotKind::Month, month.to_string(), 1) }
}

/// "5 May 2024", "the 3rd of June": a day of `used` tokens, and the month after it.
fn day_of_month(view: View<'_>, day: u32, used: usize) -> Option<(Slot, usize)> {
    let at = used + usize::from(view.is_word(used, "of"));
    if !(1..=31).contains(&day) || !view.has(at, flag::MONTH) || view.kind(at) != Some(Kind::Word) {
        return None;
    }
    let month = view.entry(at).number;
    let year = view.text(at + 1);
    let has_year = view.kind(at + 1) == Some(Kind::Number) && year.len() == 4;
    if has_year {
        view.slot(SlotKind::Date, format!("{year}-{month:02}-{day:02}"), at + 2)
    } else {
        view.slot(SlotKind::Date, format!("{month:02}-{day:02}"), at + 1)
    }
}

/// Reads "twenty five", "three hundred and five", "two thousand", "a dozen", "five": groups below a thousand, each with its
/// scale, that grow smaller, so there are few of them. "one hundred and five hundred" are two numbers.
fn number_words(view: View<'_>) -> Option<(u64, usize)> {
    let (mut total, mut used, mut room) = (0u64, 0, u64::MAX);
    loop {
        let at = used + usize::from(used > 0 && view.is_word(used, "and"));
        let (mut value, mut after) = match group(view, at) {
            Some(found) => found,
            None if scale(view, at).is_some() => (1, at), // "thousand", "a dozen"
            None => break,
        };
        let mut least = u64::MAX;
        // Once it is too large, it is no part of this number however it goes on.
        while value < room
            && let Some(scale) = scale(view, after)
        {
            value = value.saturating_mul(u64::from(scale));
            least = least.min(u64::from(scale));
            after += 1;
        }
        // Of "zero hundred zero hundred" the scale is what does not grow smaller.
        if value >= room || (least < u64::MAX && least >= room) {
            break;
        }
        (total, used) = (total.saturating_add(value), after);
        if least == u64::MAX {
            break;
        }
        room = least;
    }
    (used > 0).then_some((total, used))
}

/// A number below a thousand, or so many hundreds: "five", "twenty five", "three hundred and five", "twelve hundred".
fn group(view: View<'_>, at: usize) -> Option<(u64, usize)> {
    let is_hundred = |at: usize| scale(view, at) == Some(100);
    let (value, used) = small(view, at).or_else(|| is_hundred(at).then_some((1, at)))?;
    if !is_hundred(used) {
        return Some((value, used));
    }
    let (value, used) = (value * 100, used + 1);
    match small(view, used + usize::from(view.is_word(used, "and"))) {
        Some((rest, after)) if !is_hundred(after) => Some((value + rest, after)),
        _ => Some((value, used)),
    }
}

/// A number below a hundred.
fn small(view: View<'_>, at: usize) -> Option<(u64, usize)> {
    let value = unit(view, at)?;
    match unit(view, at + 1) {
        Some(units @ 1..=9) if (20..=90).contains(&value) => Some((value + units, at + 2)),
        _ => Some((value, at + 1)),
    }
}

/// A number word below a hundred.
fn unit(view: View<'_>, at: usize) -> Option<u64> {
    let entry = view.entry(at);
    let is_unit = view.kind(at) == Some(Kind::Word) && entry.flags & flag::NUMBER != 0;
    (is_unit && entry.number < 100 && entry.number != 12 || is_unit && view.is_word(at, "twelve"))
        .then_some(u64::from(entry.number))
}

/// Hundred, thousand, million, billion, dozen.
fn scale(view: View<'_>, at: usize) -> Option<u32> {
    let entry = view.entry(at);
    let is_number = view.kind(at) == Some(Kind::Word) && entry.flags & flag::NUMBER != 0;
    (is_number && (entry.number >= 100 || view.is_word(at, "dozen"))).then_some(entry.number)
}

/// "usd:5".
fn named(name: &str, value: &str) -> String {
    [name, ":", value].concat()
}

/// Without thousands separators; "0042" stays as it is, for it names something, and so does "3.10".
fn plain(digits: &str) -> Cow<'_, str> {
    if digits.contains(',') { Cow::Owned(digits.replace(',', "")) } else { Cow::Borrowed(digits) }
}

/// Where a fraction is a measure and no name, "5.00", "5.0" and "5" are one value. "1.000" stays as it is: half the world
/// writes a thousand like this.
fn plain_fraction(digits: &str) -> String {
    match digits.split_once('.') {
        Some((whole, fraction)) if fraction.len() != 3 => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => [whole, ".", fraction].concat(),
        },
        _ => digits.to_owned(),
    }
}
