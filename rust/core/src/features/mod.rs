//! One pass over the text of a request: what it is about, in numbers that the cache's guards and the router read.
//!
//! `scan` cuts the bytes into tokens, `slots` finds the typed slots among them, and [`Features`] counts the
//! rest. No regular expression, no allocation for a word. Computed once a request, by [`Analysis`], when the exact tier
//! has missed.

mod analysis;
mod intent;
mod language;
pub mod lexicon;
mod markup;
mod ngrams;
mod scan;
mod signature;
mod simd;
mod slots;
mod vector;
mod word;

pub use self::analysis::Analysis;
pub use self::intent::{QuestionType, Task};
pub use self::language::{language, script};
use self::lexicon::{Lexicon, entry, flag};
pub use self::ngrams::{Sparse, hashed_ngrams};
use self::scan::{Kind, Scan, Token, scan};
pub use self::signature::LexicalSignature;
pub use self::slots::{Slot, SlotKind, Slots};
pub use self::vector::{SCHEMA_VERSION, schema};
use self::word::WordKey;
use crate::request::Request;

/// What one pass over the last user turn found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// Characters (Unicode scalar values).
    pub chars: usize,
    /// Bytes of UTF-8.
    pub bytes: usize,
    /// Words, numbers, addresses and names.
    pub words: usize,
    /// Sentences, by their end marks; at least 1 where there are words.
    pub sentences: usize,
    /// Question marks.
    pub questions: usize,
    /// Whether the text asks something.
    pub is_question: bool,
    /// How it asks.
    pub question_type: QuestionType,
    /// Whether the text holds program code.
    pub has_code: bool,
    /// The language family of the code, where its words point to one.
    pub code_family: Option<&'static str>,
    /// Signs and words of mathematics.
    pub maths_signs: usize,
    /// Signs of markup: closing and empty tags, bold marks, links.
    pub markup_signs: usize,
    /// Share of the words' bytes that are not ASCII letters, in [0, 1].
    pub foreign: f32,
    /// Words that turn a statement round.
    pub negations: usize,
    /// Words that ask for thought rather than for a fact.
    pub reasoning_words: usize,
    /// Words after which an answer is soon out of date.
    pub stale_words: usize,
    /// Verbs that open a sentence or follow "please", "and", "then", "to", "you".
    pub imperatives: usize,
    /// Words that compare.
    pub comparisons: usize,
    /// Words that bind the answer.
    pub constraints: usize,
    /// Words that ask for invention.
    pub creative_words: usize,
    /// Things asked for: questions and requests that stand side by side; at least 1 where there are words.
    pub parts: usize,
    /// Tasks named, as bits of [`Task`].
    pub tasks: u32,
    /// Sides of antonym pairs, two bits a pair.
    pub antonym_sides: u128,
    /// What the guards compare, besides the vector.
    pub signature: LexicalSignature,
    /// Slots and frame.
    pub slots: Slots,
    /// Signs that change what is asked, in the order of the text: "+", "<", "👍". Empty in plain prose.
    pub signs: String,
}

impl Features {
    /// Reads the last user turn of a request. Cost grows with its length: about 5 ns a byte.
    pub fn extract(request: &Request) -> Self {
        Self::of_text(request.text())
    }

    /// Reads a text in canonical form.
    pub fn of_text(text: &str) -> Self {
        Self::of_scan(text, scan(text))
    }

    fn of_scan(text: &str, found: Scan) -> Self {
        let mut reader = Reader::new(text, &found);
        reader.run(&found.tokens);
        reader.finish(found)
    }

    /// What has to be the same, byte for byte, before two texts are compared by meaning: the slots in the order of the
    /// text, and the signs. Empty where there are neither.
    ///
    /// The order counts: "divide 10 by 2" is not "divide 2 by 10", and a vector of the frame sees neither number.
    pub fn literals(&self) -> Vec<u8> {
        let mut literals = Vec::new();
        for slot in &self.slots.slots {
            literals.push(slot.kind as u8);
            literals.extend_from_slice(slot.value.as_bytes());
            literals.push(0xff); // no byte of UTF-8
        }
        literals.extend_from_slice(self.signs.as_bytes());
        literals
    }

    /// Whether a task is named.
    pub fn names(&self, task: Task) -> bool {
        self.tasks & task as u32 != 0
    }
}

/// No run: one that nothing touches.
const NONE: (usize, usize) = (0, usize::MAX >> 1);

/// Walks the tokens once, slots first.
struct Reader<'a> {
    text: &'a str,
    lexicon: Lexicon,
    features: Features,
    intent: intent::Intent,
    signature: signature::Builder,
    code: intent::CodeVotes,
    /// Tokens that are signs.
    signs: usize,
    /// Bytes that go into the frame together.
    run: (usize, usize),
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, found: &Scan) -> Self {
        let slots =
            Slots { slots: Vec::with_capacity(found.tokens.len() / 16), frame: String::with_capacity(text.len()) };
        let features = Features {
            chars: if text.is_ascii() { text.len() } else { text.chars().count() },
            bytes: text.len(),
            markup_signs: found.markup_signs,
            questions: found.questions,
            slots,
            ..Features::default()
        };
        Self {
            text,
            lexicon: Lexicon::get(),
            features,
            intent: intent::Intent::default(),
            signature: signature::Builder::default(),
            code: intent::CodeVotes::default(),
            signs: 0,
            run: NONE,
        }
    }

    fn run(&mut self, tokens: &[Token]) {
        let mut at = 0;
        // Nothing waits for the next word: it opens no text or sentence and follows none of "how", "can", "please".
        let mut is_settled = false;
        while let Some(token) = tokens.get(at) {
            let (flags, stem) = self.lexicon.read(token.entry);
            // Half of all words say nothing but what they are called.
            if flags & !flag::STOP == 0 && is_settled {
                if flags == 0 {
                    self.signature.content(0, self.stem(token, 0));
                }
                self.keep(token);
                at += 1;
                continue;
            }
            // Most words begin no slot, and their flags say so.
            if flags & (flag::SLOT | flag::OTHER) == 0 {
                self.word(token, (flags, stem), false);
                self.keep(token);
                at += 1;
            } else if let Some((slot, used)) = slots::slot_at(self.text, &tokens[at..], self.lexicon) {
                tokens[at..at + used].iter().for_each(|token| self.count(token, true));
                self.features.slots.slots.push(slot);
                at += used;
            } else {
                self.count(token, false);
                self.keep_other(token);
                at += 1;
            }
            is_settled = self.intent.is_settled() && self.signature.is_settled();
        }
        self.flush();
    }

    /// What holds of a token, be it part of a slot or not.
    fn count(&mut self, token: &Token, is_slot: bool) {
        match token.kind {
            Kind::End => {
                self.signs += 1;
                self.intent.end_sentence();
            }
            Kind::Money | Kind::Percent | Kind::Hash => self.signs += 1,
            _ => self.word(token, self.lexicon.read(token.entry), is_slot),
        }
    }

    #[inline]
    fn word(&mut self, token: &Token, (flags, stem): (u32, u32), is_slot: bool) {
        if flags & flag::COUNTED != 0 {
            self.count_flags(token, flags);
        }
        self.intent.word(|| &self.text[token.start as usize..token.end as usize], flags);
        if !is_slot {
            let stem = self.stem(token, stem);
            self.signature.word(flags, stem, || self.lexicon.entry(token.entry).number);
        }
    }

    /// The stem of a token whose entry has `stem`.
    #[inline]
    fn stem(&self, token: &Token, stem: u32) -> u32 {
        if token.stem != 0 {
            return token.stem;
        }
        if token.entry != entry::NONE {
            return stem;
        }
        let (start, end) = (token.start as usize, token.end as usize);
        let key = match self.text.as_bytes()[..end].last_chunk() {
            Some(sixteen) => WordKey::of_letters(u128::from_be_bytes(*sixteen), end - start),
            None => WordKey::of(&self.text[start..end].to_ascii_lowercase()),
        };
        key.stem()
    }

    #[inline(never)]
    fn count_flags(&mut self, token: &Token, flags: u32) {
        let features = &mut self.features;
        let has = |bit: u32| usize::from(flags & bit != 0);
        features.negations += has(flag::NEGATION);
        features.reasoning_words += has(flag::REASONING);
        features.stale_words += has(flag::STALE);
        features.comparisons += has(flag::COMPARISON);
        features.constraints += has(flag::CONSTRAINT);
        features.creative_words += has(flag::CREATIVE);
        if flags & (flag::TASK | flag::CODE | flag::ANTONYM) != 0 {
            let entry = self.lexicon.entry(token.entry);
            features.antonym_sides |= entry.antonyms;
            features.tasks |= Task::bits(entry.task);
            if flags & flag::CODE != 0 {
                self.code.count(entry.code);
            }
        }
    }

    /// Adds a word to the frame: to the run of words one blank apart, which is copied as one.
    #[inline]
    fn keep(&mut self, token: &Token) {
        let (start, end) = (token.start as usize, token.end as usize);
        let last = self.run.1;
        if start == last + 1 && self.text.as_bytes()[last] == b' ' {
            self.run.1 = end;
        } else {
            self.flush();
            self.run = (start, end);
        }
    }

    /// Adds a token that is no slot, be it a word or not.
    fn keep_other(&mut self, token: &Token) {
        match token.kind {
            Kind::End => {}
            // A sign that belongs to no slot: "x % y".
            Kind::Money | Kind::Percent | Kind::Hash => {
                self.features.signs.push_str(&self.text[token.start as usize..token.end as usize]);
            }
            _ => self.keep(token),
        }
    }

    fn flush(&mut self) {
        let (start, end) = std::mem::replace(&mut self.run, NONE);
        if end < NONE.1 {
            let frame = &mut self.features.slots.frame;
            if !frame.is_empty() {
                frame.push(' ');
            }
            frame.push_str(&self.text[start..end]);
        }
    }

    fn finish(self, found: Scan) -> Features {
        let Self { mut features, intent, signature, code, signs, .. } = self;
        let frame = &mut features.slots.frame;
        if frame.is_ascii() {
            frame.make_ascii_lowercase();
        } else {
            *frame = frame.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }).collect();
        }
        features.words = found.tokens.len() - signs;
        features.sentences = found.ends.max(usize::from(features.words > 0));
        features.question_type = intent.question_type(features.questions > 0);
        features.is_question = features.questions > 0 || intent.opens_with_question();
        features.imperatives = intent.imperatives();
        features.parts = (features.questions.max(usize::from(features.is_question)) + features.imperatives)
            .max(usize::from(features.words > 0));
        // Words alone prove nothing ("import duties", "return shoes"); a fence is enough alone.
        features.has_code = found.has_fence
            || found.code_signs >= 2
            || found.code_signs == 1 && (code.words() >= 1 || features.slots.count(SlotKind::Code) >= 2);
        features.code_family = features.has_code.then(|| code.family()).flatten();
        features.maths_signs = found.maths_signs;
        if found.foreign_bytes > 0 {
            let words = found.tokens.iter().filter(|token| token.kind == Kind::Word);
            let letters: u32 = words.map(|word| word.end - word.start).sum();
            features.foreign = if letters == 0 { 0.0 } else { found.foreign_bytes as f32 / letters as f32 };
        }
        features.signs.insert_str(0, &found.signs.finish());
        let asks = intent.asks();
        features.signature = signature.finish(features.negations % 2 == 1, features.antonym_sides, asks);
        features
    }
}

#[cfg(test)]
mod tests;
