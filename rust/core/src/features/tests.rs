use proptest::prelude::*;

use super::word::WordKey;
use super::*;

/// A sentence of `slots/sentences.txt`, and its slots as kind, value and the text they stand on.
type Expected = Vec<(String, String, String)>;

fn sentences() -> Vec<(&'static str, Expected)> {
    let read = |line: &'static str| {
        let (text, slots) = line.rsplit_once('|').unwrap();
        let slots = slots.split(';').map(str::trim).filter(|slot| !slot.is_empty()).map(|slot| {
            let (kind, rest) = slot.split_once('=').unwrap();
            let (value, span) = rest.rsplit_once(" [").unwrap();
            (kind.to_owned(), value.to_owned(), span.trim_end_matches(']').to_owned())
        });
        (text.trim(), slots.collect())
    };
    include_str!("slots/sentences.txt").lines().filter(|line| !line.starts_with("# A")).map(read).collect()
}

#[test]
fn slots_have_their_kind_value_and_span() {
    let sentences = sentences();
    assert!(sentences.len() >= 200, "{}", sentences.len());
    let wrong: Vec<String> = sentences
        .iter()
        .filter_map(|(text, expected)| {
            let name =
                |slot: &Slot| (slot.kind.name().to_owned(), slot.value.clone(), text[slot.start..slot.end].to_owned());
            let found: Vec<_> = Slots::find(text).slots.iter().map(name).collect();
            (found != *expected).then(|| format!("{text}\n  expected {expected:?}\n  found    {found:?}"))
        })
        .collect();

    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), sentences.len(), wrong.join("\n"));
}

#[test]
fn the_frame_is_the_text_without_its_slots() {
    for (text, frame) in [
        ("Cancel order #5036, please!", "cancel order please"),
        ("Don’t refund $5", "don't refund"),
        ("Is C++ or C# faster than C?", "is c++ or c# faster than c"),
        ("translate \"good morning\" to ÉTÉ", "translate to été"),
        ("猫は好き？", "猫は好き"),
    ] {
        assert_eq!(Slots::find(text).frame, frame);
    }
}

#[test]
fn equal_slots_give_equal_keys_in_any_order() {
    let key = |text| Slots::find(text).key();

    assert_eq!(key("$5 for order 12345"), key("order #12345: five dollars"));
    assert_ne!(key("$5"), key("$6"));
    assert_ne!(key("5 days"), key("5 hours"));
    assert_ne!(key("Python 3.1"), key("Python 3.10"));
    assert_eq!(key("no slots here"), 0);
}

#[test]
fn a_text_is_counted_in_characters_words_and_sentences() {
    let features = Features::of_text("Where is my café order? It isn't here. Now 3.5 days late!");

    assert_eq!((features.chars, features.bytes, features.words, features.sentences), (57, 58, 12, 3));
    assert!(features.is_question);
    assert_eq!((features.negations, features.stale_words, features.questions), (1, 1, 1));
}

#[test]
fn code_is_told_from_prose() {
    let code = Features::of_text("Fix this: def f(): return g()");
    assert!(code.has_code && code.code_family == Some("python"));
    assert!(Features::of_text("```x```").has_code);
    let prose = Features::of_text("Do I pay import duties when I return shoes?");
    assert!(!prose.has_code && prose.code_family.is_none());
}

#[test]
fn markup_is_counted_by_its_signs() {
    for (text, signs) in [
        ("<p>One <b>bold</b></p>, <br/> and **two** [here](there)", 6),
        ("a < b / c > d and 2 * 3 * 4", 0),
        ("</", 0),
        ("**", 1),
    ] {
        assert_eq!(Features::of_text(text).markup_signs, signs, "{text}");
    }
}

#[test]
fn a_question_has_a_kind() {
    for (text, kind) in [
        ("How many days do I have?", QuestionType::HowMany),
        ("how long does it take", QuestionType::When),
        ("How do I reset it?", QuestionType::How),
        ("Is it open?", QuestionType::YesNo),
        ("So, why is it closed?", QuestionType::Why),
        ("It is closed.", QuestionType::None),
        ("who made this", QuestionType::Who),
    ] {
        assert_eq!(Features::of_text(text).question_type, kind, "{text}");
    }
}

#[test]
fn orders_tasks_and_parts_are_counted() {
    let features = Features::of_text("Summarise this text and translate it. Please write a poem, step by step?");

    assert!(features.names(Task::Summarise) && features.names(Task::Translate) && !features.names(Task::Extract));
    assert_eq!((features.imperatives, features.questions, features.parts), (3, 1, 4));
    assert_eq!(features.creative_words, 1);
}

#[test]
fn nothing_is_found_in_nothing() {
    let nothing = Features::of_text("");
    assert_eq!(nothing, Features { signature: nothing.signature, ..Features::default() });
}

#[test]
fn the_vector_follows_the_schema() {
    let names = schema();
    let vector =
        Features::of_text("Refund $5!").vector(&crate::request::Shape::default(), crate::request::Layout::default(), 0);

    assert_eq!(names.len(), vector.len());
    let at = |name: &str| vector[names.iter().position(|known| known == name).unwrap()];
    assert!((at("slots_amount") - 1.0).abs() < f32::EPSILON && (at("words") - 2.0).abs() < f32::EPSILON);
    let mut distinct = names.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
}

/// The obvious way to count the words of a list: cut the text at everything that is no part of a word.
fn slow_count(text: &str, bit: u32) -> usize {
    let lexicon = Lexicon::get();
    let lower = text.replace('’', "'").to_lowercase();
    lower
        .split(|c: char| !(c.is_alphabetic() || c == '\''))
        .map(|word| word.trim_matches('\''))
        .filter(|word| {
            let entry = lexicon.entry(lexicon.find(WordKey::of(word)));
            entry.flags & bit != 0 || bit == flag::NEGATION && word.len() > 3 && word.ends_with("n't")
        })
        .count()
}

proptest! {
    #[test]
    fn counts_are_those_of_the_slow_way(
        words in proptest::collection::vec("not|don’t|today's|Why|prove|better|cannot|must|poem|a|[a-z]{1,9}|[.,;:!?-]{1}|é[a-z]{1,3}", 0..30),
    ) {
        let text = words.join(" ");
        let features = Features::of_text(&text);
        prop_assert_eq!(features.negations, slow_count(&text, flag::NEGATION));
        prop_assert_eq!(features.stale_words, slow_count(&text, flag::STALE));
        prop_assert_eq!(features.reasoning_words, slow_count(&text, flag::REASONING));
        prop_assert_eq!(features.comparisons, slow_count(&text, flag::COMPARISON));
        prop_assert_eq!(features.constraints, slow_count(&text, flag::CONSTRAINT));
        prop_assert_eq!(features.creative_words, slow_count(&text, flag::CREATIVE));
        prop_assert_eq!(features.chars, text.chars().count());
        prop_assert_eq!(features.questions, text.matches('?').count());
    }

    #[test]
    fn any_text_is_taken_and_spans_lie_in_it(text in "\\PC{0,60}|[ -~£€’“”_#@:/.0-9a-z]{0,60}") {
        let features = Features::of_text(&text);
        let mut before = 0;
        for slot in &features.slots.slots {
            prop_assert!(before <= slot.start && slot.start < slot.end && text.get(slot.start..slot.end).is_some());
            before = slot.end;
        }
        prop_assert!(features.words <= features.chars);
        prop_assert_eq!(&Features::of_text(&text), &features);
    }
}

/// What was quadratic once took minutes here; what is linear takes milliseconds, however busy the machine.
#[test]
fn hostile_texts_take_linear_time() {
    for (before, piece, after) in [
        ("```", "\n", "x"),
        ("```", "\n \t", "x"),
        ("", "1Aa", ""),
        ("", "1AAAAAAA", "a"),
        ("", "thousand ", ""),
        ("five ", "million ", ""),
        ("", "zero hundred ", "pm"),
        ("", "a+a@b.c", ""),
        ("```", "- ", "1"),
        ("```", "  \"", "x"),
    ] {
        let text = [before, &piece.repeat(1_000_000 / piece.len()), after].concat();
        let since = std::time::Instant::now();
        let features = Features::of_text(&text);
        assert!(since.elapsed().as_secs() < 5, "{piece:?}: {:?}", since.elapsed());
        assert_eq!(features.bytes, text.len());
    }
}

#[test]
fn what_ends_a_long_walk_changes_nothing_before_it() {
    let values = |text: &str| Slots::find(text).slots.into_iter().map(|slot| slot.value).collect::<Vec<_>>();
    assert_eq!(Features::of_text("```\n\n \n\n  x\n").signs, "`\n  \n");
    assert_eq!(values("take 1Ab 12AB34 7K9Q2X"), ["1", "12ab34", "7k9q2x"]);
    assert_eq!(values("1AAAAAAa2BBBB3"), ["1", "2bbbb3"]);
    assert_eq!(values("zero hundred"), ["0"]);
    assert_eq!(values("two thousand and zero hundred"), ["2000"]);
    assert_eq!(values("one million three thousand two hundred and five"), ["1003205"]);
}
