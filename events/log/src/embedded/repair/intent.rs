//! What a repair is going to do, written down before it does it.
//!
//! ```text
//!  offset  size
//!       0    16  "CARREL REPAIR\0\0\0"
//!      16     8  position that the log will end at
//!      24     4  incarnation afterwards
//!      28     8  number of the chunk that will be the last
//!      36     8  where in it the last batch ends
//!      44     8  number of the directory for what is cut
//!      52     8  records that are cut, as far as they could be read
//!      60     8  the last of them; 0 if there is none
//!      68    16  times of the first and the last of them
//!      84     4  number of chunks that are damaged or missing
//!      88    8n  their numbers
//!       -     4  length of the notes
//!       -     -  frames of the notes that are in force afterwards, as the chunk will have them
//!       -     4  CRC32C of everything before
//! ```

use std::io;

use bytes::Bytes;
use carrel_model::record::{Incarnation, Position, Timestamp};

use super::super::chunk::Layout;
use super::super::durable::replace;
use super::Cut;
use crate::disk::{Access, Disk};
use crate::error::{Damage, ReadError};
use crate::format::fields::{Fields, Malformed, put_sized_bytes};

const MAGIC: [u8; 16] = *b"CARREL REPAIR\0\0\0";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Intent {
    pub(super) position: Position,
    pub(super) incarnation: Incarnation,
    pub(super) chunk: u64,
    pub(super) end_offset: u64,
    pub(super) aside: u64,
    pub(super) cut: Cut,
    /// Frames of notes that go behind the last batch.
    pub(super) notes: Bytes,
}

impl Intent {
    pub(super) fn write(&self, disk: &dyn Disk, layout: &Layout) -> Result<(), ReadError> {
        let path = layout.repair();
        let mut out = MAGIC.to_vec();
        let (first_at, last_at) = self.cut.times.unwrap_or_default();
        out.extend_from_slice(&self.position.0.to_le_bytes());
        out.extend_from_slice(&self.incarnation.0.to_le_bytes());
        out.extend_from_slice(&self.chunk.to_le_bytes());
        out.extend_from_slice(&self.end_offset.to_le_bytes());
        out.extend_from_slice(&self.aside.to_le_bytes());
        out.extend_from_slice(&self.cut.records.to_le_bytes());
        out.extend_from_slice(&self.cut.last.unwrap_or_default().0.to_le_bytes());
        out.extend_from_slice(&first_at.0.to_le_bytes());
        out.extend_from_slice(&last_at.0.to_le_bytes());
        let damaged: Vec<u8> = self.cut.damaged.iter().flat_map(|it| it.to_le_bytes()).collect();
        put_sized_bytes(&mut out, &damaged);
        put_sized_bytes(&mut out, &self.notes);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        replace(disk, &path, &out).map_err(ReadError::io("could not write", &path))
    }

    /// A repair that was begun and not finished.
    pub(super) fn find(disk: &dyn Disk, layout: &Layout) -> Result<Option<Self>, ReadError> {
        let path = layout.repair();
        let io = |action| ReadError::io(action, &path);
        let file = match disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("could not open")(error)),
        };
        let length = file.len().map_err(io("could not measure"))?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let filled = file.read_at(&mut bytes, 0).map_err(io("could not read"))?;
        bytes.truncate(filled);
        Self::read(&Bytes::from(bytes)).map(Some).map_err(|malformed| {
            let what = malformed.0;
            Damage { path: path.clone(), offset: 0, position: Position::START, what }.into()
        })
    }

    fn read(bytes: &Bytes) -> Result<Self, Malformed> {
        let body = bytes.len().saturating_sub(4);
        if bytes[body..] != crc32c::crc32c(&bytes[..body]).to_le_bytes() {
            return Err(Malformed::new("the checksum of what a repair was to do is wrong"));
        }
        let body = bytes.slice(..body);
        let mut fields = Fields::new(&body);
        if fields.array()? != MAGIC {
            return Err(Malformed::new("this is not what a repair was to do"));
        }
        let position = Position(fields.u64()?);
        let incarnation = Incarnation(fields.u32()?);
        let (chunk, end_offset, aside) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (records, last) = (fields.u64()?, Position(fields.u64()?));
        let times = (Timestamp(fields.i64()?), Timestamp(fields.i64()?));
        let damaged = fields.sized_bytes()?;
        let damaged = damaged.as_chunks().0.iter().map(|raw| u64::from_le_bytes(*raw)).collect();
        let notes = fields.sized_bytes()?;
        fields.end()?;
        let found = records > 0;
        let cut =
            Cut { records, last: found.then_some(last), times: found.then_some(times), damaged };
        Ok(Self { position, incarnation, chunk, end_offset, aside, cut, notes })
    }
}

/// Where an unfinished repair will have the log end.
pub(crate) fn unfinished(disk: &dyn Disk, layout: &Layout) -> Result<Option<Position>, ReadError> {
    Ok(Intent::find(disk, layout)?.map(|intent| intent.position))
}
