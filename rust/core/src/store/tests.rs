use super::*;

fn entry(number: u8) -> Entry<()> {
    Entry {
        id: u128::from(number),
        fingerprint: u128::from(number) << 8,
        partition: 0,
        signature: (),
        answer: Answer {
            response: vec![number; number.into()].into(),
            form: Form::Dict,
            model: "m".into(),
            input_tokens: 1,
            output_tokens: 2,
            cost_nano_usd: None,
        },
        origin: Origin::default(),
        born_ms: 0,
        expires_ms: u64::MAX,
    }
}

#[test]
fn what_is_removed_is_gone_and_its_bytes_with_it() {
    let mut store = Store::new(Policy::Lru);
    let first = store.insert(entry(1));
    let second = store.insert(entry(2));
    let bytes = store.bytes();

    assert_eq!(store.remove(first).unwrap().id, 1);

    assert_eq!((store.find(1 << 8), store.find_id(1), store.len()), (None, None, 1));
    assert!(store.bytes() < bytes);
    store.remove(second);
    assert_eq!((store.heap, store.victim(), store.remove(second).is_none()), (0, None, true));
}

#[test]
fn the_entry_served_longest_ago_goes_first() {
    let mut store = Store::new(Policy::Lru);
    let slots: Vec<Slot> = (1..=3).map(|number| store.insert(entry(number))).collect();

    store.touch(slots[0]);

    assert_eq!(store.victim(), Some(slots[1]));
}

#[test]
fn a_slot_is_used_again_under_another_id() {
    let mut store = Store::new(Policy::Lru);
    let slot = store.insert(entry(1));
    store.remove(slot);

    assert_eq!(store.insert(entry(2)), slot);
    assert_eq!(store.get(slot).unwrap().id, 2);
    assert_eq!(store.find_id(1), None);
}

#[test]
fn a_label_finds_the_entries_that_carry_it_and_no_others() {
    let mut store = Store::new(Policy::Lru);
    let labelled = |number: u8, source: &str, tag: &str| {
        let origin = Origin { sources: [source.into()].into(), tags: [tag.into()].into(), ..Origin::default() };
        Entry { origin, ..entry(number) }
    };
    let first = store.insert(labelled(1, "kb/a.md@7", "faq"));
    let second = store.insert(labelled(2, "kb/a.md", "faq"));
    store.insert(labelled(3, "kb/b.md@7", "kb/a.md"));

    assert_eq!(store.find_label(Label::document_of("kb/a.md@*")), [first, second]);
    store.remove(first);
    assert_eq!(store.find_label(Label::Tag("faq")), [second]);
    assert_eq!(store.labels.pairs.len(), 4);
}
