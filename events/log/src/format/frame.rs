//! A frame: the unit of checking. Every byte of a file behind its header belongs to one.
//!
//! ```text
//!  offset  size
//!       0     2  "CF"
//!       2     1  what it holds: 'U' a unit, 'N' a note, 'S' the seal, 'E' the end of an export
//!       3     1  flags: bit 0 set on the last frame of a batch
//!       4     4  length of the body in bytes, without padding
//!       8     8  where the frame's group starts in this file: a group was made durable at once,
//!                and the next one was written only after that (0 in an export)
//!      16     8  position of the body's first record; of the log's last record if it has none
//!      24     4  CRC32C of the body and its padding
//!      28     4  CRC32C of bytes 0 to 27
//!      32     -  body; 0 to 7 zero bytes; 'Z', so that the frame is a multiple of 8 bytes long
//! ```
//!
//! The header has a checksum of its own so that a length can be believed before the body is there.
//! The last byte is never zero: a frame that ends in zeros was cut off.

use super::fields::Malformed;

pub const HEADER_BYTES: usize = 32;
pub const ALIGNMENT: usize = 8;

/// The largest body: a unit with all limits reached stays below 2 MiB.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

const MAGIC: [u8; 2] = *b"CF";
const LAST_OF_BATCH: u8 = 1;
const CLOSING_BYTE: u8 = b'Z';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unit,
    Note,
    Seal,
    End,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Unit => b'U',
            Self::Note => b'N',
            Self::Seal => b'S',
            Self::End => b'E',
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'U' => Some(Self::Unit),
            b'N' => Some(Self::Note),
            b'S' => Some(Self::Seal),
            b'E' => Some(Self::End),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub last_of_batch: bool,
    pub body_len: usize,
    pub group_start: u64,
    pub position: u64,
    pub body_crc: u32,
}

impl Header {
    /// Reads a header and checks it, or says what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(Malformed::new("a frame header is cut off"));
        };
        if bytes[..2] != MAGIC {
            return Err(Malformed::new("no frame starts here"));
        }
        if u32_at(bytes, 28) != crc32c::crc32c(&bytes[..28]) {
            return Err(Malformed::new("the frame header's checksum is wrong"));
        }
        let kind = Kind::from_byte(bytes[2])
            .ok_or_else(|| Malformed(format!("unknown kind of frame {:#04x}", bytes[2])))?;
        if bytes[3] & !LAST_OF_BATCH != 0 {
            return Err(Malformed(format!("unknown flags of a frame {:#04x}", bytes[3])));
        }
        let body_len = usize::try_from(u32_at(bytes, 4)).unwrap_or(usize::MAX);
        if body_len > BODY_BYTES_MAX {
            return Err(Malformed(format!("a body of {body_len} bytes")));
        }
        Ok(Self {
            kind,
            last_of_batch: bytes[3] & LAST_OF_BATCH != 0,
            body_len,
            group_start: u64_at(bytes, 8),
            position: u64_at(bytes, 16),
            body_crc: u32_at(bytes, 24),
        })
    }

    /// Body and padding.
    pub const fn padded_len(&self) -> usize {
        padded(self.body_len)
    }

    pub const fn frame_len(&self) -> usize {
        HEADER_BYTES + self.padded_len()
    }

    /// Checks the body (with its padding) against this header.
    pub fn check(&self, padded_body: &[u8]) -> Result<(), Malformed> {
        if padded_body.len() != self.padded_len() {
            return Err(Malformed::new("the frame's body is cut off"));
        }
        if crc32c::crc32c(padded_body) != self.body_crc {
            return Err(Malformed::new("the frame's checksum is wrong"));
        }
        Ok(())
    }
}

/// There is always room for the closing byte.
pub const fn padded(length: usize) -> usize {
    (length + 1).next_multiple_of(ALIGNMENT)
}

/// Appends a frame to `out`; `body` writes what is in it.
#[expect(clippy::cast_possible_truncation, reason = "bodies are at most BODY_BYTES_MAX long")]
pub(crate) fn write(
    out: &mut Vec<u8>,
    kind: Kind,
    group_start: u64,
    position: u64,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    body(out);
    let body_start = start + HEADER_BYTES;
    let body_len = out.len() - body_start;
    assert!(body_len <= BODY_BYTES_MAX, "the limits keep bodies below {BODY_BYTES_MAX} bytes");
    out.resize(body_start + padded(body_len) - 1, 0);
    out.push(CLOSING_BYTE);
    let body_crc = crc32c::crc32c(&out[body_start..]);

    let mut header = [0; HEADER_BYTES];
    header[..2].copy_from_slice(&MAGIC);
    header[2] = kind.byte();
    header[4..8].copy_from_slice(&(body_len as u32).to_le_bytes());
    header[8..16].copy_from_slice(&group_start.to_le_bytes());
    header[16..24].copy_from_slice(&position.to_le_bytes());
    header[24..28].copy_from_slice(&body_crc.to_le_bytes());
    finish(&mut header);
    out[start..body_start].copy_from_slice(&header);
}

/// Marks the frame that starts at `start` as the last of its batch.
pub(crate) fn end_batch(out: &mut [u8], start: usize) {
    let mut header = [0; HEADER_BYTES];
    header.copy_from_slice(&out[start..start + HEADER_BYTES]);
    header[3] |= LAST_OF_BATCH;
    finish(&mut header);
    out[start..start + HEADER_BYTES].copy_from_slice(&header);
}

fn finish(header: &mut [u8; HEADER_BYTES]) {
    let crc = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, Kind::Unit, 7, 42, |out| out.extend_from_slice(body));
        out
    }

    #[test]
    fn a_frame_reads_back() {
        let mut bytes = frame(b"hello");
        end_batch(&mut bytes, 0);
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.kind, header.group_start, header.position), (Kind::Unit, 7, 42));
        assert!(header.last_of_batch);
        assert_eq!(bytes.len(), header.frame_len());
        assert_eq!(header.check(&bytes[HEADER_BYTES..]), Ok(()));
        assert_eq!(&bytes[HEADER_BYTES..HEADER_BYTES + header.body_len], b"hello");
    }

    #[test]
    fn every_single_flipped_bit_is_found() {
        let good = frame(b"a body that is not a multiple of eight");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let found = match Header::read(&bad) {
                Err(_) => true,
                Ok(header) => header.check(&bad[HEADER_BYTES..]).is_err(),
            };
            assert!(found, "bit {bit}");
        }
    }
}
