//! The model file: magic, version, sizes, id, then vocabulary, seen bits, scales and rows.
//!
//! ```text
//! "CFSTATIC"  u32 schema  u32 pieces  u32 dim  u32 bits  u32 id bytes  u32 vocabulary bytes
//! id  vocabulary (one piece a line)  seen bits (1 a piece)  scales (f32 a piece)  rows (dim * bits / 8 bytes a piece)
//! ```
//!
//! Little-endian. At 4 bits, byte j of a row holds number j in its low half and number j + dim/2 in its high half, each
//! as value + 8. The sha256 of the file stands on the model card and CI checks it; nothing is hashed at start.

use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8] = b"CFSTATIC";
const SCHEMA: usize = 1;

/// A model file, checked and cut into its sections; it copies nothing but the scales.
#[derive(Debug)]
pub struct Model {
    /// Names the embedder and its version.
    pub id: &'static str,
    /// One piece a line.
    pub vocabulary: &'static str,
    /// Length of a vector.
    pub dim: usize,
    /// 4 or 8.
    pub bits: usize,
    /// Bit i: whether piece i occurred in the training text.
    seen: &'static [u8],
    scales: Vec<f32>,
    rows: &'static [u8],
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// `Config` where it is not one, is of a newer schema, or its sizes do not add up.
    pub fn read(file: &'static [u8]) -> Result<Self> {
        let mut rest = file;
        if take(&mut rest, MAGIC.len())? != MAGIC {
            return Err(fault("not a compound_fast model file"));
        }
        let schema = number(&mut rest)?;
        if schema != SCHEMA {
            return Err(fault(format!("model file of schema {schema}; this version reads {SCHEMA}")));
        }
        let (pieces, dim, bits) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
        let (id, vocabulary) = (number(&mut rest)?, number(&mut rest)?);
        if !matches!(bits, 4 | 8) || dim == 0 || dim % 32 != 0 || pieces == 0 {
            return Err(fault(format!("model file of {pieces} pieces, {dim} dimensions and {bits} bits")));
        }
        let text = |bytes| std::str::from_utf8(bytes).map_err(|error| fault("not UTF-8").caused_by(error));
        let id = text(take(&mut rest, id)?)?;
        let vocabulary = text(take(&mut rest, vocabulary)?)?;
        let seen = take(&mut rest, pieces.div_ceil(8))?;
        let scales = take(&mut rest, 4 * pieces)?;
        let scales =
            scales.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
        let rows = take(&mut rest, pieces * dim * bits / 8)?;
        if !rest.is_empty() {
            return Err(fault(format!("model file with {} bytes too many", rest.len())));
        }
        Ok(Self { id, vocabulary, dim, bits, seen, scales, rows })
    }

    /// How many pieces it has rows for.
    pub fn pieces(&self) -> usize {
        self.scales.len()
    }

    /// Whether the piece occurred in the training text.
    pub fn is_seen(&self, piece: usize) -> bool {
        self.seen[piece / 8] >> (piece % 8) & 1 == 1
    }

    /// The scale and the packed numbers of a row.
    pub fn row(&self, piece: usize) -> (f32, &'static [u8]) {
        let width = self.dim * self.bits / 8;
        (self.scales[piece], &self.rows[piece * width..(piece + 1) * width])
    }
}

fn fault(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, context)
}

fn take(rest: &mut &'static [u8], bytes: usize) -> Result<&'static [u8]> {
    let (head, tail) = rest.split_at_checked(bytes).ok_or_else(|| fault("model file cut short"))?;
    *rest = tail;
    Ok(head)
}

fn number(rest: &mut &'static [u8]) -> Result<usize> {
    let four = take(rest, 4)?;
    Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)
}
