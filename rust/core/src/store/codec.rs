//! Values as bytes, for journal and snapshot. Little-endian; texts and lists carry their length.

use super::{Answer, Form, Origin};

/// Writes values one after the other.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    /// Sixteen bytes.
    pub fn u128(&mut self, value: u128) {
        self.0.extend(value.to_le_bytes());
    }

    /// Bytes with their number.
    pub fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend(value);
    }

    /// A list of texts.
    pub fn texts(&mut self, values: &[Box<str>]) {
        self.u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
        for value in values {
            self.bytes(value.as_bytes());
        }
    }

    /// A value that may be missing.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// The values of a vector.
    pub fn vector(&mut self, values: &[f32]) {
        self.u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// An answer.
    pub fn answer(&mut self, answer: &Answer) {
        self.u8(Form::ALL
            .iter()
            .position(|&form| form == answer.form)
            .and_then(|at| u8::try_from(at).ok())
            .unwrap_or(0));
        self.bytes(answer.model.as_bytes());
        self.u32(answer.input_tokens);
        self.u32(answer.output_tokens);
        self.option(answer.cost_nano_usd, Self::u64);
        self.bytes(&answer.response);
    }

    /// Where an answer came from.
    pub fn origin(&mut self, origin: &Origin) {
        for text in [&origin.tenant, &origin.namespace, &origin.writer] {
            self.bytes(text.as_bytes());
        }
        self.texts(&origin.sources);
        self.texts(&origin.tags);
        self.bytes(&origin.request);
    }
}

/// Reads what [`Writer`] wrote; `None` where the bytes end too early or say what cannot be.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Sixteen bytes.
    pub fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// Bytes with their number.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    /// A text.
    pub fn text(&mut self) -> Option<Box<str>> {
        std::str::from_utf8(self.bytes()?).ok().map(Into::into)
    }

    /// A list of texts.
    pub fn texts(&mut self) -> Option<Box<[Box<str>]>> {
        // Grown as it is read: the number alone reserves nothing.
        (0..self.u32()?).map(|_| self.text()).collect()
    }

    /// A value that may be missing.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    /// The values of a vector.
    pub fn vector(&mut self) -> Option<Vec<f32>> {
        let len = (self.u32()? as usize).checked_mul(size_of::<f32>())?;
        let (values, _) = self.take(len)?.as_chunks();
        Some(values.iter().copied().map(f32::from_le_bytes).collect())
    }

    /// An answer.
    pub fn answer(&mut self) -> Option<Answer> {
        Some(Answer {
            form: *Form::ALL.get(usize::from(self.u8()?))?,
            model: self.text()?,
            input_tokens: self.u32()?,
            output_tokens: self.u32()?,
            cost_nano_usd: self.option(Self::u64)?,
            response: self.bytes()?.into(),
        })
    }

    /// Where an answer came from.
    pub fn origin(&mut self) -> Option<Origin> {
        Some(Origin {
            tenant: self.text()?,
            namespace: self.text()?,
            writer: self.text()?,
            sources: self.texts()?,
            tags: self.texts()?,
            request: self.bytes()?.into(),
        })
    }

    /// Nothing if all has been read.
    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
