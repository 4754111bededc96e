//! The word lists, read once from text that is compiled in, into one table that a word is looked up in once.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::word::{LONGEST, WordKey};

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
    /// No word: a number, a sign, an address, a name.
    pub const OTHER: u32 = 1 << 31;
    /// A word that may begin or be a slot.
    pub const SLOT: u32 = CURRENCY | WEEKDAY | MONTH | ORDINAL | NUMBER | HOUR;
    /// What is counted or kept.
    pub const COUNTED: u32 = NEGATION | STALE | REASONING | COMPARISON | CREATIVE | CONSTRAINT | TASK | CODE | ANTONYM;
}

/// Numbers of entries that no list has.
pub mod entry {
    /// What a word has that stands in no list. It says nothing.
    pub const NONE: u16 = 0;
    /// What everything has that is no word.
    pub const OTHER: u16 = 1;
    /// A word that ends in "n't".
    pub const NOT: u16 = 2;
    /// A capital A alone, which may be a name.
    pub const NAME_A: u16 = 3;
    /// The first listed word.
    pub const FIRST: u16 = 4;
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

struct Table {
    /// The number of the entry at each place; 0 for none.
    places: [u16; PLACES],
    /// What each bucket multiplies a hash by, so that no two words have one place.
    multipliers: [u32; BUCKETS],
    /// Beside the entries and not in them: a look-up touches keys of 16 bytes and no more.
    keys: [u128; PLACES],
    /// Flags and stems; the stem of a stop word that gives no direction is 0, for nobody reads it.
    read: Vec<(u32, u32)>,
    entries: Vec<Entry>,
}

const PLACES: usize = 2048;
const BUCKETS: usize = 256;

/// The lists, and what their words do.
const LISTS: [(&str, u32); 26] = [
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
];

/// Pairs of opposites.
const ANTONYMS: &str = include_str!("lexicon/antonyms.txt");

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        places: [0; PLACES],
        multipliers: [1; BUCKETS],
        keys: [u128::MAX; PLACES],
        read: Vec::new(),
        entries: vec![Entry::default(); usize::from(entry::FIRST)],
    };
    table.entries[usize::from(entry::OTHER)].flags = flag::OTHER;
    table.entries[usize::from(entry::NOT)].flags = flag::NEGATION;
    let mut numbers = HashMap::new();
    for (list, bit) in LISTS {
        for line in lines(list) {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            let entry = table.entry(&mut numbers, word);
            entry.flags |= bit;
            match bit {
                flag::TASK => entry.task = value,
                flag::CODE => entry.code = value,
                flag::CURRENCY | flag::DURATION | flag::UNIT => entry.name = value,
                _ => entry.number = value.parse().unwrap_or(entry.number),
            }
        }
    }
    for (pair, line) in lines(ANTONYMS).enumerate() {
        debug_assert!(pair < 64, "128 bits hold 64 pairs");
        if let Some((left, right)) = line.split_once(' ') {
            for (word, side) in [(left, 2 * pair), (right, 2 * pair + 1)] {
                let entry = table.entry(&mut numbers, word);
                entry.flags |= flag::ANTONYM;
                entry.antonyms |= 1 << side;
            }
        }
    }
    table.entries[usize::from(entry::NAME_A)] = table.entries[numbers[&WordKey::of("a").key]];
    table.entries[usize::from(entry::NAME_A)].flags &= !flag::STOP;
    table.place();
    table.read =
        table.entries.iter().zip(table.keys).map(|(entry, key)| (entry.flags, kept_stem(key, entry))).collect();
    table.read[usize::from(entry::OTHER)].1 = 0;
    table
});

/// The stem of a word of a list; 0 for a stop word that gives no direction, whose stem nobody reads.
fn kept_stem(key: u128, entry: &Entry) -> u32 {
    let length = LONGEST - key.leading_zeros() as usize / 8;
    if entry.flags & (flag::STOP | flag::DIRECTION) == flag::STOP { 0 } else { WordKey { key, length }.stem() }
}

fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// All that the lists say, list by list: where this has changed, texts may be read otherwise.
pub fn words() -> String {
    let mut words = String::new();
    for list in LISTS.iter().map(|&(list, _)| list).chain([ANTONYMS]) {
        lines(list).for_each(|line| words.extend([line, "\n"]));
        words.push('\n');
    }
    words
}

/// The bucket of a word, and what of its hash the bucket's multiplier takes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "folded on purpose")]
fn hash(key: u128) -> (usize, u32) {
    let hash = ((key as u64) ^ (key >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((hash >> 56) as usize, (hash >> 24) as u32)
}

#[inline]
fn place(hash: u32, multiplier: u32) -> usize {
    (hash.wrapping_mul(multiplier) >> 21) as usize
}

impl Table {
    fn entry(&mut self, numbers: &mut HashMap<u128, usize>, word: &str) -> &mut Entry {
        debug_assert!(word.len() <= LONGEST, "{word} is too long for the table");
        let key = WordKey::of(word).key;
        let id = *numbers.entry(key).or_insert(self.entries.len());
        if id == self.entries.len() {
            self.keys[id] = key;
            self.entries.push(Entry::default());
        }
        &mut self.entries[id]
    }

    /// Gives each word a place of its own, so that a look-up has no branch: large buckets first, each with the first
    /// multiplier under which all its words come to free places.
    ///
    /// Belazzougui et al., "Hash, displace, and compress", ESA 2009, without the compression.
    fn place(&mut self) {
        let mut buckets = vec![Vec::new(); BUCKETS];
        for (id, &key) in (0u16..).zip(&self.keys[..self.entries.len()]).skip(usize::from(entry::FIRST)) {
            let (bucket, hash) = hash(key);
            buckets[bucket].push((hash, id));
        }
        let mut order: Vec<usize> = (0..BUCKETS).collect();
        order.sort_by_key(|&bucket| std::cmp::Reverse(buckets[bucket].len()));
        for bucket in order {
            let fits = |multiplier: &u32| {
                let mut taken: Vec<usize> = buckets[bucket].iter().map(|&(hash, _)| place(hash, *multiplier)).collect();
                taken.sort_unstable();
                taken.windows(2).all(|two| two[0] != two[1]) && taken.iter().all(|&at| self.places[at] == 0)
            };
            let multiplier = (1..=u32::MAX).step_by(2).find(fits).unwrap_or(1);
            self.multipliers[bucket] = multiplier;
            buckets[bucket].iter().for_each(|&(hash, id)| self.places[place(hash, multiplier)] = id);
        }
    }

    #[inline]
    fn find(&self, key: u128) -> u16 {
        let (bucket, hash) = hash(key);
        let id = self.places[place(hash, self.multipliers[bucket])];
        if self.keys[id as usize % PLACES] == key { id } else { entry::NONE }
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

    /// The number of the entry of a word of at most 16 bytes that has no genitive.
    #[inline]
    pub fn find_short(self, word: WordKey) -> u16 {
        self.0.find(word.key)
    }

    /// Flags and stem of an entry.
    #[inline]
    pub fn read(self, id: u16) -> (u32, u32) {
        self.0.read[id as usize]
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
        assert!(lines(ANTONYMS).count() <= 64);
        assert!(lines(ANTONYMS).all(|line| line.split(' ').count() == 2));
    }

    #[test]
    fn every_list_is_among_what_they_say() {
        let words = words();
        assert_eq!(words.split("\n\n").filter(|list| !list.is_empty()).count(), LISTS.len() + 1);
        assert!(words.starts_with(lines(LISTS[0].0).next().unwrap()) && words.contains("\non off\n"), "{words}");
        assert!(!words.contains('#'));
    }

    #[test]
    fn every_word_of_every_list_is_found_again() {
        assert!(TABLE.entries.len() < PLACES * 3 / 4, "{}", TABLE.entries.len());
        for (id, &key) in TABLE.keys[..TABLE.entries.len()].iter().enumerate().skip(usize::from(entry::FIRST)) {
            assert_eq!(TABLE.find(key) as usize, id);
        }
    }

    #[test]
    fn opposed_words_oppose_either_way_and_both_words_do_not() {
        let (on, off) = (entry("on").antonyms, entry("off").antonyms);

        assert!(are_opposed(on, off) && are_opposed(off, on));
        assert!(!are_opposed(on, on) && !are_opposed(on | off, off) && !are_opposed(on, 0));
    }
}
