//! The mark of a clean stop: where the log ended when it was last closed in order.
//!
//! If the last chunk still ends just there, the page cache need not be doubted. If it ends before,
//! or is not there, what is missing was on disk: it is damage and not a write that was torn.
//!
//! ```text
//!  offset  size
//!       0    16  "CARREL LOG STOP\0"
//!      16    16  log id
//!      32     8  number of the last chunk
//!      40     8  where its last frame ends
//!      48    32  chain link of the last record
//!      80     4  CRC32C of bytes 0 to 79
//! ```

use std::io;

use carrel_model::ids::LogId;

use super::chunk::Layout;
use super::durable::replace;
use crate::chain::Link;
use crate::disk::{Access, Disk};
use crate::error::ReadError;

const MAGIC: [u8; 16] = *b"CARREL LOG STOP\0";
const BYTES: usize = 84;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CleanStop {
    pub(crate) log_id: LogId,
    pub(crate) number: u64,
    pub(crate) end_offset: u64,
    pub(crate) link: Link,
}

/// What stands where the mark should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    None,
    Malformed,
    Whole(CleanStop),
}

impl CleanStop {
    pub(crate) fn leave(&self, disk: &dyn Disk, layout: &Layout) -> Result<(), ReadError> {
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..32].copy_from_slice(self.log_id.as_bytes());
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.end_offset.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.link.0);
        let crc = crc32c::crc32c(&bytes[..80]);
        bytes[80..].copy_from_slice(&crc.to_le_bytes());
        let path = layout.clean_stop();
        replace(disk, &path, &bytes).map_err(ReadError::io("could not write", &path))
    }

    /// A mark that is not whole is none.
    pub(crate) fn find(disk: &dyn Disk, layout: &Layout) -> Result<Option<Self>, ReadError> {
        match Self::look(disk, layout)? {
            Mark::Whole(stop) => Ok(Some(stop)),
            Mark::None | Mark::Malformed => Ok(None),
        }
    }

    pub(crate) fn look(disk: &dyn Disk, layout: &Layout) -> Result<Mark, ReadError> {
        let path = layout.clean_stop();
        let file = match disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Mark::None),
            Err(error) => return Err(ReadError::io("could not open", &path)(error)),
        };
        let mut bytes = [0; BYTES];
        let filled = file.read_at(&mut bytes, 0).map_err(ReadError::io("could not read", &path))?;
        let whole = filled == BYTES
            && bytes[..16] == MAGIC
            && bytes[80..] == crc32c::crc32c(&bytes[..80]).to_le_bytes();
        Ok(if whole { Mark::Whole(Self::read(&bytes)) } else { Mark::Malformed })
    }

    fn read(bytes: &[u8; BYTES]) -> Self {
        let number =
            |at: usize| bytes[at..].first_chunk().map_or(0, |raw| u64::from_le_bytes(*raw));
        let (mut log_id, mut link) = ([0; 16], [0; 32]);
        log_id.copy_from_slice(&bytes[16..32]);
        link.copy_from_slice(&bytes[48..80]);
        let log_id = LogId::from_bytes(log_id);
        Self { log_id, number: number(32), end_offset: number(40), link: Link(link) }
    }
}
