//! Brings an export into a log. Run again, it goes on at the end of what the log has.

use std::io;
use std::path::{Path, PathBuf};

use carrel_model::ids::LogId;
use carrel_model::record::{CommandUnit, Incarnation, NewRecord, Position};

use super::reading::{Reading, ReadingError};
use super::{CLOSING_FRAME_BYTES, Closing, Header};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{AppendError, ReadError, TooLarge};
use crate::format::frame::Kind;
use crate::format::reader::frame_at;
use crate::format::unit::{self, Unit};
use crate::limits::BATCH_UNITS_MAX;
use crate::port::{EventLog, Head, PlacedUnit};
use crate::verify::Progress;

/// Imported at once: enough that syncing costs little, a quarter of what a batch may have.
const BATCH_BYTES: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("could not read {path}: {cause}")]
    Io { path: PathBuf, cause: String },
    #[error("{path} is damaged or not an export: {what}")]
    Malformed { path: PathBuf, what: String },
    #[error("{path} is not finished; run the export again to finish it")]
    Unfinished { path: PathBuf },
    #[error("the export is of log {export}, but this is log {target}; import into a new log")]
    OtherLog { export: LogId, target: LogId },
    #[error(
        "this log is not a part of the export: it ends at position {position}, and the export has something else there"
    )]
    NotAPart { position: Position },
    #[error("this log ends at position {target}, behind the export's end at {export}")]
    GoneOn { export: Position, target: Position },
    /// It is a log of its own since.
    #[error(
        "nothing to do: the import was finished before (this log is at incarnation {target}, the export at {export})"
    )]
    Finished { export: Incarnation, target: Incarnation },
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The log's end now.
    pub head: Head,
    /// What it had already of an import that was interrupted.
    pub resumed_after: Position,
    pub records: u64,
}

/// The header of an export, so that a log can be begun with its id.
pub fn read_header(disk: &dyn Disk, path: &Path) -> Result<Header, ImportError> {
    let file = disk.open(path, Access::Read).map_err(failed(path))?;
    let header = *Reading::begin(&*file).map_err(|error| unreadable(path, error))?.header();
    if closing(&*file).is_none() {
        return Err(ImportError::Unfinished { path: path.to_owned() });
    }
    Ok(header)
}

/// Reads a finished export through, and checks all of it.
pub fn check(
    disk: &dyn Disk,
    path: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Closing, ImportError> {
    let file = disk.open(path, Access::Read).map_err(failed(path))?;
    let total = file.len().map_err(failed(path))?;
    let mut reading = Reading::begin(&*file).map_err(|error| unreadable(path, error))?;
    while next(&mut reading, path)?.is_some() {
        progress(Progress { done: reading.offset(), total });
    }
    Ok(Closing { position: reading.position(), link: reading.link(), units: reading.units() })
}

/// Imports an export into a log that is empty, or that holds what an earlier call brought in; then
/// makes it a log of its own by raising its incarnation above that of the log it came from. The
/// file is read on the calling thread.
pub async fn import(
    log: &dyn EventLog,
    disk: &dyn Disk,
    path: &Path,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Imported, ImportError> {
    let header = read_header(disk, path)?;
    let head = log.head().await?;
    takes(&head, &header)?;
    let file = disk.open(path, Access::Read).map_err(failed(path))?;
    let total = file.len().map_err(failed(path))?;
    let mut reading = Reading::begin(&*file).map_err(|error| unreadable(path, error))?;
    while reading.position() < head.position {
        next(&mut reading, path)?;
        progress(Progress { done: reading.offset(), total });
    }
    if (reading.position(), reading.link()) != (head.position, head.link) {
        return Err(ImportError::NotAPart { position: head.position });
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(unit) = next(&mut reading, path)? {
        let placed = placed(unit);
        let length = unit::encoded_len(&placed.unit);
        if bytes + length > BATCH_BYTES || batch.len() == BATCH_UNITS_MAX {
            write(log, std::mem::take(&mut batch)).await?;
            bytes = 0;
            progress(Progress { done: reading.offset(), total });
        }
        bytes += length;
        batch.push(placed);
    }
    write(log, batch).await?;
    progress(Progress { done: total, total });
    Ok(Imported {
        head: finish(log, &header).await?,
        resumed_after: head.position,
        records: header.position.0 - head.position.0,
    })
}

/// Whether a log that ends like this may be empty or a part of the export.
fn takes(head: &Head, header: &Header) -> Result<(), ImportError> {
    if head.log_id != header.log_id {
        return Err(ImportError::OtherLog { export: header.log_id, target: head.log_id });
    }
    if head.incarnation > header.incarnation {
        let (export, target) = (header.incarnation, head.incarnation);
        return Err(ImportError::Finished { export, target });
    }
    if head.position > header.position {
        let (export, target) = (header.position, head.position);
        return Err(ImportError::GoneOn { export, target });
    }
    Ok(())
}

fn next(reading: &mut Reading<'_>, path: &Path) -> Result<Option<Unit>, ImportError> {
    reading.next_unit().map_err(|error| unreadable(path, error))
}

async fn write(log: &dyn EventLog, mut units: Vec<PlacedUnit>) -> Result<(), ImportError> {
    while !units.is_empty() {
        match log.import(units.clone()).await {
            Ok(_) => return Ok(()),
            // A log of very small chunks takes less at once.
            Err(AppendError::TooLarge(TooLarge::Batch { .. })) if units.len() > 1 => {
                let rest = units.split_off(units.len() / 2);
                let end = log.head().await?.position;
                units.retain(|placed| placed.first > end);
                Box::pin(write(log, units)).await?;
                let end = log.head().await?.position;
                units = rest;
                units.retain(|placed| placed.first > end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The log's own incarnation may be behind the export's: it knows those of its records only.
async fn finish(log: &dyn EventLog, header: &Header) -> Result<Head, ImportError> {
    loop {
        let head = log.finish_import().await?;
        if head.incarnation > header.incarnation {
            return Ok(head);
        }
    }
}

fn placed(unit: Unit) -> PlacedUnit {
    let Unit { records, link } = unit;
    // A unit that was read has a record at least.
    let header = std::sync::Arc::clone(&records[0].unit);
    let first = records[0].position;
    let records = records.into_iter().map(|record| NewRecord {
        stream: record.stream,
        event_id: record.event_id,
        kind: record.kind,
        schema: record.schema,
        data: record.data,
    });
    let unit = CommandUnit {
        command_id: header.command_id,
        fingerprint: header.fingerprint,
        origin: header.origin.clone(),
        records: records.collect(),
    };
    PlacedUnit { unit, first, incarnation: header.incarnation, link }
}

/// The end of the export, if it was finished.
fn closing(file: &dyn DiskFile) -> Option<Closing> {
    let offset = file.len().ok()?.checked_sub(CLOSING_FRAME_BYTES as u64)?;
    let frame = frame_at(file, offset).ok().filter(|frame| frame.header.kind == Kind::End)?;
    Closing::read(&frame.body).ok()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ImportError {
    move |error| ImportError::Io { path: path.to_owned(), cause: error.to_string() }
}

fn unreadable(path: &Path, error: ReadingError) -> ImportError {
    let path = path.to_owned();
    match error {
        ReadingError::Unfinished { .. } => ImportError::Unfinished { path },
        ReadingError::Malformed { .. } => ImportError::Malformed { path, what: error.to_string() },
        ReadingError::Io(error) => ImportError::Io { path, cause: error.to_string() },
    }
}
