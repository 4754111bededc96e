use proptest::prelude::*;

use super::*;

fn embedder() -> Arc<StaticEmbedder> {
    StaticEmbedder::shipped().unwrap()
}

fn cosine(one: &str, other: &str) -> f32 {
    let (one, other) = (embedder().embed(one), embedder().embed(other));
    one.vector.iter().zip(&other.vector).map(|(a, b)| a * b).sum()
}

fn ids(text: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    embedder().wordpiece().each(text, |piece| ids.push(piece.id));
    ids
}

/// The obvious way: pieces as words, longest first, one `HashMap`, on text that is cut beforehand.
fn slow_word(vocabulary: &std::collections::HashMap<&str, u32>, word: &str) -> Vec<u32> {
    let chars: Vec<char> = word.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    if chars.len() > 100 {
        return vec![UNKNOWN];
    }
    while at < chars.len() {
        let spelt = (at + 1..=chars.len()).rev().find_map(|end| {
            let body: String = chars[at..end].iter().collect();
            let piece = if at > 0 { format!("##{body}") } else { body };
            vocabulary.get(piece.as_str()).map(|&id| (id, end))
        });
        let Some((id, end)) = spelt else { return vec![UNKNOWN] };
        found.push(id);
        at = end;
    }
    found
}

#[test]
fn pieces_are_those_of_the_reference() {
    // Made with Hugging Face tokenizers 0.22 from the teacher's tokenizer.json.
    for (text, expected) in [
        ("How do I reset my password?", vec![2129, 2079, 1045, 25141, 2026, 20786, 1029]),
        ("unaffable Café, naïve!", vec![14477, 20961, 3468, 7668, 1010, 15743, 999]),
        ("日本語 abc", vec![1864, 1876, 1950, 5925]),
        ("\u{1f600} $5.00\u{7}\u{0}x", vec![100, 1002, 1019, 1012, 4002, 2595]),
        ("C++ vs C#", vec![1039, 1009, 1009, 5443, 1039, 1001]),
        ("İstanbul’s ﬁne", vec![9960, 1521, 1055, 1984, 2638]),
        ("  \t\r\n ", vec![]),
    ] {
        assert_eq!(ids(text), expected, "{text:?}");
    }
    assert_eq!(ids(&"a".repeat(101)), vec![UNKNOWN]);
}

#[test]
fn the_model_file_is_read_or_refused() {
    for cut in [0, 7, 8, 30, 1000, SHIPPED.len() - 1] {
        assert!(StaticEmbedder::new(&SHIPPED[..cut]).is_err(), "{cut}");
    }
    let mut newer = SHIPPED.to_vec();
    newer[8] = 99;
    let refused = StaticEmbedder::new(Vec::leak(newer)).unwrap_err();
    assert!(refused.to_string().contains("schema 99"));
    assert!(SHIPPED.len() <= 6_000_000);
}

#[test]
fn meaning_brings_texts_together() {
    let near = cosine("I forgot my password", "how can I reset my login credentials");
    let far = cosine("I forgot my password", "what is the weather in Oslo tomorrow");

    assert!(near > far + 0.2, "{near} {far}");
}

#[test]
fn texts_of_signs_and_other_scripts_stay_apart() {
    for (one, other) in
        [("C", "C++"), ("C", "C#"), ("C++", "C#"), ("猫", "犬"), ("スキー", "テニス"), ("привет", "пока")]
    {
        let cosine = cosine(one, other);
        assert!(cosine < 0.95, "{one} {other} {cosine}");
    }
}

#[test]
fn coverage_tells_english_from_the_rest() {
    let coverage = |text| embedder().embed(text).coverage;

    assert!(coverage("Where is my order?") > 0.99);
    assert!(coverage("Wo bleibt meine Bestellung, bitteschön?") < 0.8);
    assert!(coverage("注文はどこですか") < 0.2);
    assert!(coverage("??? !!!") < 0.01 && coverage("") < 0.01);
}

#[test]
fn nothing_gives_zeros() {
    assert!(embedder().embed("").is_empty() && embedder().embed(" \u{1}").is_empty());
}

#[test]
fn every_piece_of_the_vocabulary_is_found() {
    let embedder = embedder();
    let pieces = embedder.wordpiece();
    for id in 1000..pieces.len() {
        let text = pieces.text_of(id);
        if text.is_ascii() && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
            assert_eq!(ids(text), vec![u32::try_from(id).unwrap()], "{text}");
        }
    }
}

proptest! {
    #[test]
    fn the_vector_is_the_normalised_sum_of_its_rows(text in "[a-zA-Z0-9 .,?!'#é日-]{0,80}") {
        let embedder = embedder();
        let mut sum = vec![0.0f64; embedder.dim()];
        embedder.wordpiece().each(&text, |piece| {
            let mut row = vec![0.0f32; embedder.dim()];
            if piece.id == UNKNOWN {
                embedder.add_unknown(piece.word, &mut row);
            } else {
                let (scale, packed) = embedder.model.row(piece.id as usize);
                Adder::portable().add4(&mut row, scale, packed);
            }
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        });
        let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        let found = embedder.embed(&text).vector;
        for (found, sum) in found.iter().zip(sum) {
            let expected = if norm > 0.0 { sum / norm } else { 0.0 };
            prop_assert!((f64::from(*found) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn words_are_spelt_longest_piece_first(words in proptest::collection::vec("[a-z0-9]{1,24}|[a-zäöüßéñ]{1,12}", 0..6)) {
        let embedder = embedder();
        let pieces = embedder.wordpiece();
        let vocabulary = (0..pieces.len()).map(|id| (pieces.text_of(id), u32::try_from(id).unwrap())).collect();
        let plain = |word: &str| -> String {
            use unicode_normalization::UnicodeNormalization as _;
            word.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).collect()
        };
        let expected: Vec<u32> = words.iter().flat_map(|word| slow_word(&vocabulary, &plain(word))).collect();
        prop_assert_eq!(ids(&words.join(" ")), expected);
    }

    #[test]
    fn any_text_is_taken_and_what_came_before_leaves_no_trace(before in any::<String>(), text in any::<String>()) {
        let first = embedder().embed(&text);
        let _ = embedder().embed(&before);
        prop_assert_eq!(embedder().embed(&text), first);
    }
}
