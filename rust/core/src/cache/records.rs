//! What a cache writes down: each change as one record, in journal and snapshot alike.

use super::select::{Near, Selection};
use super::state::Entry;
use crate::features::LexicalSignature;
use crate::store::codec::{Reader, Writer};

/// A change, as it is read back.
#[derive(Debug, PartialEq)]
pub(super) enum Record {
    /// An entry came, with the vector that it is compared by; it takes the place of another one of its fingerprint.
    Put(Box<Entry>, Option<Vec<f32>>),
    /// Entries went. Written as what was meant and not as which ones went: an entry that memory had no room for any more
    /// still stands in an older record, and must go as well.
    Invalidate(Selection),
    /// A hit was marked wrong: the request asked, the request answered, and the entry that went.
    Wrong {
        /// Fingerprint of the request that was served.
        asked: u128,
        /// Fingerprint of the entry's own request.
        answered: u128,
        /// The entry that went; 0 for none.
        entry_id: u128,
    },
    /// Everything went.
    Clear,
}

pub(super) fn put(entry: &Entry, vector: Option<&[f32]>) -> Vec<u8> {
    let mut writer = Writer(Vec::with_capacity(entry.heap_bytes() + 1024));
    writer.u8(1);
    for number in [entry.id, entry.fingerprint, entry.partition] {
        writer.u128(number);
    }
    writer.u64(entry.born_ms);
    writer.u64(entry.expires_ms);
    signature(&mut writer, &entry.signature);
    writer.answer(&entry.answer);
    writer.origin(&entry.origin);
    writer.option(vector, Writer::vector);
    writer.0
}

pub(super) fn invalidate(selection: &Selection) -> Vec<u8> {
    let Selection { entry_id, source, tag, tenant, namespace, writer: stored_by, near } = selection;
    let mut writer = Writer::default();
    writer.u8(if near.is_some() { 5 } else { 2 });
    writer.option(*entry_id, Writer::u128);
    for text in [source, tag, tenant, namespace, stored_by] {
        writer.option(text.as_ref(), |writer, text| writer.bytes(text.as_bytes()));
    }
    if let Some(Near { text, min_similarity }) = near {
        writer.bytes(text.as_bytes());
        writer.u32(min_similarity.to_bits());
    }
    writer.0
}

pub(super) fn wrong(asked: u128, answered: u128, entry_id: u128) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u8(3);
    for number in [asked, answered, entry_id] {
        writer.u128(number);
    }
    writer.0
}

pub(super) fn clear() -> Vec<u8> {
    vec![4]
}

/// A record; `None` where the bytes are none.
pub(super) fn read(payload: &[u8]) -> Option<Record> {
    let mut reader = Reader(payload);
    let record = match reader.u8()? {
        1 => {
            let (id, fingerprint, partition) = (reader.u128()?, reader.u128()?, reader.u128()?);
            let (born_ms, expires_ms) = (reader.u64()?, reader.u64()?);
            let signature = read_signature(&mut reader)?;
            let (answer, origin) = (reader.answer()?, reader.origin()?);
            let entry = Entry { id, fingerprint, partition, signature, answer, origin, born_ms, expires_ms };
            Record::Put(Box::new(entry), reader.option(Reader::vector)?)
        }
        kind @ (2 | 5) => Record::Invalidate(Selection {
            entry_id: reader.option(Reader::u128)?,
            source: reader.option(Reader::text)?,
            tag: reader.option(Reader::text)?,
            tenant: reader.option(Reader::text)?,
            namespace: reader.option(Reader::text)?,
            writer: reader.option(Reader::text)?,
            near: if kind == 5 {
                Some(Near { text: reader.text()?, min_similarity: f32::from_bits(reader.u32()?) })
            } else {
                None
            },
        }),
        3 => Record::Wrong { asked: reader.u128()?, answered: reader.u128()?, entry_id: reader.u128()? },
        4 => Record::Clear,
        _ => return None,
    };
    reader.end().map(|()| record)
}

fn signature(writer: &mut Writer, signature: &LexicalSignature) {
    // Taken apart, so that a field that is new does not compile before it is written here. What the fields mean may change
    // all the same: `durable::meaning` notices.
    let LexicalSignature {
        is_negated,
        asks,
        is_waiting,
        antonym_sides,
        directions,
        content,
        arrangement,
        stems,
        persons,
        functions,
        added_orders,
    } = signature;
    writer.u8(u8::from(*is_negated) | u8::from(*is_waiting) << 1 | asks << 2);
    writer.u128(*antonym_sides);
    for direction in directions {
        writer.u64(*direction);
    }
    writer.u64(*content);
    writer.u64(*arrangement);
    for stem in stems {
        writer.u32(*stem);
    }
    writer.u32(*persons);
    writer.u32(u32::from(*functions) << 8 | u32::from(*added_orders));
}

fn read_signature(reader: &mut Reader<'_>) -> Option<LexicalSignature> {
    let flags = reader.u8()?;
    let antonym_sides = reader.u128()?;
    let mut directions = LexicalSignature::default().directions;
    for direction in &mut directions {
        *direction = reader.u64()?;
    }
    let (content, arrangement) = (reader.u64()?, reader.u64()?);
    let mut stems = LexicalSignature::default().stems;
    for stem in &mut stems {
        *stem = reader.u32()?;
    }
    let (persons, small) = (reader.u32()?, reader.u32()?);
    Some(LexicalSignature {
        is_negated: flags & 1 != 0,
        is_waiting: flags & 2 != 0,
        asks: flags >> 2,
        antonym_sides,
        directions,
        content,
        arrangement,
        stems,
        persons,
        functions: u16::try_from(small >> 8).ok()?,
        added_orders: (small & 255) as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;
    use crate::store::{Answer, Form, Origin};

    fn entry() -> Entry {
        Entry {
            id: 1,
            fingerprint: 2 << 70,
            partition: 3,
            signature: Features::of_text("don't move it from Oslo to Bergen, I'm waiting for you").signature,
            answer: Answer {
                response: b"there".as_slice().into(),
                form: Form::Bytes,
                model: "m".into(),
                input_tokens: 4,
                output_tokens: 5,
                cost_nano_usd: Some(6),
            },
            origin: Origin {
                tenant: "t".into(),
                namespace: "n".into(),
                writer: "w".into(),
                sources: ["a@1".into(), "b".into()].into(),
                tags: ["x".into()].into(),
                request: b"{}".as_slice().into(),
            },
            born_ms: 7,
            expires_ms: u64::MAX,
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_shorter_or_longer() {
        let selection = Selection { entry_id: Some(9), source: Some("a@*".into()), ..Selection::default() };
        let near = Selection { near: Some(Near { text: "x".into(), min_similarity: 0.5 }), ..selection.clone() };
        for (bytes, record) in [
            (put(&entry(), Some(&[0.5, -1.0])), Record::Put(Box::new(entry()), Some(vec![0.5, -1.0]))),
            (put(&entry(), None), Record::Put(Box::new(entry()), None)),
            (invalidate(&selection), Record::Invalidate(selection.clone())),
            (invalidate(&near), Record::Invalidate(near.clone())),
            (wrong(1, 2, 3), Record::Wrong { asked: 1, answered: 2, entry_id: 3 }),
            (clear(), Record::Clear),
        ] {
            for len in 0..bytes.len() {
                assert_eq!(read(&bytes[..len]), None, "{len}");
            }
            let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
            assert_eq!(read(&longer), None);
            assert_eq!(read(&bytes), Some(record));
        }
    }
}
