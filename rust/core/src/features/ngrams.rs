//! Hashed word and character n-grams, as a sparse vector for linear models. Made on demand: no step of the path waits
//! for it.
//!
//! Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009.

/// A sparse vector: places in rising order, and their values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sparse {
    /// Places, each once, in rising order.
    pub places: Vec<u32>,
    /// Values, one a place.
    pub values: Vec<f32>,
}

/// Counts of words, word pairs and character 3- to 5-grams inside words, each at its hashed place with a hashed sign.
///
/// `bits` in 8..=24 gives 2^bits places. Scaled to unit length; empty for a text without words. Reads a frame: lower
/// case, words joined by one blank. About 60 ns a character.
pub fn hashed_ngrams(frame: &str, bits: u32) -> Sparse {
    let mask = (1u32 << bits.clamp(8, 24)) - 1;
    let mut found: Vec<(u32, f32)> = Vec::with_capacity(4 * frame.len());
    let mut add = |kind: u8, bytes: &[u8]| {
        let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ u64::from(kind);
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let hash = (hash ^ hash >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        #[expect(clippy::cast_possible_truncation, reason = "folded on purpose")]
        found.push(((hash >> 24) as u32 & mask, if hash >> 63 == 0 { 1.0 } else { -1.0 }));
    };
    let mut before = 0;
    let mut start = 0;
    for word in frame.split(' ') {
        let end = start + word.len();
        if !word.is_empty() {
            add(b'w', word.as_bytes());
            if start > 0 {
                add(b'p', &frame.as_bytes()[before..end]);
            }
            for size in 3..=5 {
                word.as_bytes().windows(size).for_each(|gram| add(b'c', gram));
            }
        }
        before = start;
        start = end + 1;
    }
    found.sort_unstable_by_key(|&(place, _)| place);
    let mut sparse = Sparse::default();
    for (place, value) in found {
        if sparse.places.last() == Some(&place) {
            if let Some(last) = sparse.values.last_mut() {
                *last += value;
            }
        } else {
            sparse.places.push(place);
            sparse.values.push(value);
        }
    }
    let norm = sparse.values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        sparse.values.iter_mut().for_each(|value| *value /= norm);
    }
    sparse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_rise_and_the_length_is_one() {
        let sparse = hashed_ngrams("where is my order", 16);

        assert!(sparse.places.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(sparse.places.iter().all(|&place| place < 1 << 16));
        assert!((sparse.values.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(hashed_ngrams("", 16), Sparse::default());
        assert_ne!(hashed_ngrams("a b", 16), hashed_ngrams("b a", 16));
    }
}
