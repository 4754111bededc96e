//! Estimates for models whose tokenizer is not shipped: our count times a ratio by script and by prose, code or data.
//!
//! The ratios were measured on the corpus in docs/algorithms/tokens.md: those of the open models against their published
//! tokenizers, those of Claude against the reconstruction `ctok` 1.3.0, those of Gemini against gemma3. A ratio is of the
//! content only. Their own tokenizers, and counts that learn from a provider's `usage`, would replace [`ratio`] alone.

use super::models::Family;
use super::request::TokenCount;

/// What kind of text a stretch is; the order of the columns below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prose,
    Code,
    Data,
    /// Latin script with accents: German, Turkish, French.
    Accented,
    Chinese,
    Japanese,
    Korean,
    Arabic,
    Hebrew,
    Cyrillic,
    Greek,
    Brahmic,
    Symbol,
}

const KINDS: usize = 13;

/// Bytes of a kind that o200k takes one token for, to weigh stretches of a mixed text by.
const BYTES_PER_TOKEN: [f64; KINDS] = [4.3, 4.1, 3.5, 4.0, 4.0, 4.0, 4.2, 5.3, 4.6, 6.8, 5.2, 4.9, 2.8];

/// Tokens of a model's own tokenizer for one of ours, by kind, and how far off the total may be.
struct Ratios {
    per_kind: [f64; KINDS],
    /// The share by which the true count exceeded the estimate at most on the corpus, rounded up.
    band: f64,
    how: &'static str,
}

const CLAUDE: Ratios = Ratios {
    per_kind: [1.10, 1.26, 1.30, 1.49, 1.42, 1.24, 1.73, 1.91, 1.91, 1.53, 1.60, 1.66, 1.50],
    band: 0.15,
    how: "o200k_base x measured ratio (Claude 3 to 4.6)",
};
const NEW_CLAUDE: Ratios = Ratios {
    per_kind: [1.47, 1.69, 1.55, 2.07, 1.53, 1.29, 1.81, 1.98, 1.98, 1.57, 1.70, 1.70, 1.70],
    band: 0.15,
    how: "o200k_base x measured ratio (Claude 4.7 and later)",
};
const GEMINI: Ratios = Ratios {
    per_kind: [1.05, 1.17, 1.30, 1.03, 0.94, 0.76, 1.06, 1.06, 1.13, 1.01, 1.10, 0.90, 0.90],
    band: 0.15,
    how: "o200k_base x measured ratio (Gemini)",
};
const LLAMA: Ratios = Ratios {
    per_kind: [1.00, 0.99, 1.00, 1.10, 1.04, 0.94, 1.04, 1.09, 2.31, 1.14, 1.08, 1.74, 1.19],
    band: 0.13,
    how: "o200k_base x measured ratio (Llama 3)",
};
const QWEN: Ratios = Ratios {
    per_kind: [1.01, 0.99, 1.07, 1.17, 0.90, 0.89, 1.12, 1.42, 1.01, 1.23, 2.34, 1.72, 0.93],
    band: 0.27,
    how: "o200k_base x measured ratio (Qwen 2.5)",
};
const DEEPSEEK: Ratios = Ratios {
    per_kind: [1.02, 1.07, 1.09, 1.28, 0.85, 0.89, 1.13, 1.18, 1.18, 1.11, 1.33, 1.29, 1.11],
    band: 0.10,
    how: "o200k_base x measured ratio (DeepSeek V3)",
};
const MISTRAL: Ratios = Ratios {
    per_kind: [1.03, 1.05, 1.13, 1.10, 1.22, 1.03, 0.97, 0.97, 1.16, 1.13, 1.07, 1.35, 1.54],
    band: 0.16,
    how: "o200k_base x measured ratio (Mistral Nemo)",
};
const UNKNOWN: Ratios = Ratios {
    per_kind: [1.05, 1.10, 1.15, 1.20, 1.10, 1.00, 1.15, 1.30, 1.40, 1.20, 1.30, 1.40, 1.20],
    band: 0.60,
    how: "o200k_base x a middle ratio (model unknown)",
};

fn ratios(family: Family) -> Option<&'static Ratios> {
    match family {
        Family::OpenAi { .. } => None,
        Family::Claude { is_new: false } => Some(&CLAUDE),
        Family::Claude { is_new: true } => Some(&NEW_CLAUDE),
        Family::Gemini => Some(&GEMINI),
        Family::Llama => Some(&LLAMA),
        Family::Qwen => Some(&QWEN),
        Family::DeepSeek => Some(&DEEPSEEK),
        Family::Mistral => Some(&MISTRAL),
        Family::Unknown => Some(&UNKNOWN),
    }
}

/// What the texts of a request are made of, in bytes.
#[derive(Debug, Clone, Default)]
pub struct Mixture {
    bytes: [f64; KINDS],
}

/// The ratio for a mixture, the share that it may be too low by, and where it comes from.
pub fn ratio(family: Family, mixture: &Mixture) -> Option<(f64, f64, &'static str)> {
    let ratios = ratios(family)?;
    let (mut ours, mut theirs) = (0.0, 0.0);
    for ((bytes, per_token), ratio) in mixture.bytes.iter().zip(BYTES_PER_TOKEN).zip(ratios.per_kind) {
        ours += bytes / per_token;
        theirs += bytes / per_token * ratio;
    }
    let ratio = if ours > 0.0 { theirs / ours } else { ratios.per_kind[0] };
    Some((ratio, ratios.band, ratios.how))
}

impl Mixture {
    /// Adds a text. One pass over its bytes.
    pub fn add(&mut self, text: &str) {
        let (mut plain, mut letters, mut symbols, mut quotes, mut accented, mut kana) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        let mut others = [0.0; KINDS];
        for character in text.chars() {
            let code = u32::from(character);
            if code < 0x80 {
                plain += 1.0;
                match character {
                    'a'..='z' | 'A'..='Z' => letters += 1.0,
                    '"' => quotes += 1.0,
                    '{' | '}' | '(' | ')' | '[' | ']' | ';' | '=' | '<' | '>' | '_' | '/' | '\\' | '*' | '&' | '|'
                    | '#' | '+' => {
                        symbols += 1.0;
                    }
                    _ => {}
                }
                continue;
            }
            let bytes = character.len_utf8() as f64;
            let kind = match code {
                0xC0..=0x24F | 0x1E00..=0x1EFF => {
                    accented += 1.0;
                    Kind::Accented
                }
                0x370..=0x3FF | 0x1F00..=0x1FFF => Kind::Greek,
                0x400..=0x52F => Kind::Cyrillic,
                0x590..=0x5FF => Kind::Hebrew,
                0x600..=0x8FF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC => Kind::Arabic,
                0x900..=0x109F | 0x1780..=0x17FF => Kind::Brahmic,
                0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7AF => Kind::Korean,
                0x3040..=0x30FF => {
                    kana += 1.0;
                    Kind::Japanese
                }
                0x3000..=0x303F | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0xFF00..=0xFFEF => Kind::Chinese,
                _ => Kind::Symbol,
            };
            others[kind as usize] += bytes;
        }
        // Han among kana is Japanese.
        if kana * 30.0 > others[Kind::Chinese as usize] {
            others[Kind::Japanese as usize] += std::mem::take(&mut others[Kind::Chinese as usize]);
        }
        let foreign: f64 = others.iter().sum();
        // Among another script, blanks and full stops go with its words.
        let ascii = if foreign > letters { letters } else { plain };
        let in_ascii = if quotes > 0.04 * plain && symbols < 0.12 * plain {
            Kind::Data
        } else if symbols + quotes > 0.05 * plain {
            Kind::Code
        } else if accented > 0.006 * letters {
            Kind::Accented
        } else {
            Kind::Prose
        };
        others[in_ascii as usize] += ascii;
        for (total, bytes) in self.bytes.iter_mut().zip(others) {
            *total += bytes;
        }
    }
}

/// Counts a text for any model: exactly where its tokenizer is shipped, else by ratio.
///
/// `upper` holds for every file of the corpus that the ratios were measured on; it is no guarantee.
pub fn estimate_text(text: &str, model: &str) -> TokenCount {
    let family = Family::of(model);
    let encoding = family.encoding();
    let tokens = encoding.count(text);
    let mut mixture = Mixture::default();
    if !matches!(family, Family::OpenAi { .. }) {
        mixture.add(text);
    }
    TokenCount::of_text(tokens, encoding.name(), ratio(family, &mixture))
}
