//! A whole log in one file, to keep elsewhere or to move to another machine or adapter.
//!
//! ```text
//!  offset  size  header
//!       0    16  "CARREL EXPORT\0\0\0"
//!      16     4  format, 1
//!      20     4  incarnation of the log when the export began
//!      24    16  log id
//!      40     8  last position when the export began: the export ends there
//!      48    32  chain link of that position
//!      80    12  zero
//!      92     4  CRC32C of bytes 0 to 91
//!      96     -  frames (format/frame.rs): units, and last the end; no groups, no batches
//!
//!    size  body of the end
//!       8  last position
//!      32  chain link of the last record
//!       8  number of units
//! ```
//!
//! The frames of units hold what those of chunks do (format/unit.rs); their group start is 0, and
//! each ends its own batch. Cursors, leases and snapshots are not in an export: they belong to the
//! processes around a log, not to what happened.
//!
//! [`export`] and [`import`] go on where they were interrupted; [`check`] reads a file through.

mod export;
mod import;
mod reading;

use bytes::Bytes;
use carrel_model::ids::LogId;
use carrel_model::record::{Incarnation, Position};

pub use self::export::{ExportError, Exported, export};
pub use self::import::{ImportError, Imported, check, import, read_header};
pub use self::reading::{Reading, ReadingError};

use crate::chain::Link;
use crate::format::fields::{Fields, Malformed};
use crate::format::frame::{self, Kind};

const MAGIC: [u8; 16] = *b"CARREL EXPORT\0\0\0";
pub const FORMAT: u32 = 1;
pub const HEADER_BYTES: usize = 96;
const CRC_AT: usize = HEADER_BYTES - 4;
const CLOSING_BODY_BYTES: usize = 8 + 32 + 8;
pub const CLOSING_FRAME_BYTES: usize = frame::HEADER_BYTES + frame::padded(CLOSING_BODY_BYTES);

/// What an export says of the log that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub log_id: LogId,
    pub incarnation: Incarnation,
    /// The export ends here.
    pub position: Position,
    pub link: Link,
}

impl Header {
    pub fn write(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..20].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.incarnation.0.to_le_bytes());
        bytes[24..40].copy_from_slice(self.log_id.as_bytes());
        bytes[40..48].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.link.0);
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some(bytes) = bytes.get(..HEADER_BYTES) else {
            return Err(Malformed::new("the header of the export is cut off"));
        };
        if bytes[..16] != MAGIC {
            return Err(Malformed::new("this is not an export of a Carrel log"));
        }
        if bytes[CRC_AT..] != crc32c::crc32c(&bytes[..CRC_AT]).to_le_bytes() {
            return Err(Malformed::new("the checksum of the export's header is wrong"));
        }
        let bytes = Bytes::copy_from_slice(&bytes[16..CRC_AT]);
        let mut fields = Fields::new(&bytes);
        let format = fields.u32()?;
        if format != FORMAT {
            let what = format!("format {format} of an export, this version knows {FORMAT}");
            return Err(Malformed(what));
        }
        Ok(Self {
            incarnation: Incarnation(fields.u32()?),
            log_id: LogId::from_bytes(fields.array()?),
            position: Position(fields.u64()?),
            link: Link(fields.array()?),
        })
    }
}

/// What the last frame of a finished export says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    pub position: Position,
    pub link: Link,
    pub units: u64,
}

impl Closing {
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        frame::write(out, Kind::End, 0, self.position.0, |out| {
            out.extend_from_slice(&self.position.0.to_le_bytes());
            out.extend_from_slice(&self.link.0);
            out.extend_from_slice(&self.units.to_le_bytes());
        });
        frame::end_batch(out, start);
    }

    pub fn read(body: &Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let closing = Self {
            position: Position(fields.u64()?),
            link: Link(fields.array()?),
            units: fields.u64()?,
        };
        fields.end()?;
        Ok(closing)
    }
}
