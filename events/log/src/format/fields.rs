//! Reading and writing fields in order, without ever reading past the end.

use std::fmt;

use bytes::Bytes;

/// Why bytes could not be read as what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Malformed {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

#[cold]
fn too_short(length: usize, left: usize) -> Malformed {
    Malformed(format!("a field of {length} bytes where {left} are left"))
}

/// Takes fields from the front of a byte string.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    fn range(&mut self, length: usize) -> Result<std::ops::Range<usize>, Malformed> {
        if length > self.left() {
            return Err(too_short(length, self.left()));
        }
        let start = self.at;
        self.at += length;
        Ok(start..self.at)
    }

    pub(crate) fn skip(&mut self, length: usize) -> Result<(), Malformed> {
        self.range(length).map(drop)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let range = self.range(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[range]);
        Ok(array)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    /// A text behind its length in one byte.
    pub(crate) fn short_text(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.short_bytes()?;
        std::str::from_utf8(bytes).map_err(|_| Malformed::new("a name is not UTF-8"))
    }

    #[inline]
    pub(crate) fn short_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::from(self.u8()?);
        let range = self.range(length)?;
        Ok(&self.bytes[range])
    }

    /// Bytes behind their length in four bytes; they share the memory they are read from.
    #[inline]
    pub(crate) fn sized_bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed::new("a huge length"))?;
        let range = self.range(length)?;
        Ok(self.bytes.slice(range))
    }

    pub(crate) fn end(self) -> Result<(), Malformed> {
        match self.left() {
            0 => Ok(()),
            left => Err(Malformed(format!("{left} bytes too many"))),
        }
    }
}

/// Names are at most 64 bytes long, see `carrel_model::name`.
#[expect(clippy::cast_possible_truncation, reason = "names are shorter than 256 bytes")]
pub(crate) fn put_short_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// Data is at most 256 KiB long, see `limits`.
#[expect(clippy::cast_possible_truncation, reason = "data is shorter than 4 GiB")]
pub(crate) fn put_sized_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}
