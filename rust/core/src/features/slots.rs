//! Typed slots: the numbers, amounts, ids, dates and names-in-quotes of a text, in canonical form.
//!
//! Requests that carry different slots never share an answer, so the cache compares *frames* (the text without its
//! slots) among requests with equal slots. Names and places are no slots: capitals tell them on clean text only.

mod read;

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

pub use self::read::slot_at;

/// What a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotKind {
    /// A number of five digits or more, or letters and digits in one: an order, an invoice, a ticket.
    Id,
    /// Money: `usd:5`.
    Amount,
    /// A number with a unit that is neither money nor time: `kg:5`.
    Quantity,
    /// A length of time: `day:30`.
    Duration,
    /// A per cent.
    Percent,
    /// A time of day: `17:00`.
    Time,
    /// A date: `2024-05-01`, or `05-01` without a year, or `2024-05` without a day.
    Date,
    /// A day of the week: `1` for Monday.
    Weekday,
    /// A month alone: `9`.
    Month,
    /// First, 2nd, third.
    Ordinal,
    /// A version: `3.9.1`.
    Version,
    /// A number that is none of the above.
    Number,
    /// An e-mail address.
    Email,
    /// A URL.
    Url,
    /// A name of program code: `user_id`, `getUser`, `main()`.
    Code,
    /// A string in quotes.
    Quoted,
}

impl SlotKind {
    /// All kinds, in order.
    pub const ALL: [Self; 16] = [
        Self::Id,
        Self::Amount,
        Self::Quantity,
        Self::Duration,
        Self::Percent,
        Self::Time,
        Self::Date,
        Self::Weekday,
        Self::Month,
        Self::Ordinal,
        Self::Version,
        Self::Number,
        Self::Email,
        Self::Url,
        Self::Code,
        Self::Quoted,
    ];

    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Amount => "amount",
            Self::Quantity => "quantity",
            Self::Duration => "duration",
            Self::Percent => "percent",
            Self::Time => "time",
            Self::Date => "date",
            Self::Weekday => "weekday",
            Self::Month => "month",
            Self::Ordinal => "ordinal",
            Self::Version => "version",
            Self::Number => "number",
            Self::Email => "email",
            Self::Url => "url",
            Self::Code => "code",
            Self::Quoted => "quoted",
        }
    }
}

/// One slot: what it is, its canonical value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What it is.
    pub kind: SlotKind,
    /// Its value: `usd:5` for "$5.00" as for "five dollars".
    pub value: String,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// The slots of a text, and the text without them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Slots {
    /// In the order of the text.
    pub slots: Vec<Slot>,
    /// The text without its slots: lower case, words joined by one blank.
    pub frame: String,
}

impl Slots {
    /// Finds the slots of a text.
    pub fn find(text: &str) -> Self {
        super::Features::of_text(text).slots
    }

    /// Whether the slots alone say most of what is asked about: an id or an amount, which texts seldom share by chance.
    pub fn are_telling(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.kind, SlotKind::Id | SlotKind::Amount))
    }

    /// How many slots are of a kind.
    pub fn count(&self, kind: SlotKind) -> usize {
        self.slots.iter().filter(|slot| slot.kind == kind).count()
    }

    /// A hash of the multiset of slots, wherever they stand; 0 where there are none. The same in every process.
    pub fn key(&self) -> u64 {
        if self.slots.is_empty() {
            return 0;
        }
        let mut sorted: Vec<&Slot> = self.slots.iter().collect();
        sorted.sort_unstable_by(|one, other| (one.kind, &one.value).cmp(&(other.kind, &other.value)));
        let mut hasher = SipHasher13::new();
        for slot in sorted {
            hasher.write_u8(slot.kind as u8);
            hasher.write(slot.value.as_bytes());
            hasher.write_u8(0xff); // no byte of UTF-8
        }
        hasher.finish().max(1)
    }
}
