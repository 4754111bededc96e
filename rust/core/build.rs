//! Builds the read-only tables of the tokenizer from the packed rank files, so that loading an encoding costs nothing and
//! processes share its pages.
//!
//! A build script runs without optimisation, so this is written for that: flat arrays, no closures in the inner loops.
//! Both encodings take about 4 s once; Cargo runs it again only when this file or the data changes.

// Offsets and ids were checked to fit when the rank file was read; a build for a 32-bit target still has 4 GB.
#![allow(clippy::cast_possible_truncation)]

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs};

#[allow(dead_code, clippy::inline_always, clippy::cast_possible_truncation)]
#[path = "src/tokens/layout.rs"]
mod layout;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/tokens/layout.rs");
    println!("cargo::rerun-if-changed=src/tokens/data");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    classes(out)?;
    for name in ["o200k_base", "cl100k_base"] {
        let packed = fs::read(format!("src/tokens/data/{name}.ranks"))?;
        let vocabulary = Vocabulary::read(&packed)?;
        vocabulary.write(&out.join(name))?;
    }
    Ok(())
}

/// The classes of all code points in two stages: a block number for each 64 of them, and the blocks. A class is one bit, so
/// that a reader asks for membership in a set of classes with one AND.
fn classes(out: &Path) -> Outcome<()> {
    let runs = fs::read("src/tokens/data/classes.runs")?;
    let mut flat = vec![0u8; 0x11_0000];
    for run in runs.chunks_exact(4) {
        let first = usize::from(run[0]) | usize::from(run[1]) << 8 | usize::from(run[2]) << 16;
        flat[first..].fill(1 << run[3]);
    }
    let mut blocks: Vec<[u8; 64]> = Vec::new();
    let mut index = Vec::new();
    for block in flat.as_chunks::<64>().0 {
        let found = blocks.iter().position(|known| known == block);
        let number = found.unwrap_or_else(|| {
            blocks.push(*block);
            blocks.len() - 1
        });
        index.extend_from_slice(&u16::try_from(number)?.to_le_bytes());
    }
    fs::write(out.join("class_index.bin"), index)?;
    if blocks.len() > 512 {
        return Err("more than 512 distinct blocks of classes".into());
    }
    blocks.resize(512, [0; 64]); // So that any index is in bounds, and the compiler knows it.
    fs::write(out.join("class_blocks.bin"), blocks.concat())?;
    Ok(())
}

struct Vocabulary {
    /// Token `t` is `bytes[offsets[t]..offsets[t + 1]]`; 16 bytes of padding follow.
    bytes: Vec<u8>,
    offsets: Vec<u32>,
    /// The whole-piece table, with the token of each slot beside it.
    slots: Vec<(u64, u64)>,
    slot_tokens: Vec<u32>,
    long: HashMap<Vec<u8>, u32>,
}

impl Vocabulary {
    fn read(packed: &[u8]) -> Outcome<Self> {
        let (mut bytes, mut offsets, mut at) = (Vec::new(), vec![0], 0);
        while at < packed.len() {
            let len = usize::from(packed[at]);
            bytes.extend_from_slice(&packed[at + 1..at + 1 + len]);
            offsets.push(u32::try_from(bytes.len())?);
            at += 1 + len;
        }
        if offsets.len() > 1 << layout::ID_BITS {
            return Err("more tokens than a token id has bits for".into());
        }
        bytes.extend_from_slice(&[0; 16]);
        // At most 0.38 full, so a look-up that misses ends after 0.8 steps on average.
        let size = (offsets.len() * 5 / 2).next_power_of_two();
        let mut this =
            Self { bytes, offsets, slots: vec![(0, 0); size], slot_tokens: vec![0; size], long: HashMap::new() };
        for token in 0..this.len() {
            let (start, len) = this.span(token);
            if len > layout::KEY_BYTES {
                this.long.insert(this.bytes[start..start + len].to_vec(), token);
                continue;
            }
            let (lo, hi) = this.key(start, len)?;
            let mut slot = layout::hash(lo, hi) as usize & (size - 1);
            while this.slots[slot].1 != 0 {
                slot = (slot + 1) & (size - 1);
            }
            this.slots[slot] = (lo, hi);
            this.slot_tokens[slot] = token;
        }
        Ok(this)
    }

    fn len(&self) -> u32 {
        self.offsets.len() as u32 - 1
    }

    fn span(&self, token: u32) -> (usize, usize) {
        let start = self.offsets[token as usize] as usize;
        (start, self.offsets[token as usize + 1] as usize - start)
    }

    fn key(&self, start: usize, len: usize) -> Outcome<(u64, u64)> {
        let window: &[u8; 16] = self.bytes[start..start + 16].try_into()?;
        Ok(layout::key(window, len))
    }

    /// The token that is exactly these bytes.
    fn rank(&self, start: usize, len: usize) -> Outcome<u32> {
        if len > layout::KEY_BYTES {
            return Ok(self.long.get(&self.bytes[start..start + len]).copied().unwrap_or(layout::NONE));
        }
        let (lo, hi) = self.key(start, len)?;
        let mask = self.slots.len() - 1;
        let mut slot = layout::hash(lo, hi) as usize & mask;
        while self.slots[slot].1 != 0 {
            if self.slots[slot].0 == lo && self.slots[slot].1 == hi {
                return Ok(self.slot_tokens[slot]);
            }
            slot = (slot + 1) & mask;
        }
        Ok(layout::NONE)
    }

    fn write(&self, stem: &Path) -> Outcome<()> {
        let save = |part: &str, data: Vec<u8>| fs::write(stem.with_extension(part), data);
        let mut slots = Vec::with_capacity(self.slots.len() * 16);
        for &(lo, hi) in &self.slots {
            slots.extend_from_slice(&lo.to_le_bytes());
            slots.extend_from_slice(&hi.to_le_bytes());
        }
        save("slots", slots)?;
        save("offsets", words32(&self.offsets))?;
        save("lens", self.offsets.windows(2).map(|pair| (pair[1] - pair[0]) as u8).collect())?;
        save("bytes", self.bytes.clone())?;
        let trie = Trie::build(self);
        save("starts", words64(&trie.starts(self)))?;
        save("shorter", words32(&self.shorter(&trie)))?;
        save("trie", words64(&trie.nodes))?;
        let splits = self.splits()?;
        let mut flat = Vec::with_capacity(splits.len() * 2);
        for &(left, right) in &splits {
            flat.push(left);
            flat.push(right);
        }
        save("splits", words32(&flat))?;
        let (pairs, filter) = pairs(&splits);
        save("pairs", words64(&pairs))?;
        save("filter", words64(&filter))?;
        Ok(())
    }

    /// For every token, the longest token that is a proper prefix of it.
    fn shorter(&self, trie: &Trie) -> Vec<u32> {
        let mut shorter = vec![layout::NONE; self.len() as usize];
        for token in 0..self.len() {
            let (start, len) = self.span(token);
            let mut node = trie.root;
            for at in start..start + len - 1 {
                let Some(next) = trie.child(node, self.bytes[at]) else { break };
                node = trie.nodes[next] >> layout::TRIE_BASE & layout::TRIE_BASE_MASK;
                let ends_here = trie.nodes[next] >> layout::TRIE_TOKEN;
                if ends_here != 0 {
                    shorter[token as usize] = ends_here as u32 - 1;
                }
            }
        }
        shorter
    }

    /// For every token, the two tokens of its last merge (itself twice for a single byte). Fails on a token that merging
    /// never reaches, because the encoder takes for granted that each token encodes to itself.
    fn splits(&self) -> Outcome<Vec<(u32, u32)>> {
        let mut splits = Vec::with_capacity(self.len() as usize);
        for token in 0..self.len() {
            let (start, len) = self.span(token);
            let (mut found, mut cuts) = ((token, token), 0);
            for cut in 1..len {
                let left = self.rank(start, cut)?;
                if left >= token {
                    continue;
                }
                let right = self.rank(start + cut, len - cut)?;
                if right < token {
                    found = (left, right);
                    cuts += 1;
                }
            }
            if cuts > 1 {
                found = self.last_merge(start, len, token)?;
            } else if cuts == 0 && len > 1 {
                return Err(format!("token {token} is unreachable by merging").into());
            }
            splits.push(found);
        }
        Ok(splits)
    }

    /// Runs all merges of a rank below `limit` and returns the two parts that are left.
    fn last_merge(&self, start: usize, len: usize, limit: u32) -> Outcome<(u32, u32)> {
        let mut cuts: Vec<usize> = (0..=len).collect();
        // `ranks[i]` is the merge of part i with part i + 1.
        let mut ranks = Vec::new();
        for at in 0..len - 1 {
            ranks.push(self.rank(start + at, 2)?);
        }
        loop {
            let (mut best, mut best_rank) = (0, limit);
            for (at, &rank) in ranks.iter().enumerate() {
                if rank < best_rank {
                    (best, best_rank) = (at, rank);
                }
            }
            if best_rank == limit {
                break;
            }
            cuts.remove(best + 1);
            ranks.remove(best);
            if best < ranks.len() {
                ranks[best] = self.rank(start + cuts[best], cuts[best + 2] - cuts[best])?;
            }
            if best > 0 {
                ranks[best - 1] = self.rank(start + cuts[best - 1], cuts[best + 1] - cuts[best - 1])?;
            }
        }
        if cuts.len() != 3 {
            return Err(format!("token {limit} is unreachable by merging").into());
        }
        Ok((self.rank(start, cuts[1])?, self.rank(start + cuts[1], len - cuts[1])?))
    }
}

/// `(left, right) -> merged` as an open hash table: key + 1 above, token below; and the filter before it.
fn pairs(splits: &[(u32, u32)]) -> (Vec<u64>, Vec<u64>) {
    let size = (splits.len() * 5 / 2).next_power_of_two();
    let mut table = vec![0u64; size];
    // 2^20 bits for 200,000 pairs: one in six that are no pairs passes.
    let mut filter = vec![0u64; (splits.len() * 5).next_power_of_two() / 64];
    for (token, &(left, right)) in splits.iter().enumerate() {
        if left as usize == token {
            continue;
        }
        let hash = layout::pair_hash(left, right);
        let bit = layout::filter_bit(hash) & (filter.len() * 64 - 1);
        filter[bit / 64] |= 1 << (bit % 64);
        let mut slot = hash as usize & (size - 1);
        while table[slot] != 0 {
            slot = (slot + 1) & (size - 1);
        }
        let key = u64::from(left) << layout::ID_BITS | u64::from(right);
        table[slot] = (key + 1) << layout::ID_BITS | token as u64;
    }
    (table, filter)
}

/// A double-array trie of all tokens.
struct Trie {
    nodes: Vec<u64>,
    root: u64,
}

impl Trie {
    fn build(vocabulary: &Vocabulary) -> Self {
        let mut order: Vec<u32> = (0..vocabulary.len()).collect();
        order.sort_unstable_by(|&a, &b| vocabulary.token(a).cmp(vocabulary.token(b)));
        let mut this = Self { nodes: vec![0; 1 << 20], root: 0 };
        let mut is_base = vec![false; 1 << 20];
        let mut hint = 1;
        // (first, past the last) of a range of `order` that shares `depth` bytes, and the node they lead to.
        let mut stack = vec![(0, order.len(), 0, usize::MAX)];
        let mut children: Vec<(u8, usize, usize)> = Vec::new();
        while let Some((mut first, last, depth, node)) = stack.pop() {
            if vocabulary.span(order[first]).1 == depth {
                first += 1;
            }
            if first == last {
                continue;
            }
            children.clear();
            while first < last {
                let label = vocabulary.token(order[first])[depth];
                let begin = first;
                while first < last && vocabulary.token(order[first])[depth] == label {
                    first += 1;
                }
                children.push((label, begin, first));
            }
            let mut base = hint;
            let mut tries = 0;
            loop {
                if base + 256 >= this.nodes.len() {
                    this.nodes.resize(this.nodes.len() * 2, 0);
                    is_base.resize(this.nodes.len(), false);
                }
                let mut fits = !is_base[base];
                for &(label, ..) in &children {
                    fits = fits && this.nodes[base + label as usize] == 0;
                }
                if fits {
                    break;
                }
                base += 1;
                tries += 1;
                // Where the array is dense, later nodes begin further on: 3 % of the array stay empty.
                if tries == 512 {
                    hint += 256;
                }
            }
            is_base[base] = true;
            if node == usize::MAX {
                this.root = base as u64;
            } else {
                this.nodes[node] |= (base as u64) << layout::TRIE_BASE;
            }
            for &(label, begin, end) in children.iter().rev() {
                let child = base + label as usize;
                let mut entry = u64::from(label) + 1;
                if vocabulary.span(order[begin]).1 == depth + 1 {
                    entry |= (u64::from(order[begin]) + 1) << layout::TRIE_TOKEN;
                }
                this.nodes[child] = entry;
                stack.push((begin, end, depth + 1, child));
            }
        }
        let used = this.nodes.iter().rposition(|&node| node != 0).unwrap_or(0);
        this.nodes.truncate(used + 1);
        this.nodes.resize(used + 1 + 256, 0);
        this
    }

    fn child(&self, base: u64, label: u8) -> Option<usize> {
        let at = base as usize + label as usize;
        (base != 0 && self.nodes[at] & layout::TRIE_LABEL_MASK == u64::from(label) + 1).then_some(at)
    }

    /// The nodes after the first byte (256), the first two bytes (65,536) and a whole character of three bytes (65,536): where
    /// a walk may begin. Of the latter two only nodes at which a token ends, so that a walk from there has a longest match.
    fn starts(&self, vocabulary: &Vocabulary) -> Vec<u64> {
        let mut starts = vec![0; 256 + 2 * 65_536];
        for token in 0..vocabulary.len() {
            let bytes = vocabulary.token(token);
            let at = match *bytes {
                [a] => usize::from(a),
                [a, b] => 256 + (usize::from(a) << 8 | usize::from(b)),
                [a @ 0xE0..=0xEF, b, c] if b & 0xC0 == 0x80 && c & 0xC0 == 0x80 => {
                    let code_point = usize::from(a & 0xF) << 12 | usize::from(b & 0x3F) << 6 | usize::from(c & 0x3F);
                    256 + 65_536 + code_point
                }
                _ => continue,
            };
            let mut node = self.root;
            for &byte in bytes {
                let Some(next) = self.child(node, byte) else { break };
                starts[at] = self.nodes[next];
                node = self.nodes[next] >> layout::TRIE_BASE & layout::TRIE_BASE_MASK;
            }
        }
        starts
    }
}

impl Vocabulary {
    fn token(&self, token: u32) -> &[u8] {
        let (start, len) = self.span(token);
        &self.bytes[start..start + len]
    }
}

fn words32(words: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(words.len() * 4);
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn words64(words: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(words.len() * 8);
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}
