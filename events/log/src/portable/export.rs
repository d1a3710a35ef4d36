//! Writes a log into a file. Run again, it goes on behind the last whole frame of a file that it
//! did not finish.

use std::io;
use std::path::{Path, PathBuf};

use carrel_model::ids::LogId;
use carrel_model::record::{Position, Record};

use super::reading::{Reading, ReadingError};
use super::{Closing, HEADER_BYTES, Header, MAGIC};
use crate::ahead::{Units, each_page};
use crate::chain::{self, End};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::ReadError;
use crate::format::unit;
use crate::port::{EventLog, PageLimit};
use crate::verify::Progress;

/// Written at once.
const WRITE_BYTES: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("could not write {path}: {cause}")]
    Io { path: PathBuf, cause: String },
    #[error("{path} is there already and is not an unfinished export: {what}")]
    NotAnExport { path: PathBuf, what: String },
    #[error("{path} is an export of log {theirs}; this is log {ours}")]
    OtherLog { path: PathBuf, theirs: LogId, ours: LogId },
    #[error(
        "{path} was begun on another past of this log (they differ at or before position {at}); begin a new export"
    )]
    OtherPast { path: PathBuf, at: Position },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    pub header: Header,
    /// The file was begun earlier and held everything up to here.
    pub resumed_after: Option<Position>,
    pub units: u64,
    pub bytes: u64,
}

/// Exports a log up to where it ends now, or up to where the export was to end that `path` was
/// begun as. The file is written on the calling thread.
pub async fn export(
    log: &dyn EventLog,
    disk: &dyn Disk,
    path: &Path,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Exported, ExportError> {
    let mut writing = match disk.open(path, Access::ReadWrite) {
        Ok(file) if is_blank(&*file).map_err(failed(path))? => {
            Writing::begin(log, file, path).await?
        }
        Ok(file) => Writing::resume(log, file, path).await?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = disk.open(path, Access::Create).map_err(failed(path))?;
            Writing::begin(log, file, path).await?
        }
        Err(error) => return Err(failed(path)(error)),
    };
    if !writing.finished {
        writing.units(log, &mut progress).await?;
        writing.finish()?;
    }
    writing.file.sync_all().map_err(failed(path))?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        disk.sync_dir(dir).map_err(failed(dir))?;
    }
    let Writing { header, resumed_after, units, offset, .. } = writing;
    Ok(Exported { header, resumed_after, units, bytes: offset })
}

struct Writing<'a> {
    path: &'a Path,
    file: Box<dyn DiskFile>,
    header: Header,
    end: End,
    units: u64,
    /// Where the buffered bytes go.
    offset: u64,
    buffer: Vec<u8>,
    resumed_after: Option<Position>,
    finished: bool,
    scratch: Vec<u8>,
}

impl<'a> Writing<'a> {
    async fn begin(
        log: &dyn EventLog,
        file: Box<dyn DiskFile>,
        path: &'a Path,
    ) -> Result<Self, ExportError> {
        let head = log.head().await?;
        let header = Header {
            log_id: head.log_id,
            incarnation: head.incarnation,
            position: head.position,
            link: head.link,
        };
        file.write_all_at(&header.write(), 0).map_err(failed(path))?;
        file.sync_all().map_err(failed(path))?;
        Ok(Self {
            path,
            file,
            header,
            end: End::START,
            units: 0,
            offset: HEADER_BYTES as u64,
            buffer: Vec::new(),
            resumed_after: None,
            finished: false,
            scratch: Vec::new(),
        })
    }

    /// Takes up a file where its last whole frame ends.
    async fn resume(
        log: &dyn EventLog,
        file: Box<dyn DiskFile>,
        path: &'a Path,
    ) -> Result<Self, ExportError> {
        let mut reading = Reading::begin(&*file).map_err(|error| not_an_export(path, &error))?;
        let header = *reading.header();
        let head = log.head().await?;
        if header.log_id != head.log_id {
            let (theirs, ours) = (header.log_id, head.log_id);
            return Err(ExportError::OtherLog { path: path.to_owned(), theirs, ours });
        }
        let mut last = None;
        let (mut offset, mut end) = (reading.offset(), End::START);
        let finished = loop {
            match reading.next_unit() {
                Ok(Some(unit)) => last = unit.records.into_iter().next_back(),
                Ok(None) => break true,
                // What is not whole is written again.
                Err(ReadingError::Unfinished { .. } | ReadingError::Malformed { .. }) => {
                    break false;
                }
                Err(ReadingError::Io(error)) => return Err(failed(path)(error)),
            }
            offset = reading.offset();
            end = End { position: reading.position(), link: reading.link() };
        };
        let (units, reached) = (reading.units(), reading.offset());
        drop(reading);
        same_past(log, path, &header, last.as_ref()).await?;
        if !finished {
            file.set_len(offset).map_err(failed(path))?;
        }
        Ok(Self {
            path,
            file,
            header,
            end,
            units,
            offset: if finished { reached } else { offset },
            buffer: Vec::new(),
            resumed_after: Some(end.position),
            finished,
            scratch: Vec::new(),
        })
    }

    async fn units(
        &mut self,
        log: &dyn EventLog,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), ExportError> {
        let total = self.header.position.0;
        let mut units = Units::default();
        each_page(log, self.end.position, |page| {
            for record in page.records {
                if record.position > self.header.position {
                    return Ok(false);
                }
                units.add(record, |unit| self.unit(unit))?;
            }
            progress(Progress { done: self.end.position.0, total });
            Ok::<_, ExportError>(
                units.last().last().is_some_and(|last| last.position < self.header.position),
            )
        })
        .await?;
        let reached = units.last().last().map_or(self.end.position, |last| last.position);
        if reached < self.header.position {
            return Err(self.other_past());
        }
        self.unit(units.last())?;
        progress(Progress { done: total, total });
        Ok(())
    }

    fn unit(&mut self, records: &[Record]) -> Result<(), ExportError> {
        let mut end = self.end;
        for record in records {
            if record.position != end.position.next() {
                return Err(self.other_past());
            }
            let link = chain::next(end.link, record, &mut self.scratch);
            end = End { position: record.position, link };
        }
        unit::write_again(&mut self.buffer, records, end.link);
        self.units += u64::from(!records.is_empty());
        self.end = end;
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), ExportError> {
        self.file.write_all_at(&self.buffer, self.offset).map_err(failed(self.path))?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The chain vouches that all of it is one past: that of the header.
    fn finish(&mut self) -> Result<(), ExportError> {
        let End { position, link } = self.end;
        if (position, link) != (self.header.position, self.header.link) {
            return Err(self.other_past());
        }
        Closing { position, link, units: self.units }.write(&mut self.buffer);
        self.write()
    }

    fn other_past(&self) -> ExportError {
        ExportError::OtherPast { path: self.path.to_owned(), at: self.end.position.next() }
    }
}

/// Whether nothing was ever written to a file, or its header did not get there whole.
fn is_blank(file: &dyn DiskFile) -> io::Result<bool> {
    let mut bytes = [0; HEADER_BYTES + 1];
    let filled = file.read_at(&mut bytes, 0)?;
    let zero = bytes[..filled].iter().all(|byte| *byte == 0);
    Ok(filled <= HEADER_BYTES && zero || filled < HEADER_BYTES && bytes.starts_with(&MAGIC))
}

/// Whether the log goes as far as the export is to go, and has the last record that is in it.
async fn same_past(
    log: &dyn EventLog,
    path: &Path,
    header: &Header,
    last: Option<&Record>,
) -> Result<(), ExportError> {
    let head = log.head().await?;
    let at = last.map_or(Position(1), |last| last.position);
    let other = || ExportError::OtherPast { path: path.to_owned(), at };
    if head.position < header.position {
        return Err(other());
    }
    let Some(last) = last else { return Ok(()) };
    let page = log.read(Position(last.position.0 - 1), PageLimit::records(1)).await?;
    if page.records.first() == Some(last) { Ok(()) } else { Err(other()) }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    move |error| ExportError::Io { path: path.to_owned(), cause: error.to_string() }
}

fn not_an_export(path: &Path, error: &ReadingError) -> ExportError {
    ExportError::NotAnExport { path: path.to_owned(), what: error.to_string() }
}
