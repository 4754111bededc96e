//! The fast ways against the obvious ones. Counts against tiktoken itself: `tests/reference/test_tokens_reference.py`.

use proptest::prelude::*;

use super::classes::class_at;
use super::json::Body;
use super::memo;
use super::models::Family;
use super::pattern::{Cl100k, O200k, Pattern};
use super::simd;
use super::vocabulary::{CL100K_BASE, O200K_BASE, Vocabulary};
use super::window::Sink;
use super::*;

/// Fragments that meet at every kind of boundary that the patterns know.
const FRAGMENTS: &[&str] = &[
    "a",
    "B",
    "s",
    "S",
    "t",
    "re",
    "LL",
    "ve",
    "'",
    "'s",
    "'T",
    "\u{2019}",
    "1",
    "23",
    "4567",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "/",
    "//",
    ".",
    "!?",
    "_",
    "-",
    "é",
    "É",
    "ǅ",
    "ʰ",
    "中",
    "文字",
    "ｱ",
    "\u{301}",
    "½",
    "٣",
    "\u{a0}",
    "\u{3000}",
    "\u{2028}",
    "\u{85}",
    "\u{200b}",
    "🙂",
    "👨\u{200d}👩",
    "ſ",
    "ก",
    "हि",
    "한",
    "İ",
    "<|endoftext|>",
    "Hello",
    "World",
    "\0",
    "Ж",
    "слово",
    "          ",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "----------------------------------------------------------------------------------",
];

fn mixes(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(FRAGMENTS), 0..most).prop_map(|parts| parts.concat())
}

/// Collects where pieces end.
#[derive(Default)]
struct Ends(Vec<usize>);

impl Sink for Ends {
    fn piece(&mut self, _: &[u8], start: usize, end: usize) {
        self.0.push(self.0.last().copied().unwrap_or(0) + end - start);
    }
}

fn ends_by_matcher<P: Pattern>(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    while ends.last().copied().unwrap_or(0) < text.len() {
        ends.push(P::next(text.as_bytes(), ends.last().copied().unwrap_or(0)));
    }
    ends
}

fn ends_by<P: Pattern>(path: Path, text: &str) -> Vec<usize> {
    let mut ends = Ends::default();
    simd::cut::<P>(path, text.as_bytes(), &mut ends);
    ends.0
}

/// The count as the definition has it: the matcher's pieces, their merges run one by one.
fn count_by_definition<P: Pattern>(vocabulary: &Vocabulary, text: &str) -> usize {
    let mut start = 0;
    ends_by_matcher::<P>(text)
        .into_iter()
        .map(|end| {
            let piece = &text.as_bytes()[start..end];
            start = end;
            vocabulary.merge_by_heap(piece).len()
        })
        .sum()
}

pub(super) fn all_encodings() -> impl Iterator<Item = &'static Encoding> {
    Encoding::names().map(|name| Encoding::get(name).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 4_000 }))]

    #[test]
    fn every_path_cuts_as_the_matcher_does(text in mixes(60)) {
        for &path in Path::available() {
            prop_assert_eq!(ends_by::<O200k>(path, &text), ends_by_matcher::<O200k>(&text), "o200k on {:?}", path);
            prop_assert_eq!(ends_by::<Cl100k>(path, &text), ends_by_matcher::<Cl100k>(&text), "cl100k on {:?}", path);
        }
    }

    #[test]
    fn ascii_is_cut_alike_on_every_path(
        text in prop_oneof!["[ab A'st\\n\\r\\t/.1_]{0,200}", "[ab A's\\n\\r\\t/.1é\u{a0}中\u{301}]{0,200}", "[ \\n\\t\u{a0}]{0,200}"],
    ) {
        for &path in Path::available() {
            prop_assert_eq!(ends_by::<O200k>(path, &text), ends_by_matcher::<O200k>(&text), "o200k on {:?}", path);
            prop_assert_eq!(ends_by::<Cl100k>(path, &text), ends_by_matcher::<Cl100k>(&text), "cl100k on {:?}", path);
        }
    }

    #[test]
    fn every_path_counts_what_the_merges_give(text in prop_oneof![mixes(40), any::<String>()]) {
        let o200k = count_by_definition::<O200k>(&O200K_BASE, &text);
        let cl100k = count_by_definition::<Cl100k>(&CL100K_BASE, &text);
        for &path in Path::available() {
            prop_assert_eq!(Encoding::get("o200k_base").unwrap().count_by(path, &text), o200k);
            prop_assert_eq!(Encoding::get("cl100k_base").unwrap().count_by(path, &text), cl100k);
        }
    }

    #[test]
    fn long_pieces_merge_as_their_definition_says(
        piece in prop_oneof!["[a-z]{1,300}", "[-=]{1,700}", "[ab]{1,400}", "-{0,600}[a-z]{0,40}=*{0,600}", "[一-龥]{1,120}"],
    ) {
        for (number, vocabulary) in [&O200K_BASE, &CL100K_BASE].into_iter().enumerate() {
            let expected = vocabulary.merge_by_heap(piece.as_bytes());
            memo::with(number, |memo| {
                if !piece.is_empty() {
                    vocabulary.merge(piece.as_bytes(), memo);
                    assert_eq!(memo.stack, expected);
                    vocabulary.merge_by_chunks(piece.as_bytes(), memo);
                    assert_eq!(memo.stack, expected);
                }
            });
        }
    }

    #[test]
    fn encoding_and_decoding_give_the_text_back(text in prop_oneof![mixes(40), any::<String>()]) {
        for encoding in all_encodings() {
            let tokens = encoding.encode(&text);
            prop_assert_eq!(tokens.len(), encoding.count(&text));
            prop_assert_eq!(encoding.decode_bytes(&tokens).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_bounded_count_is_the_count_or_none(text in mixes(60), limit in 0usize..80) {
        for encoding in all_encodings() {
            let count = encoding.count(&text);
            prop_assert_eq!(encoding.count_up_to(&text, limit), (count <= limit).then_some(count));
        }
    }

    #[test]
    fn a_truncated_text_is_a_part_within_the_limit(text in mixes(60), most in 0usize..40) {
        for encoding in all_encodings() {
            let start = encoding.truncate(&text, most, Keep::Start);
            let end = encoding.truncate(&text, most, Keep::End);
            let middle = encoding.truncate(&text, most, Keep::Middle);
            prop_assert!(text.starts_with(start) && text.ends_with(end) && text.contains(middle));
            for part in [start, end, middle] {
                prop_assert!(encoding.count(part) <= most);
            }
            if encoding.count(&text) <= most {
                prop_assert_eq!((start, end, middle), (&text[..], &text[..], &text[..]));
            }
        }
    }

    #[test]
    fn chunks_cover_the_text_within_the_limit(text in mixes(60), most in 8usize..30, overlap in 0usize..7) {
        for encoding in all_encodings() {
            let chunks = encoding.split(&text, most, overlap).unwrap();
            let mut covered = 0;
            for chunk in &chunks {
                prop_assert!(chunk.start <= covered && chunk.end > covered);
                prop_assert!(overlap > 0 || chunk.start == covered);
                prop_assert!(encoding.count(&text[chunk.clone()]) <= most);
                covered = chunk.end;
            }
            prop_assert_eq!(covered, text.len());
        }
    }

    #[test]
    fn json_reads_as_serde_reads_it(body in ".{0,40}|[\\[\\]{}:,\"\\\\ unlt1e.-]{0,30}") {
        let ours = Body::read(body.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&body);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} against {:?}", ours, theirs);
    }

    #[test]
    fn json_strings_come_back_unescaped(text in any::<String>()) {
        let body = serde_json::to_string(&[&text]).unwrap();
        let read = Body::read(body.as_bytes()).unwrap();
        prop_assert_eq!(read.root().items().next().unwrap().text().unwrap(), &text);
        let mut written = String::new();
        read.root().write(&mut written);
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(&written).unwrap(), vec![text]);
    }

    #[test]
    fn any_bytes_are_a_request_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = count_request(&body, "gpt-4o");
    }
}

#[test]
fn each_token_encodes_to_itself_when_its_bytes_are_one_piece() {
    for vocabulary in [&O200K_BASE, &CL100K_BASE] {
        for token in (0..).step_by(if cfg!(debug_assertions) { 97 } else { 1 }) {
            let Some(bytes) = vocabulary.token(token) else { break };
            assert_eq!(vocabulary.merge_by_heap(bytes), [token]);
        }
    }
}

#[test]
fn counts_known_from_tiktoken() {
    // Text, then its counts in o200k_base and cl100k_base by tiktoken 0.14.
    let known = [
        ("", 0, 0),
        ("hello world", 2, 2),
        ("How do I reset my password?", 7, 7),
        ("don't DON'T we'LL 'ſ", 7, 10),
        ("  \n  a", 3, 3),
        ("1234567", 3, 3),
        ("<|endoftext|>", 7, 7),
        ("中文字符测试", 3, 4),
    ];
    for (text, o200k, cl100k) in known {
        assert_eq!(Encoding::get("o200k_base").unwrap().count(text), o200k, "{text:?}");
        assert_eq!(Encoding::get("cl100k_base").unwrap().count(text), cl100k, "{text:?}");
    }
}

#[test]
fn hostile_texts_take_linear_time_and_do_not_panic() {
    let million = 200_000;
    for text in [
        "-".repeat(million),
        " ".repeat(million),
        "\n".repeat(million),
        "=-".repeat(million / 2),
        "é".repeat(million / 2),
    ] {
        for encoding in all_encodings() {
            let short = encoding.count(&text[..text.len() / 10]);
            let long = encoding.count(&text);
            // Proportional, but for what is left over.
            assert!(long.abs_diff(short * 10) <= 20, "{long} is not ten times {short}");
        }
    }
}

#[test]
fn a_pieces_class_follows_unicode_16() {
    // U+1C89 and U+A7DC are letters since 16.0; U+A7CE and U+088F are since 17.0, so here they are unassigned.
    let class = |character: char| class_at(character.to_string().as_bytes(), 0).0;
    assert_eq!(class('\u{1C89}'), super::classes::UPPER);
    assert_eq!(class('\u{A7DC}'), super::classes::UPPER);
    assert_eq!(class('\u{088F}'), super::classes::OTHER);
    assert_eq!(class('\u{A7CE}'), super::classes::OTHER);
}

#[test]
fn white_space_after_a_newline_may_go_on_beyond_ascii() {
    // Found by `every_path_cuts_as_the_matcher_does`: the run ended in U+00A0, and the window had cut behind the newline.
    for tail in ["\u{a0}", "\u{a0}\n", "\u{3000} \nx", "\u{a0}x"] {
        for blanks in 1..70 {
            let text = format!("a\n{}{tail}", " ".repeat(blanks));
            for &path in Path::available() {
                assert_eq!(ends_by::<O200k>(path, &text), ends_by_matcher::<O200k>(&text), "{text:?}");
                assert_eq!(ends_by::<Cl100k>(path, &text), ends_by_matcher::<Cl100k>(&text), "{text:?}");
            }
        }
    }
}

#[test]
fn special_tokens_are_text_unless_they_are_allowed() {
    let encoding = Encoding::get("o200k_base").unwrap();
    let text = "a<|endoftext|>b<|endofprompt|>";
    assert_eq!(encoding.count_with(text, &Specials::None), encoding.count(text));
    assert_eq!(encoding.encode_with(text, &Specials::All), [64, 199_999, 65, 200_018]);
    let only = Specials::Only(vec!["<|endofprompt|>".to_owned(), "<|unknown|>".to_owned()]);
    assert_eq!(encoding.count_with(text, &only), encoding.count("a<|endoftext|>b") + 1);
}

#[test]
fn harmony_knows_its_reserved_tokens() {
    let encoding = Encoding::get("o200k_harmony").unwrap();
    let text = "<|start|>user<|message|>hi<|end|><|reserved_200013|><|reserved_200999|><|reserved_201088|>";
    let tokens = encoding.encode_with(text, &Specials::All);
    assert_eq!(tokens[0], 200_006);
    assert!(tokens.contains(&200_013) && tokens.contains(&200_999) && !tokens.contains(&201_088));
    assert_eq!(encoding.decode_bytes(&tokens).unwrap(), text.as_bytes());
    assert_eq!(encoding.special_names().len(), 1091);
}

#[test]
fn an_unknown_encoding_or_token_is_named_in_the_error() {
    let error = Encoding::get("p50k_base").unwrap_err();
    assert!(error.to_string().contains("p50k_base") && error.to_string().contains("o200k_base"));
    let error = Encoding::get("cl100k_base").unwrap().decode_bytes(&[100_300]).unwrap_err();
    assert!(error.to_string().contains("100300"));
}

#[test]
fn a_batch_counts_as_its_texts_do_on_any_number_of_threads() {
    let texts: Vec<String> = (0..100).map(|at| FRAGMENTS[at % FRAGMENTS.len()].repeat(at)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let encoding = Encoding::get("o200k_base").unwrap();
    let expected: Vec<u32> = texts.iter().map(|text| u32::try_from(encoding.count(text)).unwrap()).collect();
    for threads in [None, Some(1), Some(2), Some(7)] {
        assert_eq!(encoding.count_batch(&texts, threads).unwrap(), expected);
    }
    assert!(encoding.count_batch(&texts, Some(0)).is_err());
}

#[test]
fn models_have_the_encodings_that_tiktoken_gives_them() {
    let known = [
        ("gpt-4o", Some("o200k_base")),
        ("gpt-4o-mini-2024-07-18", Some("o200k_base")),
        ("openai/gpt-5-mini", Some("o200k_base")),
        ("o3", Some("o200k_base")),
        ("gpt-oss-120b", Some("o200k_harmony")),
        ("gpt-4-0613", Some("cl100k_base")),
        ("gpt-3.5-turbo", Some("cl100k_base")),
        ("ft:gpt-4o:acme", Some("o200k_base")),
        ("text-embedding-3-small", Some("cl100k_base")),
        ("claude-sonnet-4-5", None),
        ("o1x", None),
    ];
    for (model, encoding) in known {
        assert_eq!(encoding_for_model(model).map(Encoding::name), encoding, "{model}");
    }
    assert_eq!(Family::of("claude-sonnet-4-5-20250929"), Family::Claude { is_new: false });
    assert_eq!(Family::of("claude-opus-4-7"), Family::Claude { is_new: true });
    assert_eq!(Family::of("anthropic.claude-3-5-sonnet-20241022-v2:0"), Family::Claude { is_new: false });
    assert_eq!(Family::of("claude-sonnet-5"), Family::Claude { is_new: true });
}
