//! An encoding: a split pattern, a vocabulary and the special tokens.

use std::fmt;

use parking_lot::Mutex;

use super::count::{Counter, Encoder};
use super::memo;
use super::pattern::{Cl100k, O200k};
use super::simd::{self, Path};
use super::special::{Specials, Table};
use super::vocabulary::{CL100K_BASE, O200K_BASE, Vocabulary};
use super::window::Sink;
use crate::error::{Error, ErrorKind, Result};

/// A shipped encoding. Counts are those of tiktoken 0.14.
///
/// Loading costs nothing: the tables are read-only data of the library, shared between processes. A thread that counts
/// keeps a memo of recent pieces (0.5 MB an encoding), never of whole texts.
pub struct Encoding {
    name: &'static str,
    is_cased: bool,
    vocabulary: &'static Vocabulary,
    /// The number of the vocabulary's memo.
    memo: usize,
    specials: Table,
}

/// More threads than this are refused as a mistake.
const MAX_THREADS: usize = 1024;
/// Stretches of a batch for each thread.
const STRETCHES: usize = 8;

static ENCODINGS: [Encoding; 3] = [
    Encoding { name: "o200k_base", is_cased: true, vocabulary: &O200K_BASE, memo: 0, specials: Table::O200k },
    Encoding { name: "o200k_harmony", is_cased: true, vocabulary: &O200K_BASE, memo: 0, specials: Table::Harmony },
    Encoding { name: "cl100k_base", is_cased: false, vocabulary: &CL100K_BASE, memo: 1, specials: Table::Cl100k },
];

impl Encoding {
    /// The names of the shipped encodings.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ENCODINGS.iter().map(|encoding| encoding.name)
    }

    /// The encoding with this name.
    pub fn get(name: &str) -> Result<&'static Self> {
        ENCODINGS.iter().find(|encoding| encoding.name == name).ok_or_else(|| {
            let names: Vec<_> = Self::names().collect();
            Error::new(
                ErrorKind::Config,
                format!("encoding {name:?} is not shipped; the shipped ones are {}", names.join(", ")),
            )
        })
    }

    /// The encoding that is used where nothing says which.
    pub(super) fn first() -> &'static Self {
        &ENCODINGS[0]
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// One more than the largest token id, special ones included.
    pub fn vocabulary_size(&self) -> u32 {
        match self.specials {
            Table::O200k => 200_019,
            Table::Harmony => 201_088,
            Table::Cl100k => 100_277,
        }
    }

    /// The number of tokens of `text`; special tokens in it count as the text that they are. O(n), no allocation once warm.
    #[inline]
    pub fn count(&self, text: &str) -> usize {
        self.count_by(Path::best(), text)
    }

    /// [`Encoding::count`] on a path of the caller's choice: for tests and measurements.
    #[inline]
    pub fn count_by(&self, path: Path, text: &str) -> usize {
        memo::with(self.memo, |memo| {
            let mut counter = Counter::new(self.vocabulary, memo);
            self.cut(path, text, &mut counter);
            counter.flush();
            counter.tokens
        })
    }

    /// [`Encoding::count`], where `allowed` special tokens in the text count as one token each.
    pub fn count_with(&self, text: &str, allowed: &Specials) -> usize {
        let mut tokens = 0;
        self.between_specials(text, allowed, |part| {
            tokens += match part {
                Ok(text) => self.count(text),
                Err(_) => 1,
            };
        });
        tokens
    }

    /// The number of tokens of each text, on `threads` threads (1 unless given). The threads live for this call only.
    pub fn count_batch(&self, texts: &[&str], threads: Option<usize>) -> Result<Vec<u32>> {
        let threads = threads.unwrap_or(1);
        if !(1..=MAX_THREADS).contains(&threads) {
            let message = format!("threads={threads} is outside [1, {MAX_THREADS}]");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let mut counts = vec![0; texts.len()];
        let count = |texts: &[&str], counts: &mut [u32]| {
            for (text, count) in texts.iter().zip(counts) {
                *count = self.count(text) as u32;
            }
        };
        if threads == 1 || texts.len() < 2 {
            count(texts, &mut counts);
            return Ok(counts);
        }
        // Threads take the next stretch when they are done with one, so that a long text holds up one thread only.
        let stretch = texts.len().div_ceil(threads * STRETCHES).max(1);
        let work = Mutex::new(texts.chunks(stretch).zip(counts.chunks_mut(stretch)));
        let run = || {
            loop {
                let next = work.lock().next();
                let Some((texts, counts)) = next else { return };
                count(texts, counts);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(run);
            }
            run();
        });
        Ok(counts)
    }

    /// The number of tokens of `text` if it is at most `limit`; stops reading soon after there are more.
    pub fn count_up_to(&self, text: &str, limit: usize) -> Option<usize> {
        let tokens = memo::with(self.memo, |memo| {
            let mut bounded = Bounded { counter: Counter::new(self.vocabulary, memo), limit };
            self.cut(Path::best(), text, &mut bounded);
            bounded.counter.flush();
            bounded.counter.tokens
        });
        (tokens <= limit).then_some(tokens)
    }

    /// The tokens of `text`; special tokens in it are encoded as the text that they are.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_up_to(text, usize::MAX)
    }

    /// [`Encoding::encode`], where `allowed` special tokens in the text become one token each.
    pub fn encode_with(&self, text: &str, allowed: &Specials) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.between_specials(text, allowed, |part| match part {
            Ok(text) => tokens.extend_from_slice(&self.encode(text)),
            Err(special) => tokens.push(special),
        });
        tokens
    }

    /// The first tokens of `text`: all, or at least `limit + 1` of them.
    pub(super) fn encode_up_to(&self, text: &str, limit: usize) -> Vec<u32> {
        memo::with(self.memo, |memo| {
            let mut encoder = Encoder { vocabulary: self.vocabulary, memo, tokens: Vec::new(), limit };
            self.cut(Path::best(), text, &mut encoder);
            encoder.tokens
        })
    }

    /// The bytes that `tokens` stand for.
    pub fn decode_bytes(&self, tokens: &[u32]) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(tokens.len() * 4);
        for &token in tokens {
            match self.vocabulary.token(token) {
                Some(known) => bytes.extend_from_slice(known),
                None => match self.specials.name(token) {
                    Some(name) => bytes.extend_from_slice(name.as_bytes()),
                    None => return Err(self.no_such_token(token)),
                },
            }
        }
        Ok(bytes)
    }

    /// The length in bytes of an ordinary token.
    pub(super) fn token_len(&self, token: u32) -> usize {
        self.vocabulary.token_len(token)
    }

    /// The special tokens that this encoding knows.
    pub fn special_names(&self) -> Vec<String> {
        self.specials.names().into_iter().map(Into::into).collect()
    }

    fn no_such_token(&self, token: u32) -> Error {
        let largest = self.vocabulary_size() - 1;
        Error::new(ErrorKind::Config, format!("token {token} is not in {}; its ids end at {largest}", self.name))
    }

    fn between_specials(&self, text: &str, allowed: &Specials, mut part: impl FnMut(Result<&str, u32>)) {
        let mut from = 0;
        while let Some((start, end, special)) = self.specials.find(text, from, allowed) {
            part(Ok(&text[from..start]));
            part(Err(special));
            from = end;
        }
        part(Ok(&text[from..]));
    }

    #[inline]
    fn cut(&self, path: Path, text: &str, sink: &mut impl Sink) {
        if self.is_cased {
            simd::cut::<O200k>(path, text.as_bytes(), sink);
        } else {
            simd::cut::<Cl100k>(path, text.as_bytes(), sink);
        }
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Encoding").field(&self.name).finish()
    }
}

/// A counter that wants no more pieces once it is past its limit.
struct Bounded<'a> {
    counter: Counter<'a>,
    limit: usize,
}

impl Sink for Bounded<'_> {
    #[inline(always)]
    fn piece(&mut self, bytes: &[u8], start: usize, end: usize) {
        self.counter.piece(bytes, start, end);
    }

    #[inline(always)]
    fn is_full(&mut self) -> bool {
        self.counter.flush();
        self.counter.tokens > self.limit
    }
}
