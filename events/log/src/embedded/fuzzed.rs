//! The readers of this adapter's files, as `crate::fuzzing` calls them.

use std::path::Path;
use std::sync::Arc;

use carrel_model::ids::{CommandId, LogId};
use carrel_model::record::{StreamId, Version};

use super::chunk::{Header, Seal};
use super::index::{Identity, SealedIndex};
use super::scan::scan;
use crate::disk::{Access, Disk, DiskFile};

pub(crate) fn scan_chunk(file: &dyn DiskFile, header: &Header) {
    let mut last = header.first.0 - 1;
    let scanned = scan(file, Path::new("chunk"), header, |_, records| {
        for record in records {
            last += 1;
            assert_eq!(record.position.0, last, "positions have a gap");
        }
    });
    if let Ok(scanned) = scanned {
        assert_eq!(scanned.end.position.0, last, "the end is not the last record seen");
    }
}

pub(crate) fn read_index(
    disk: &Arc<dyn Disk>,
    log_id: LogId,
    seal: Seal,
    command: CommandId,
    stream: Option<&(StreamId, Version)>,
) {
    let path = Path::new("index");
    let Ok(length) = disk.open(path, Access::Read).and_then(|file| file.len()) else { return };
    let identity = Identity { log_id, seal, chunk_bytes: length };
    let Ok(index) = SealedIndex::open(disk, path, &identity) else { return };
    let _ = index.command(command);
    let Some((stream, _)) = stream else { return };
    if let Ok(Some(entry)) = index.stream(stream) {
        for skip in [0, 1, entry.count / 2, entry.count] {
            let _ = index.postings(&entry, skip);
        }
    }
}
