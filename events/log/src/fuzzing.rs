//! What the fuzzers and their corpus tests call: each reader of files, on bytes that anybody may
//! have written. None may panic, or allocate more than in proportion to what it was given.
//!
//! Checksums keep a fuzzer out of everything behind them, so each reader is given the bytes twice:
//! as they are, and with all checksums made right.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use carrel_model::ids::{CommandId, LogId};
use carrel_model::record::{Incarnation, Position, StreamId, Version};
use uuid::Uuid;

use crate::chain::Link;
use crate::disk::{Access, Disk, DiskFile, Entry, LockError};
use crate::embedded::chunk::{HEADER_BYTES, Header, Seal};
use crate::embedded::fuzzed::{read_index, scan_chunk};
use crate::format::frame::{self, BODY_BYTES_MAX};
use crate::format::unit;
use crate::portable::{self, Reading};

/// A unit's body.
pub fn decode_record(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    if let Ok(unit) = unit::read(&body, 1) {
        let total: usize = unit.records.iter().map(|record| record.data.len()).sum();
        assert!(total <= bytes.len(), "records have more data than there was");
    }
}

/// A chunk file behind its header.
pub fn read_chunk(bytes: &[u8]) {
    for frames in [bytes.to_vec(), with_frame_checksums(bytes)] {
        let mut file = header().write().to_vec();
        file.extend_from_slice(&frames);
        scan_chunk(&InMemory(Arc::new(file)), &header());
    }
    let _ = Header::read(&Bytes::copy_from_slice(bytes));
}

/// An export, header and all.
pub fn read_export(bytes: &[u8]) {
    let mut header = bytes.to_vec();
    header.resize(bytes.len().max(portable::HEADER_BYTES), 0);
    let rest = header.split_off(portable::HEADER_BYTES);
    let crc = crc32c::crc32c(&header[..portable::HEADER_BYTES - 4]).to_le_bytes();
    header[portable::HEADER_BYTES - 4..].copy_from_slice(&crc);
    header.extend_from_slice(&with_frame_checksums(&rest));
    for file in [bytes.to_vec(), header] {
        let file = InMemory(Arc::new(file));
        let Ok(mut reading) = Reading::begin(&file) else { continue };
        let mut last = Position::START;
        while let Ok(Some(unit)) = reading.next_unit() {
            for record in unit.records {
                assert_eq!(record.position, last.next(), "positions have a gap");
                last = record.position;
            }
        }
    }
}

/// An index file.
pub fn read_index_file(bytes: &[u8]) {
    let seal = Seal {
        number: 1,
        first: Position(1),
        last: Position(1_000),
        link: Link::START,
        incarnation: Incarnation(1),
        units: 1_000,
    };
    let stream = "machine/00000000-0000-0000-0000-000000000001"
        .parse::<StreamId>()
        .map(|id| (id, Version(0)));
    for file in [bytes.to_vec(), with_block_checksums(bytes)] {
        let disk: Arc<dyn Disk> = Arc::new(InMemory(Arc::new(file)));
        let command = CommandId::new(Uuid::from_u128(1));
        read_index(&disk, header().log_id, seal, command, stream.as_ref().ok());
    }
}

fn header() -> Header {
    Header {
        log_id: LogId::new(Uuid::from_u128(0)),
        number: 1,
        incarnation: Incarnation(1),
        first: Position(1),
        link: Link::START,
    }
}

/// Takes each frame's length as it stands and makes the checksums fit.
pub(crate) fn with_frame_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at + frame::HEADER_BYTES <= out.len() {
        let length = out[at + 4..].first_chunk().map_or(0, |raw| u32::from_le_bytes(*raw));
        let length = usize::try_from(length).unwrap_or(0) % BODY_BYTES_MAX;
        let length = length % (out.len() - at);
        let body = at + frame::HEADER_BYTES;
        let end = (body + frame::padded(length)).min(out.len());
        out[at..at + 2].copy_from_slice(b"CF");
        out[at + 4..at + 8].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
        let crc = crc32c::crc32c(&out[body..end]).to_le_bytes();
        out[at + 24..at + 28].copy_from_slice(&crc);
        let crc = crc32c::crc32c(&out[at..at + 28]).to_le_bytes();
        out[at + 28..at + 32].copy_from_slice(&crc);
        at = end;
    }
    out
}

fn with_block_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(bytes.len().next_multiple_of(HEADER_BYTES), 0);
    for block in out.chunks_mut(HEADER_BYTES) {
        let crc = crc32c::crc32c(&block[..HEADER_BYTES - 4]).to_le_bytes();
        block[HEADER_BYTES - 4..].copy_from_slice(&crc);
    }
    out
}

/// One file under every name, for reading.
#[derive(Clone, Debug)]
pub(crate) struct InMemory(pub(crate) Arc<Vec<u8>>);

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl DiskFile for InMemory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let count = buffer.len().min(self.0.len() - from);
        buffer[..count].copy_from_slice(&self.0[from..from + count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        unsupported()
    }

    fn sync_data(&self) -> io::Result<()> {
        unsupported()
    }

    fn sync_all(&self) -> io::Result<()> {
        unsupported()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        unsupported()
    }
}

impl Disk for InMemory {
    fn open(&self, _: &Path, _: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.clone()))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        unsupported()
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        unsupported()
    }

    fn lock(&self, _: &Path, _: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        Err(LockError::Io(io::ErrorKind::Unsupported.into()))
    }
}
