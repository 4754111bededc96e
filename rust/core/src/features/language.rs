//! The language and script of a text, made on demand: no step of the path waits for it.
//!
//! whatlang decides by trigrams among 70 languages. Beside it, short words and letters vote on 28 of them: trigrams alone
//! take one Dutch sentence of seven for Afrikaans, one Spanish of fifteen for Portuguese. Figures, and how they were made:
//! `docs/algorithms/features.md`.

use std::collections::HashMap;
use std::sync::LazyLock;

use whatlang::Script;

/// Characters read: a language shows early, and time grows with every character.
const READ: usize = 1_000;

/// Points by which the votes for a language must lead those for the trigrams' choice. A word is two points, a letter that
/// is not in a language's alphabet two less. One to three were alike on the development half, five lost a point.
const LEAD: i32 = 2;

/// Least points, and least points a hundred words, where nobody votes on the trigrams' choice (Esperanto, Javanese).
const STRANGER: (i32, i32) = (4, 60);

/// The language of a text as its ISO 639-1 code (639-3 where there is none: `tuk`); `None` for a text without letters.
///
/// `frame` is in lower case. About 60 us for a sentence, at most 0.4 ms; right on 98 % of sentences of 50 characters or
/// more, and a guess on a few words.
pub fn language(frame: &str) -> Option<&'static str> {
    let text = frame.char_indices().nth(READ).map_or(frame, |(end, _)| &frame[..end]);
    let guess = code(whatlang::detect(text)?.lang().code());
    let votes = &*VOTES;
    let points = votes.points(text);
    let best = (0..points.len()).rev().max_by_key(|&at| points[at])?;
    let words = i32::try_from(text.split(' ').count()).unwrap_or(i32::MAX);
    let is_beaten = match votes.codes.iter().position(|&known| known == guess) {
        Some(at) => points[best] >= points[at] + LEAD,
        None => points[best] >= STRANGER.0 && 100 * points[best] >= STRANGER.1 * words,
    };
    Some(if is_beaten { votes.codes[best] } else { guess })
}

/// The script of most letters: `latin`, `cyrillic`, `han` ...; `None` for a text without letters. About 1 ns a character
/// of ASCII, 60 ns of any other.
pub fn script(text: &str) -> Option<&'static str> {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte.is_ascii_alphabetic()).then_some("latin");
    }
    Some(match whatlang::detect_script(text)? {
        Script::Arabic => "arabic",
        Script::Armenian => "armenian",
        Script::Bengali => "bengali",
        Script::Cyrillic => "cyrillic",
        Script::Devanagari => "devanagari",
        Script::Ethiopic => "ethiopic",
        Script::Georgian => "georgian",
        Script::Greek => "greek",
        Script::Gujarati => "gujarati",
        Script::Gurmukhi => "gurmukhi",
        Script::Hangul => "hangul",
        Script::Hebrew => "hebrew",
        Script::Hiragana => "hiragana",
        Script::Kannada => "kannada",
        Script::Katakana => "katakana",
        Script::Khmer => "khmer",
        Script::Latin => "latin",
        Script::Malayalam => "malayalam",
        Script::Mandarin => "han",
        Script::Myanmar => "myanmar",
        Script::Oriya => "oriya",
        Script::Sinhala => "sinhala",
        Script::Tamil => "tamil",
        Script::Telugu => "telugu",
        Script::Thai => "thai",
    })
}

/// The two-letter code of a three-letter one.
fn code(long: &'static str) -> &'static str {
    const CODES: &str = "afr af aka ak amh am ara ar aze az bel be ben bn bul bg cat ca ces cs cmn zh cym cy dan da deu de \
        ell el eng en epo eo est et fin fi fra fr guj gu heb he hin hi hrv hr hun hu hye hy ind id ita it jav jv jpn ja kan \
        kn kat ka khm km kor ko lat la lav lv lit lt mal ml mar mr mkd mk mya my nep ne nld nl nob nb ori or pan pa pes fa \
        pol pl por pt ron ro rus ru sin si slk sk slv sl sna sn spa es srp sr swe sv tam ta tel te tgl tl tha th tuk tk tur \
        tr ukr uk urd ur uzb uz vie vi yid yi zul zu";
    let mut words = CODES.split_ascii_whitespace();
    while let (Some(known), Some(short)) = (words.next(), words.next()) {
        if known == long {
            return short;
        }
    }
    long
}

/// Languages as bits, by word and by letter.
struct Votes {
    codes: Vec<&'static str>,
    words: HashMap<&'static str, u32>,
    letters: HashMap<char, u32>,
}

static VOTES: LazyLock<Votes> = LazyLock::new(|| {
    let mut votes = Votes { codes: Vec::new(), words: HashMap::new(), letters: HashMap::new() };
    for line in include_str!("lexicon/languages.txt").lines().filter(|line| !line.starts_with('#')) {
        let (words, letters) = line.split_once(" | ").unwrap_or((line, ""));
        let bit = 1 << votes.codes.len();
        let mut words = words.split(' ');
        votes.codes.extend(words.next());
        words.for_each(|word| *votes.words.entry(word).or_default() |= bit);
        letters.chars().for_each(|letter| *votes.letters.entry(letter).or_default() |= bit);
    }
    debug_assert!(votes.codes.len() <= 32, "32 bits hold 32 languages");
    votes
});

impl Votes {
    /// Points of each language.
    fn points(&self, text: &str) -> Vec<i32> {
        let mut points = vec![0; self.codes.len()];
        let mut add = |bits: u32, value: i32| {
            points
                .iter_mut()
                .enumerate()
                .filter(|&(at, _)| bits >> at & 1 == 1)
                .for_each(|(_, points)| *points += value);
        };
        for word in text.split(|c: char| !(c.is_alphabetic() || c == '\'')) {
            add(self.words.get(word).copied().unwrap_or(0), 2);
        }
        for letter in text.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()) {
            add(!self.letters.get(&letter).copied().unwrap_or(0), -2);
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_languages_are_told_apart() {
        for (text, expected) in [
            ("where is my order, it should have been here yesterday", "en"),
            ("waar is mijn bestelling, die had hier gisteren al moeten zijn", "nl"),
            ("wo ist meine bestellung, sie hätte gestern hier sein sollen", "de"),
            ("¿dónde está mi pedido? tendría que haber llegado ayer", "es"),
            ("onde está a minha encomenda? já devia ter chegado ontem", "pt"),
            ("où est ma commande, elle aurait dû être là hier", "fr"),
            ("siparişim nerede, dün burada olması gerekiyordu", "tr"),
            ("где мой заказ, он должен был прийти ещё вчера", "ru"),
            ("де моє замовлення, воно мало бути тут ще вчора", "uk"),
            ("注文した商品はどこですか", "ja"),
            ("我的订单在哪里", "zh"),
            ("제 주문은 어디에 있나요", "ko"),
        ] {
            assert_eq!(language(text), Some(expected), "{text}");
        }
        assert_eq!((language(""), language("12 + 30")), (None, None));
    }

    #[test]
    fn every_listed_language_is_one_that_can_be_guessed() {
        for listed in &VOTES.codes {
            assert!(whatlang::Lang::all().iter().any(|lang| code(lang.code()) == *listed), "{listed}");
        }
        assert!(whatlang::Lang::all().iter().all(|lang| code(lang.code()).len() == 2));
    }

    #[test]
    fn a_long_text_is_read_at_its_beginning() {
        let text =
            format!("{}{}", "it is what it is and the rest of it too ".repeat(30), "ja das ist nicht ".repeat(300));
        assert_eq!(language(&text), Some("en"));
    }

    #[test]
    fn the_script_is_that_of_most_letters() {
        for (text, expected) in
            [("abc", Some("latin")), ("Привет, world и мир", Some("cyrillic")), ("漢字", Some("han")), ("12 €", None)]
        {
            assert_eq!(script(text), expected, "{text}");
        }
    }
}
