//! One snapshot in a file.
//!
//! ```text
//!  offset  size
//!       0    16  "CARREL FLEET\0\0\0\0"
//!      16     4  format, 1
//!      20     4  incarnation of the log
//!      24    16  the model, in hexadecimal digits
//!      40    16  id of the log
//!      56     8  position
//!      64    32  chain link at that position
//!      96     8  time of the last fact, in microseconds
//!     104     8  length of the fleet
//!     112     4  CRC32C of the fleet
//!     116     4  CRC32C of bytes 0 to 115
//!     120     -  the fleet, JSON
//! ```
//!
//! Numbers are little-endian. The header is written last: it says what was written.

use std::io::{self, Write};
use std::path::Path;

use carrel_failpoint::{Point, reached};
use carrel_log::chain::Link;
use carrel_log::disk::{Access, Disk, DiskFile};
use carrel_log::limits::SNAPSHOT_BYTES_MAX;
use carrel_model::fleet::{Fleet, MODEL};
use carrel_model::ids::LogId;
use carrel_model::record::{Incarnation, Position, Timestamp};

use crate::fold::Standing;
use crate::limits::SNAPSHOT_PIECE_BYTES;

const MAGIC: [u8; 16] = *b"CARREL FLEET\0\0\0\0";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 120;
const CHECKED_BYTES: usize = 116;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Of {
    pub(super) log_id: LogId,
    pub(super) incarnation: Incarnation,
    pub(super) position: Position,
    pub(super) link: Link,
    pub(super) at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) of: Of,
    bytes: u64,
    crc: u32,
}

/// Why a file is passed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is no snapshot")]
    NoSnapshot,
    #[error("it has the format {given}, and this version knows {FORMAT}")]
    Format { given: u32 },
    #[error("another version of Carrel wrote it")]
    OtherModel,
    #[error("it is of another log, {0}")]
    OtherLog(LogId),
    #[error("it is of the log's incarnation {given}, and that is {ours} now")]
    OtherIncarnation { given: Incarnation, ours: Incarnation },
    #[error("it goes beyond the end of the log")]
    BeyondEnd,
    #[error("it is of another past than the log's")]
    OtherPast,
    #[error("it says that it is of position {0}")]
    OtherPosition(Position),
    #[error("it has {given} bytes, of {wanted}")]
    Torn { given: u64, wanted: u64 },
    #[error("its checksum does not fit")]
    Damaged,
    #[error("there is no fleet in it: {0}")]
    NoFleet(#[from] serde_json::Error),
}

impl Header {
    fn written(&self) -> Vec<u8> {
        let Self { of, bytes, crc } = self;
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&of.incarnation.0.to_le_bytes());
        header.extend_from_slice(MODEL.as_bytes());
        header.extend_from_slice(of.log_id.as_bytes());
        header.extend_from_slice(&of.position.0.to_le_bytes());
        header.extend_from_slice(&of.link.0);
        header.extend_from_slice(&of.at.0.to_le_bytes());
        header.extend_from_slice(&bytes.to_le_bytes());
        header.extend_from_slice(&crc.to_le_bytes());
        header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
        header
    }

    fn read(header: &[u8; HEADER_BYTES]) -> Result<Self, Unusable> {
        if field::<16>(header, 0) != MAGIC {
            return Err(Unusable::NoSnapshot);
        }
        let given = u32::from_le_bytes(field(header, 16));
        if given != FORMAT {
            return Err(Unusable::Format { given });
        }
        let crc = u32::from_le_bytes(field(header, CHECKED_BYTES));
        if crc32c::crc32c(&header[..CHECKED_BYTES]) != crc {
            return Err(Unusable::Damaged);
        }
        if field::<16>(header, 24) != MODEL.as_bytes() {
            return Err(Unusable::OtherModel);
        }
        let of = Of {
            incarnation: Incarnation(u32::from_le_bytes(field(header, 20))),
            log_id: LogId::from_bytes(field(header, 40)),
            position: Position(u64::from_le_bytes(field(header, 56))),
            link: Link(field(header, 64)),
            at: Timestamp(i64::from_le_bytes(field(header, 96))),
        };
        let bytes = u64::from_le_bytes(field(header, 104));
        Ok(Self { of, bytes, crc: u32::from_le_bytes(field(header, 112)) })
    }
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&header[at..at + N]);
    field
}

/// What the file says that it is.
pub(super) fn look(disk: &dyn Disk, path: &Path) -> Result<Header, Unusable> {
    let file = disk.open(path, Access::Read)?;
    let mut header = [0; HEADER_BYTES];
    let read = file.read_at(&mut header, 0)?;
    if read < HEADER_BYTES {
        return Err(Unusable::Torn { given: read as u64, wanted: HEADER_BYTES as u64 });
    }
    let header = Header::read(&header)?;
    let (given, wanted) = (file.len()?, header.bytes.saturating_add(HEADER_BYTES as u64));
    if given != wanted || header.bytes > SNAPSHOT_BYTES_MAX {
        return Err(Unusable::Torn { given, wanted });
    }
    Ok(header)
}

/// The fleet that the header speaks of.
pub(super) fn load(disk: &dyn Disk, path: &Path, header: &Header) -> Result<Standing, Unusable> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(header.bytes).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, HEADER_BYTES as u64)?;
    if read < bytes.len() || crc32c::crc32c(&bytes) != header.crc {
        return Err(Unusable::Damaged);
    }
    let Of { position, at, .. } = header.of;
    Ok(Standing { fleet: Fleet::from_snapshot(&bytes)?, position, at })
}

/// Writes a snapshot that lasts under this name, or nothing does.
pub(super) fn save(disk: &dyn Disk, path: &Path, of: Of, fleet: &Fleet) -> io::Result<()> {
    let unfinished = path.with_file_name(super::UNFINISHED);
    match disk.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(&unfinished, Access::Create)?;
    let mut body = Body::behind_the_header(&*file);
    fleet.write_snapshot(&mut body)?;
    body.flush()?;
    reached(Point::SnapshotBody);
    let header = Header { of, bytes: body.at - HEADER_BYTES as u64, crc: body.crc };
    file.write_all_at(&header.written(), 0)?;
    file.sync_all()?;
    reached(Point::SnapshotSynced);
    disk.rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}

/// Gathers what is written, so that the disk is asked for large pieces only.
struct Body<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    crc: u32,
    piece: Vec<u8>,
}

impl<'a> Body<'a> {
    fn behind_the_header(file: &'a dyn DiskFile) -> Self {
        let piece = Vec::with_capacity(SNAPSHOT_PIECE_BYTES);
        Self { file, at: HEADER_BYTES as u64, crc: 0, piece }
    }
}

impl Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() >= SNAPSHOT_PIECE_BYTES {
            self.flush()?;
        }
        let fits = bytes.len().min(SNAPSHOT_PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.at + self.piece.len() as u64 > HEADER_BYTES as u64 + SNAPSHOT_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.file.write_all_at(&self.piece, self.at)?;
        self.crc = crc32c::crc32c_append(self.crc, &self.piece);
        self.at += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}
