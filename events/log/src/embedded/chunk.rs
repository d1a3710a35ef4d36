//! A chunk file: a header, frames, and in the end a seal.
//!
//! ```text
//!  offset  size  header
//!       0    16  "CARREL LOG CHUNK"
//!      16     4  format, 1
//!      20     4  incarnation of what is appended from here on
//!      24    16  log id
//!      40     8  number of the chunk: 1, 2, 3 and so on
//!      48     8  position of its first record
//!      56    32  chain link before its first record
//!      88  4004  zero
//!    4092     4  CRC32C of bytes 0 to 4091
//!    4096     -  frames (format/frame.rs): units, notes, and last the seal
//! ```
//!
//! A chunk that is written to is filled with zeros to its full size beforehand, so that making a
//! group durable changes data only and no metadata of the file system. A sealed chunk ends right
//! behind its seal.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use carrel_model::ids::LogId;
use carrel_model::record::{Incarnation, Position};

use crate::chain::Link;
use crate::format::fields::{Fields, Malformed};
use crate::format::frame::{self, Kind};

pub const HEADER_BYTES: usize = 4096;
/// The same as a position in a file.
pub const HEADER_END: u64 = HEADER_BYTES as u64;
const MAGIC: [u8; 16] = *b"CARREL LOG CHUNK";
pub const FORMAT: u32 = 1;

/// Offsets within a chunk are kept in 32 bits.
pub const CHUNK_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// 100,000 events of 400 bytes: an unclean stop rewrites at most this much before serving.
pub const CHUNK_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub log_id: LogId,
    pub number: u64,
    pub incarnation: Incarnation,
    pub first: Position,
    /// The chain link before the first record.
    pub link: Link,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAHeader {
    Malformed(Malformed),
    /// Written by a later version of Carrel.
    Newer(u32),
}

impl Header {
    pub fn write(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..20].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.incarnation.0.to_le_bytes());
        bytes[24..40].copy_from_slice(self.log_id.as_bytes());
        bytes[40..48].copy_from_slice(&self.number.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[56..88].copy_from_slice(&self.link.0);
        let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &Bytes) -> Result<Self, NotAHeader> {
        let malformed = |what: &str| NotAHeader::Malformed(Malformed::new(what));
        if bytes.len() < HEADER_BYTES {
            return Err(malformed("the chunk header is cut off"));
        }
        let bytes = bytes.slice(..HEADER_BYTES);
        let mut crc = Fields::new(&bytes);
        crc.skip(HEADER_BYTES - 4).map_err(NotAHeader::Malformed)?;
        let crc = crc.u32().map_err(NotAHeader::Malformed)?;
        let mut fields = Fields::new(&bytes);
        if fields.array().map_err(NotAHeader::Malformed)? != MAGIC {
            return Err(malformed("this is not a chunk of a Carrel log"));
        }
        if crc != crc32c::crc32c(&bytes[..HEADER_BYTES - 4]) {
            return Err(malformed("the chunk header's checksum is wrong"));
        }
        let format = fields.u32().map_err(NotAHeader::Malformed)?;
        if format != FORMAT {
            return Err(NotAHeader::Newer(format));
        }
        Self::read_fields(&mut fields).map_err(NotAHeader::Malformed)
    }

    fn read_fields(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            incarnation: Incarnation(fields.u32()?),
            log_id: LogId::from_bytes(fields.array()?),
            number: fields.u64()?,
            first: Position(fields.u64()?),
            link: Link(fields.array()?),
        })
    }
}

/// What the last frame of a sealed chunk says of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    pub number: u64,
    pub first: Position,
    /// Before `first` if the chunk holds no record.
    pub last: Position,
    pub link: Link,
    pub incarnation: Incarnation,
    pub units: u64,
}

const SEAL_BODY_BYTES: usize = 8 + 8 + 8 + 32 + 4 + 8;
pub const SEAL_FRAME_BYTES: usize = frame::HEADER_BYTES + frame::padded(SEAL_BODY_BYTES);

impl Seal {
    pub(crate) fn write(&self, out: &mut Vec<u8>, group_start: u64) {
        let start = out.len();
        frame::write(out, Kind::Seal, group_start, self.last.0, |out| {
            out.extend_from_slice(&self.number.to_le_bytes());
            out.extend_from_slice(&self.first.0.to_le_bytes());
            out.extend_from_slice(&self.last.0.to_le_bytes());
            out.extend_from_slice(&self.link.0);
            out.extend_from_slice(&self.incarnation.0.to_le_bytes());
            out.extend_from_slice(&self.units.to_le_bytes());
        });
        frame::end_batch(out, start);
    }

    pub fn read(body: &Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let seal = Self {
            number: fields.u64()?,
            first: Position(fields.u64()?),
            last: Position(fields.u64()?),
            link: Link(fields.array()?),
            incarnation: Incarnation(fields.u32()?),
            units: fields.u64()?,
        };
        fields.end()?;
        Ok(seal)
    }
}

/// Where the files of a log are.
#[derive(Clone, Debug)]
pub struct Layout {
    pub dir: PathBuf,
}

impl Layout {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub fn chunks(&self) -> PathBuf {
        self.dir.join("chunks")
    }

    pub fn chunk(&self, number: u64) -> PathBuf {
        self.chunks().join(format!("{number:010}.chunk"))
    }

    pub fn index(&self, number: u64) -> PathBuf {
        self.chunks().join(format!("{number:010}.index"))
    }

    /// Says where an archived chunk is now.
    pub fn moved(&self, number: u64) -> PathBuf {
        self.chunks().join(format!("{number:010}.moved"))
    }

    /// The next chunk, filled with zeros, before it has a number.
    pub fn prepared(&self) -> PathBuf {
        self.chunks().join("next.prepared")
    }

    /// A file on its way to its final name.
    pub fn unfinished(&self, name: &str) -> PathBuf {
        self.chunks().join(format!("{name}.unfinished"))
    }

    pub fn snapshots(&self) -> PathBuf {
        self.dir.join("snapshots")
    }

    pub fn catalogue(&self) -> PathBuf {
        self.dir.join("catalogue")
    }

    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// What a repair is going to do, as long as it is not done.
    pub fn repair(&self) -> PathBuf {
        self.dir.join("repair")
    }

    /// What the n-th repair cut off.
    pub fn cut(&self, number: u64) -> PathBuf {
        self.dir.join(format!("cut-{number}"))
    }

    /// Where the log ended when it was last closed in order.
    pub fn clean_stop(&self) -> PathBuf {
        self.dir.join("clean-stop")
    }
}

/// The number in a file name such as `0000000001.chunk`.
pub(crate) fn numbered(name: &str, extension: &str) -> Option<u64> {
    let number = name.strip_suffix(extension)?.strip_suffix('.')?;
    let digits = number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit());
    if digits { number.parse().ok() } else { None }
}
