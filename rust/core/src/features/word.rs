//! A word as a number, so that it is looked up, compared and stemmed without its bytes.

/// The longest word that the table can hold: a word is its bytes in a `u128`.
pub const LONGEST: usize = 16;

/// A word as a number: its bytes in order, lower case. Words of more than 16 bytes keep their last 16 and a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WordKey {
    /// The bytes.
    pub key: u128,
    /// How many there are, those that are not kept included.
    pub length: usize,
}

impl WordKey {
    /// Adds a byte, which must be lower case already.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.key = self.key << 8 | u128::from(byte);
        self.length += 1;
    }

    /// A run of ASCII letters: the last `length` of 16 bytes, read as a number whose highest byte is the first.
    #[inline]
    pub fn of_letters(sixteen: u128, length: usize) -> Self {
        /// The bit that tells small letters from capitals.
        const SMALL: u128 = 0x2020_2020_2020_2020_2020_2020_2020_2020;
        /// The last so many bytes of sixteen.
        const LAST: [u128; LONGEST + 1] = {
            let mut last = [u128::MAX; LONGEST + 1];
            let mut length = 0;
            while length < LONGEST {
                last[length] = (1 << (8 * length)) - 1;
                length += 1;
            }
            last
        };
        Self { key: (sixteen | SMALL) & LAST[length.min(LONGEST)], length }
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
        let last = self.key as u32;
        let ends = |ending: u32, bytes: usize| {
            self.length >= bytes + 3 && (last ^ ending) << (32 - 8 * bytes) == 0 // compares so many bytes
        };
        let stem = match last as u8 {
            b's' if ends(0x2773, 2) => self.without(2), // "'s"
            b's' if ends(0x69_6573, 3) => {
                let cut = self.without(2); // "ies"
                Self { key: cut.key >> 8 << 8 | u128::from(b'y'), ..cut }
            }
            b's' if ends(0x6573, 2) => self.without(2).without_rest(), // "es"
            b's' if self.length >= 4 && self.end_byte(1) != b's' => self.without(1).without_rest(),
            b'g' if ends(0x69_6e67, 3) => self.without(3).without_rest(), // "ing"
            b'd' if ends(0x6564, 2) => self.without(2).without_rest(),    // "ed"
            _ => self.without_mute(),
        };
        let kept = stem.key & KEPT;
        let mixed = ((kept as u64) ^ (stem.length as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ ((kept >> 64) as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 32) as u32).max(1)
    }

    /// The byte so many places before the last one.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low byte is meant")]
    fn end_byte(self, places: usize) -> u8 {
        (self.key as u64 >> (8 * places)) as u8
    }

    /// The word without its last bytes.
    #[inline]
    fn without(self, bytes: usize) -> Self {
        Self { key: self.key >> (8 * bytes), length: self.length - bytes }
    }

    /// What is left of "cancelling" as of "canceling", of "stopped" as of "stops": of a doubled last letter the second goes.
    fn without_rest(self) -> Self {
        let is_doubled = self.length > 3 && self.end_byte(0) == self.end_byte(1);
        self.without(usize::from(is_doubled)).without_mute()
    }

    /// The word without a mute "e": "store", "storing".
    #[inline]
    fn without_mute(self) -> Self {
        self.without(usize::from(self.length > 3 && self.end_byte(0) == b'e'))
    }

    /// The word without a final "'s".
    pub fn without_genitive(self) -> Option<Self> {
        let is_one = self.length > 2 && self.key & 0xffff == 0x2773;
        is_one.then(|| self.without(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
