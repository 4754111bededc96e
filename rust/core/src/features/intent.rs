//! What a text wants: how it asks, what it orders, which tasks it names, which family its code is of.

use super::lexicon::flag;

/// How a text asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuestionType {
    /// It does not.
    #[default]
    None,
    /// "Is it ...", "Can I ...".
    YesNo,
    /// "What".
    What,
    /// "Who", "whom", "whose".
    Who,
    /// "When", "how long", "how often".
    When,
    /// "Where".
    Where,
    /// "Which".
    Which,
    /// "Why".
    Why,
    /// "How".
    How,
    /// "How many", "how much".
    HowMany,
}

impl QuestionType {
    /// All kinds, in order.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::YesNo,
        Self::What,
        Self::Who,
        Self::When,
        Self::Where,
        Self::Which,
        Self::Why,
        Self::How,
        Self::HowMany,
    ];

    /// The name that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::YesNo => "yes_no",
            Self::What => "what",
            Self::Who => "who",
            Self::When => "when",
            Self::Where => "where",
            Self::Which => "which",
            Self::Why => "why",
            Self::How => "how",
            Self::HowMany => "how_many",
        }
    }

    fn of(word: &str) -> Self {
        let word = ["'s", "’s"].iter().find_map(|is| word.strip_suffix(is)).unwrap_or(word);
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        match word.len() {
            3 if is("who") => Self::Who,
            3 if is("why") => Self::Why,
            3 if is("how") => Self::How,
            4 if is("what") => Self::What,
            4 if is("when") => Self::When,
            4 if is("whom") => Self::Who,
            5 if is("where") => Self::Where,
            5 if is("which") => Self::Which,
            5 if is("whose") => Self::Who,
            _ => Self::None,
        }
    }
}

/// A task that a request can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Make it shorter.
    Summarise = 1,
    /// Into another language.
    Translate = 2,
    /// Take out what is asked.
    Extract = 4,
    /// Into one of several classes.
    Classify = 8,
    /// Say it otherwise.
    Rewrite = 16,
}

impl Task {
    /// All tasks, in order.
    pub const ALL: [Self; 5] = [Self::Summarise, Self::Translate, Self::Extract, Self::Classify, Self::Rewrite];

    /// The name that Python sees, and the lexicon uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summarise => "summarise",
            Self::Translate => "translate",
            Self::Extract => "extract",
            Self::Classify => "classify",
            Self::Rewrite => "rewrite",
        }
    }

    pub(super) fn bits(name: &str) -> u32 {
        Self::ALL.into_iter().find(|task| task.name() == name).map_or(0, |task| task as u32)
    }
}

/// Reads the words of a text in order.
#[derive(Debug, Default)]
pub struct Intent {
    /// Flags of the first word; none before it.
    opening: Option<u32>,
    first_kind: QuestionType,
    /// Whether the word before was "how".
    after_how: bool,
    /// Whether a verb here is no order: it neither begins a sentence nor follows "please", "and", "then", "to", "you".
    is_inside: bool,
    imperatives: usize,
}

impl Intent {
    /// The next word.
    #[inline]
    pub fn word<'a>(&mut self, word: impl Fn() -> &'a str, flags: u32) {
        if self.opening.is_none() {
            self.opening = Some(flags);
        }
        if self.after_how || flags & flag::QUESTION != 0 {
            self.question(word(), flags);
        }
        self.imperatives += usize::from(flags & flag::IMPERATIVE != 0 && !self.is_inside);
        self.is_inside = flags & flag::OPENER == 0;
    }

    /// Whether a word that stands in no list changes nothing.
    pub fn is_settled(&self) -> bool {
        self.is_inside && !self.after_how && self.opening.is_some()
    }

    fn question(&mut self, word: &str, flags: u32) {
        if self.after_how && self.first_kind == QuestionType::How {
            let is = |other: &str| word.eq_ignore_ascii_case(other);
            if is("many") || is("much") {
                self.first_kind = QuestionType::HowMany;
            } else if is("long") || is("often") {
                self.first_kind = QuestionType::When;
            }
        }
        self.after_how = false;
        if flags & flag::QUESTION != 0 && self.first_kind == QuestionType::None {
            self.first_kind = QuestionType::of(word);
            self.after_how = self.first_kind == QuestionType::How;
        }
    }

    /// The sentence ends.
    pub fn end_sentence(&mut self) {
        self.is_inside = false;
    }

    /// Whether the first word opens a question.
    pub fn opens_with_question(&self) -> bool {
        self.opening.is_some_and(|flags| flags & flag::QUESTION != 0)
    }

    /// How the text asks.
    pub fn question_type(&self, has_mark: bool) -> QuestionType {
        match self.first_kind {
            QuestionType::None if has_mark || self.opens_with_question() => QuestionType::YesNo,
            kind if has_mark || self.opens_with_question() => kind,
            _ => QuestionType::None,
        }
    }

    /// What is asked for, as a number: the same for an order, "can you", "how do I" and "what", for people ask for one thing
    /// in each of these forms; others for "why", "when", "who", "where", "how many", and for what is answered by yes or no.
    /// "So where is it" asks where, with or without a mark.
    pub fn asks(&self) -> u8 {
        match self.first_kind {
            QuestionType::None
                if self.opening.is_some_and(|flags| flags & (flag::QUESTION | flag::MODAL) == flag::QUESTION) =>
            {
                1
            }
            QuestionType::Why => 2,
            QuestionType::When => 3,
            QuestionType::Who => 4,
            QuestionType::Where => 5,
            QuestionType::HowMany => 6,
            _ => 0,
        }
    }

    /// Orders.
    pub fn imperatives(&self) -> usize {
        self.imperatives
    }
}

/// The families that words of code point to, and how many did.
#[derive(Debug, Default)]
pub struct CodeVotes {
    votes: [usize; FAMILIES.len()],
    words: usize,
}

const FAMILIES: [&str; 9] = ["python", "javascript", "rust", "c", "java", "sql", "shell", "html", "go"];

impl CodeVotes {
    /// A word of code.
    pub fn count(&mut self, family: &str) {
        self.words += 1;
        if let Some(at) = FAMILIES.iter().position(|name| *name == family) {
            self.votes[at] += 1;
        }
    }

    /// How many words of code there were.
    pub fn words(&self) -> usize {
        self.words
    }

    /// The family with most votes, the first of several.
    pub fn family(&self) -> Option<&'static str> {
        let best = self.votes.iter().max().copied().filter(|&votes| votes > 0)?;
        self.votes.iter().position(|&votes| votes == best).map(|at| FAMILIES[at])
    }
}
