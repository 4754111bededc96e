//! The word lists, read once from text that is compiled in, into one table that a word is looked up in once.

use std::sync::LazyLock;

/// The longest word that the table can hold: a word is its bytes in a `u128`.
const LONGEST: usize = 16;

/// What a word does, as bits of [`Entry::flags`].
pub mod flag {
    /// Turns a statement round.
    pub const NEGATION: u32 = 1;
    /// Makes an answer go out of date soon.
    pub const STALE: u32 = 1 << 1;
    /// Asks for thought.
    pub const REASONING: u32 = 1 << 2;
    /// Opens a question.
    pub const QUESTION: u32 = 1 << 3;
    /// Is a verb that opens a request.
    pub const IMPERATIVE: u32 = 1 << 4;
    /// Compares.
    pub const COMPARISON: u32 = 1 << 5;
    /// Asks for invention.
    pub const CREATIVE: u32 = 1 << 6;
    /// Binds the answer.
    pub const CONSTRAINT: u32 = 1 << 7;
    /// Says little about what is asked.
    pub const STOP: u32 = 1 << 8;
    /// Its object matters.
    pub const DIRECTION: u32 = 1 << 9;
    /// Names a task: summarise, translate, extract, classify, rewrite.
    pub const TASK: u32 = 1 << 10;
    /// Stands in program code.
    pub const CODE: u32 = 1 << 11;
    /// Money.
    pub const CURRENCY: u32 = 1 << 12;
    /// A unit of time.
    pub const DURATION: u32 = 1 << 13;
    /// Another unit.
    pub const UNIT: u32 = 1 << 14;
    /// A day of the week.
    pub const WEEKDAY: u32 = 1 << 15;
    /// A month.
    pub const MONTH: u32 = 1 << 16;
    /// A place in order.
    pub const ORDINAL: u32 = 1 << 17;
    /// A number word.
    pub const NUMBER: u32 = 1 << 18;
    /// A particle.
    pub const PARTICLE: u32 = 1 << 19;
    /// A verb after it is an order.
    pub const OPENER: u32 = 1 << 20;
    /// A time of day.
    pub const HOUR: u32 = 1 << 21;
    /// Stands on a side of an antonym pair.
    pub const ANTONYM: u32 = 1 << 22;
    /// Waits for something instead of asking for it.
    pub const WAITING: u32 = 1 << 23;
    /// Means a person: the one who asks, the one who is asked, a third.
    pub const PERSON: u32 = 1 << 24;
    /// Softens a request: "can you", "could you".
    pub const MODAL: u32 = 1 << 25;
    /// Says when or where, or joins clauses.
    pub const FUNCTION: u32 = 1 << 26;
    /// A word that may begin or be a slot.
    pub const SLOT: u32 = CURRENCY | WEEKDAY | MONTH | ORDINAL | NUMBER | HOUR;
    /// What is counted or kept.
    pub const COUNTED: u32 = NEGATION | STALE | REASONING | COMPARISON | CREATIVE | CONSTRAINT | TASK | CODE | ANTONYM;
}

/// What the lists say of a word.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry {
    /// Bits of [`flag`].
    pub flags: u32,
    /// The number of a number word, ordinal, weekday or month.
    pub number: u32,
    /// The canonical name of a currency or unit.
    pub name: &'static str,
    /// The language family of a word of code.
    pub code: &'static str,
    /// The task that it names.
    pub task: &'static str,
    /// The sides of antonym pairs that it stands on: bit 2p for the left of pair p, 2p + 1 for the right.
    pub antonyms: u128,
}

/// A word as a number: its bytes in order, lower case. Words of more than 16 bytes keep their last 16 and a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WordKey {
    key: u128,
    length: usize,
}

impl WordKey {
    /// Adds a byte, which must be lower case already.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.key = self.key << 8 | u128::from(byte);
        self.length += 1;
    }

    /// A word of at most 16 bytes, packed and lower case already.
    #[inline]
    pub fn of_lower(key: u128, length: usize) -> Self {
        Self { key, length }
    }

    /// A whole word.
    pub fn of(word: &str) -> Self {
        let mut key = Self::default();
        word.bytes().for_each(|byte| key.push(byte));
        key
    }

    /// Whether it ends in "n't".
    pub fn is_contracted_not(self) -> bool {
        self.length > 3 && self.key & 0x00ff_ffff == 0x006e_2774
    }

    /// A hash of the word without its ending.
    ///
    /// Endings go by three rules ("ies" -> "y"; "ing", "ed", "es", "s" where three letters stay; a doubled last letter
    /// once), which is less than a stemmer and enough to join "refunding" and "refunds". The last eleven bytes and the
    /// length count, for a longer word keeps no more once its ending is off.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "folded on purpose")]
    pub fn stem(self) -> u32 {
        const KEPT: u128 = (1 << 88) - 1;
        let ends = |ending: &[u8]| {
            self.length >= ending.len() + 3
                && ending.iter().rev().enumerate().all(|(at, &byte)| self.end_byte(at) == byte)
        };
        let stem = if ends(b"'s") {
            self.without(2)
        } else if ends(b"ies") {
            let cut = self.without(2);
            Self { key: cut.key >> 8 << 8 | u128::from(b'y'), ..cut }
        } else {
            let cut = if ends(b"ing") {
                self.without(3)
            } else if ends(b"ed") || ends(b"es") {
                self.without(2)
            } else if ends(b"s") && self.end_byte(1) != b's' {
                self.without(1)
            } else {
                self
            };
            // "cancelling" and "canceling", "stopped" and "stops"; and a mute "e": "store", "storing".
            let is_doubled = cut.length < self.length && cut.length > 3 && cut.end_byte(0) == cut.end_byte(1);
            let cut = cut.without(usize::from(is_doubled));
            cut.without(usize::from(cut.length > 3 && cut.end_byte(0) == b'e'))
        };
        let kept = stem.key & KEPT;
        let mixed = ((kept as u64) ^ (stem.length as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ ((kept >> 64) as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 32) as u32).max(1)
    }

    /// The byte so many places before the last one.
    #[inline]
    fn end_byte(self, places: usize) -> u8 {
        self.key.to_le_bytes()[places]
    }

    /// The word without its last bytes.
    #[inline]
    fn without(self, bytes: usize) -> Self {
        Self { key: self.key >> (8 * bytes), length: self.length - bytes }
    }

    /// The word without a final "'s".
    fn without_genitive(self) -> Option<Self> {
        let is_one = self.length > 2 && self.key & 0xffff == 0x2773;
        is_one.then(|| self.without(2))
    }
}

struct Table {
    places: Vec<u16>,
    /// Beside the entries and not in them: a look-up touches keys of 16 bytes and no more.
    keys: Vec<u128>,
    flags: Vec<u32>,
    /// The first one says nothing: it is what a word that stands in no list gets.
    entries: Vec<Entry>,
}

const PLACES: usize = 8192;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table =
        Table { places: vec![0; PLACES], keys: vec![u128::MAX], flags: Vec::new(), entries: vec![Entry::default()] };
    for (list, bit) in [
        (include_str!("lexicon/negations.txt"), flag::NEGATION),
        (include_str!("lexicon/stale.txt"), flag::STALE),
        (include_str!("lexicon/reasoning.txt"), flag::REASONING),
        (include_str!("lexicon/questions.txt"), flag::QUESTION),
        (include_str!("lexicon/imperatives.txt"), flag::IMPERATIVE),
        (include_str!("lexicon/comparisons.txt"), flag::COMPARISON),
        (include_str!("lexicon/creative.txt"), flag::CREATIVE),
        (include_str!("lexicon/constraints.txt"), flag::CONSTRAINT),
        (include_str!("lexicon/stop.txt"), flag::STOP),
        (include_str!("lexicon/directions.txt"), flag::DIRECTION),
        (include_str!("lexicon/particles.txt"), flag::PARTICLE),
        (include_str!("lexicon/tasks.txt"), flag::TASK),
        (include_str!("lexicon/code.txt"), flag::CODE),
        (include_str!("lexicon/currencies.txt"), flag::CURRENCY),
        (include_str!("lexicon/durations.txt"), flag::DURATION),
        (include_str!("lexicon/units.txt"), flag::UNIT),
        (include_str!("lexicon/weekdays.txt"), flag::WEEKDAY),
        (include_str!("lexicon/months.txt"), flag::MONTH),
        (include_str!("lexicon/ordinals.txt"), flag::ORDINAL),
        (include_str!("lexicon/numbers.txt"), flag::NUMBER),
        (include_str!("lexicon/openers.txt"), flag::OPENER),
        (include_str!("lexicon/hours.txt"), flag::HOUR),
        (include_str!("lexicon/waiting.txt"), flag::WAITING),
        (include_str!("lexicon/persons.txt"), flag::PERSON),
        (include_str!("lexicon/modals.txt"), flag::MODAL),
        (include_str!("lexicon/functions.txt"), flag::FUNCTION),
    ] {
        for line in lines(list) {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            let entry = table.entry(word);
            entry.flags |= bit;
            match bit {
                flag::TASK => entry.task = value,
                flag::CODE => entry.code = value,
                flag::CURRENCY | flag::DURATION | flag::UNIT => entry.name = value,
                _ => entry.number = value.parse().unwrap_or(entry.number),
            }
        }
    }
    for (pair, line) in lines(include_str!("lexicon/antonyms.txt")).enumerate() {
        debug_assert!(pair < 64, "128 bits hold 64 pairs");
        if let Some((left, right)) = line.split_once(' ') {
            for (word, side) in [(left, 2 * pair), (right, 2 * pair + 1)] {
                let entry = table.entry(word);
                entry.flags |= flag::ANTONYM;
                entry.antonyms |= 1 << side;
            }
        }
    }
    table.flags = table.entries.iter().map(|entry| entry.flags).collect();
    table
});

fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[expect(clippy::cast_possible_truncation, reason = "folded on purpose")]
fn place(key: u128) -> usize {
    let folded = (key as u64) ^ (key >> 64) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as usize
}

impl Table {
    fn entry(&mut self, word: &str) -> &mut Entry {
        debug_assert!(word.len() <= LONGEST, "{word} is too long for the table");
        let key = WordKey::of(word).key;
        let mut at = place(key);
        while self.places[at] != 0 && self.keys[self.places[at] as usize] != key {
            at = (at + 1) % PLACES;
        }
        if self.places[at] == 0 {
            self.places[at] = u16::try_from(self.entries.len()).unwrap_or(0);
            self.keys.push(key);
            self.entries.push(Entry::default());
        }
        &mut self.entries[self.places[at] as usize]
    }

    fn find(&self, key: u128) -> u16 {
        let mut at = place(key);
        loop {
            let id = self.places[at];
            if id == 0 || self.keys[id as usize] == key {
                return id;
            }
            at = (at + 1) % PLACES;
        }
    }
}

/// The lists, borrowed once for a whole text.
#[derive(Clone, Copy)]
pub struct Lexicon(&'static Table);

impl Lexicon {
    /// The compiled lists; read on first use, about 100 us.
    pub fn get() -> Self {
        Self(&TABLE)
    }

    /// The number of a word's entry; 0 where no list holds it. "today's" is found as "today".
    #[inline]
    pub fn find(self, word: WordKey) -> u16 {
        if word.length > LONGEST + 2 {
            return 0;
        }
        let id = if word.length <= LONGEST { self.0.find(word.key) } else { 0 };
        match (id, word.without_genitive()) {
            (0, Some(word)) => self.0.find(word.key),
            _ => id,
        }
    }

    /// The flags of an entry.
    #[inline]
    pub fn flags(self, id: u16) -> u32 {
        self.0.flags[id as usize]
    }

    /// What the lists say.
    #[inline]
    pub fn entry(self, id: u16) -> &'static Entry {
        &self.0.entries[id as usize]
    }
}

/// Whether some pair has only its left word in one text and only its right word in the other.
pub fn are_opposed(one: u128, other: u128) -> bool {
    const LEFT: u128 = 0x5555_5555_5555_5555_5555_5555_5555_5555;
    // A text that holds both words of a pair ("not on Monday but off") stands on no side of it.
    let sided = |sides: u128| {
        let both = sides & LEFT & (sides >> 1);
        sides & !(both | both << 1)
    };
    let (one, other) = (sided(one), sided(other));
    (one & LEFT) & ((other >> 1) & LEFT) != 0 || (other & LEFT) & ((one >> 1) & LEFT) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(word: &str) -> &'static Entry {
        let lexicon = Lexicon::get();
        lexicon.entry(lexicon.find(WordKey::of(word)))
    }

    #[test]
    fn the_lists_hold_what_they_should() {
        assert!(entry("not").flags & flag::NEGATION != 0 && entry("note").flags & flag::NEGATION == 0);
        assert!(WordKey::of("shouldn't").is_contracted_not() && !WordKey::of("n't").is_contracted_not());
        assert!(entry("today's").flags & flag::STALE != 0 && entry("prove").flags & flag::REASONING != 0);
        assert_eq!((entry("twelve").number, entry("euros").name, entry("sept").number), (12, "eur", 9));
        assert_eq!((entry("").flags, entry("unheard-of").flags), (0, 0));
        assert!(lines(include_str!("lexicon/antonyms.txt")).count() <= 64);
        assert!(lines(include_str!("lexicon/antonyms.txt")).all(|line| line.split(' ').count() == 2));
    }

    #[test]
    fn every_word_of_every_list_is_found_again() {
        assert!(TABLE.entries.len() < PLACES / 4, "{}", TABLE.entries.len());
        for (id, &key) in TABLE.keys.iter().enumerate().skip(1) {
            assert_eq!(TABLE.find(key) as usize, id);
        }
    }

    #[test]
    fn words_are_compared_without_their_endings() {
        let stem = |word: &str| WordKey::of(&word.to_lowercase()).stem();
        for (one, other) in [
            ("cancel", "canceling"),
            ("cancels", "cancelling"),
            ("refunds", "Refunding"),
            ("story", "stories"),
            ("store", "storing"),
            ("stopped", "stop"),
            ("internationalization", "Internationalizations"),
        ] {
            assert_eq!(stem(one), stem(other), "{one} {other}");
        }
        assert_ne!(stem("pass"), stem("pas"));
    }

    #[test]
    fn opposed_words_oppose_either_way_and_both_words_do_not() {
        let (on, off) = (entry("on").antonyms, entry("off").antonyms);

        assert!(are_opposed(on, off) && are_opposed(off, on));
        assert!(!are_opposed(on, on) && !are_opposed(on | off, off) && !are_opposed(on, 0));
    }
}
