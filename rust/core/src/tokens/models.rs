//! Which encoding a model has, or how far its own tokenizer is from one that we have.

use super::encoding::Encoding;

/// A maker of models, as far as counting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Shipped encoding. `is_framed`: the chat framing is published and was checked against the API (gpt-3.5 to gpt-4.1).
    OpenAi { encoding: &'static str, is_framed: bool },
    /// `is_new`: Opus 4.7, Sonnet 5 and later, which have another tokenizer.
    Claude { is_new: bool },
    /// Gemini and Gemma.
    Gemini,
    /// Llama 3 and later.
    Llama,
    /// Qwen 2.5 and later.
    Qwen,
    /// `DeepSeek` V3 and later.
    DeepSeek,
    /// Mistral's tekken.
    Mistral,
    /// Anything else.
    Unknown,
}

impl Family {
    /// The family of a model name; a provider in front (`openai/gpt-4o`) is skipped.
    pub fn of(model: &str) -> Self {
        let name = bare(model);
        if let Some((encoding, is_framed)) = openai(name) {
            return Self::OpenAi { encoding, is_framed };
        }
        let has = |part: &str| name.contains(part);
        if has("claude") {
            return Self::Claude { is_new: is_new_claude(name) };
        }
        match () {
            () if has("gemini") || has("gemma") => Self::Gemini,
            () if has("llama") => Self::Llama,
            () if has("qwen") || has("qwq") => Self::Qwen,
            () if has("deepseek") => Self::DeepSeek,
            () if has("mistral") || has("mixtral") || has("codestral") || has("ministral") || has("devstral") => {
                Self::Mistral
            }
            () => Self::Unknown,
        }
    }

    /// The encoding that texts are counted in.
    pub fn encoding(self) -> &'static Encoding {
        let name = match self {
            Self::OpenAi { encoding, .. } => encoding,
            _ => "o200k_base",
        };
        // Every name in this file is shipped; a test says so.
        Encoding::get(name).unwrap_or_else(|_| Encoding::first())
    }
}

/// A model name in lower case needs no copy; others are compared as they are. Without the provider in front of it.
pub(super) fn bare(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// Encodings by the beginning of a name, the more particular first, as in tiktoken 0.14.
const OPENAI: &[(&str, &str, bool)] = &[
    ("gpt-5", "o200k_base", false),
    ("gpt-4o", "o200k_base", true),
    ("gpt-4.1", "o200k_base", true),
    ("gpt-4.5", "o200k_base", true),
    ("chatgpt-4o", "o200k_base", true),
    ("gpt-oss", "o200k_harmony", false),
    ("o1", "o200k_base", false),
    ("o3", "o200k_base", false),
    ("o4-mini", "o200k_base", false),
    ("gpt-4", "cl100k_base", true),
    ("gpt-3.5", "cl100k_base", true),
    ("gpt-35-turbo", "cl100k_base", true),
    ("davinci-002", "cl100k_base", false),
    ("babbage-002", "cl100k_base", false),
    ("text-embedding-ada-002", "cl100k_base", false),
    ("text-embedding-3-small", "cl100k_base", false),
    ("text-embedding-3-large", "cl100k_base", false),
];

fn openai(name: &str) -> Option<(&'static str, bool)> {
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let starts = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    OPENAI.iter().find(|(prefix, ..)| starts(prefix)).map(|&(_, encoding, is_framed)| (encoding, is_framed))
}

/// Whether the name is of Claude 4.7 or later: the first number of the name that can be a version is read as one.
fn is_new_claude(name: &str) -> bool {
    let mut numbers = name.split(['-', '.', '@', '_', ':']).filter_map(|part| {
        // A date such as 20250929 is no version.
        (part.len() <= 2).then(|| part.parse::<u32>().ok()).flatten()
    });
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= (4, 7)
}

/// The encoding of a model whose tokenizer is shipped.
pub fn encoding_for_model(model: &str) -> Option<&'static Encoding> {
    match Family::of(model) {
        Family::OpenAi { encoding, .. } => Encoding::get(encoding).ok(),
        _ => None,
    }
}
