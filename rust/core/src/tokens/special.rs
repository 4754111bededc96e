//! Special tokens: strings that stand for one token where the caller allows them, and are ordinary text everywhere else.

use std::borrow::Cow;

/// The special tokens of an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `o200k_base`.
    O200k,
    /// `o200k_harmony`, the format of gpt-oss.
    Harmony,
    /// `cl100k_base`.
    Cl100k,
}

/// Which special tokens of a text count as special. The default is none: what a user typed is text.
#[derive(Debug, Clone, Default)]
pub enum Specials {
    /// All of the text is ordinary.
    #[default]
    None,
    /// Every special token of the encoding.
    All,
    /// These strings, where they are special tokens of the encoding.
    Only(Vec<String>),
}

const O200K: &[(&str, u32)] = &[("<|endoftext|>", 199_999), ("<|endofprompt|>", 200_018)];

const CL100K: &[(&str, u32)] = &[
    ("<|endoftext|>", 100_257),
    ("<|fim_prefix|>", 100_258),
    ("<|fim_middle|>", 100_259),
    ("<|fim_suffix|>", 100_260),
    ("<|endofprompt|>", 100_276),
];

/// All other ids from 200,000 to 201,087 are `<|reserved_ID|>`.
const HARMONY: &[(&str, u32)] = &[
    ("<|startoftext|>", 199_998),
    ("<|endoftext|>", 199_999),
    ("<|return|>", 200_002),
    ("<|constrain|>", 200_003),
    ("<|channel|>", 200_005),
    ("<|start|>", 200_006),
    ("<|end|>", 200_007),
    ("<|message|>", 200_008),
    ("<|call|>", 200_012),
    // tiktoken 0.14 gives this id a second name, `<|reserved_200018|>`; it decodes to this one.
    ("<|endofprompt|>", 200_018),
];

const RESERVED: std::ops::Range<u32> = 200_000..201_088;

/// Every special token begins and ends with these.
const OPEN: &str = "<|";
const CLOSE: &str = "|>";

impl Table {
    fn named(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::O200k => O200K,
            Self::Harmony => HARMONY,
            Self::Cl100k => CL100K,
        }
    }

    /// The token of a special string.
    pub fn id(self, name: &str) -> Option<u32> {
        if let Some(&(_, id)) = self.named().iter().find(|(known, _)| *known == name) {
            return Some(id);
        }
        if self != Self::Harmony {
            return None;
        }
        let digits = name.strip_prefix("<|reserved_")?.strip_suffix(CLOSE)?;
        let id: u32 = digits.parse().ok()?;
        (self.name(id)? == name || (id == 200_018 && digits == "200018")).then_some(id)
    }

    /// The string of a special token.
    pub fn name(self, id: u32) -> Option<Cow<'static, str>> {
        if let Some(&(name, _)) = self.named().iter().find(|&&(_, known)| known == id) {
            return Some(Cow::Borrowed(name));
        }
        (self == Self::Harmony && RESERVED.contains(&id)).then(|| Cow::Owned(format!("<|reserved_{id}|>")))
    }

    /// All special strings.
    pub fn names(self) -> Vec<Cow<'static, str>> {
        let named = self.named().iter().map(|&(name, _)| Cow::Borrowed(name));
        let reserved = RESERVED.filter_map(|id| {
            let name = format!("<|reserved_{id}|>");
            self.id(&name).map(|_| Cow::Owned(name))
        });
        named.chain(reserved).collect()
    }

    /// The first special token of `text` at `from` or later that is allowed: where it begins and ends, and its id.
    pub fn find(self, text: &str, from: usize, allowed: &Specials) -> Option<(usize, usize, u32)> {
        if matches!(allowed, Specials::None) {
            return None;
        }
        let mut start = from;
        loop {
            start += text.get(start..)?.find(OPEN)?;
            // No special token is longer than `<|reserved_200000|>`, and `<|` inside one would begin another.
            let close = text[start..].find(CLOSE).map(|at| start + at + CLOSE.len());
            if let Some(end) = close
                && let Some(id) = self.id(&text[start..end])
                && match allowed {
                    Specials::None => false,
                    Specials::All => true,
                    Specials::Only(names) => names.iter().any(|name| *name == text[start..end]),
                }
            {
                return Some((start, end, id));
            }
            close?;
            start += OPEN.len();
        }
    }
}
