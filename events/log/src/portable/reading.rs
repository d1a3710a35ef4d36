//! Reads an export from its header to its end, and checks each step.

use std::io;

use carrel_model::record::Position;

use super::{Closing, HEADER_BYTES, Header};
use crate::chain::{End, Link};
use crate::disk::DiskFile;
use crate::format::fields::Malformed;
use crate::format::frame::Kind;
use crate::format::reader::{Broken, Frame, FrameReader};
use crate::format::unit::{self, Unit};

/// Why there is nothing more to read.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// Everything is right so far, but the export was interrupted here.
    #[error("the export ends at position {after}, offset {offset}, before its end")]
    Unfinished { offset: u64, after: Position },
    #[error("offset {offset} (position {position}): {what}")]
    Malformed { offset: u64, position: Position, what: String },
    #[error("{0}")]
    Io(io::Error),
}

#[derive(Debug)]
pub struct Reading<'a> {
    header: Header,
    frames: FrameReader<'a>,
    length: u64,
    end: End,
    units: u64,
    finished: bool,
    scratch: Vec<u8>,
}

impl<'a> Reading<'a> {
    pub fn begin(file: &'a dyn DiskFile) -> Result<Self, ReadingError> {
        let length = file.len().map_err(ReadingError::Io)?;
        let mut bytes = [0; HEADER_BYTES];
        let filled = file.read_at(&mut bytes, 0).map_err(ReadingError::Io)?;
        let header = Header::read(&bytes[..filled])
            .map_err(|malformed| broken(0, Position::START, malformed))?;
        Ok(Self {
            header,
            frames: FrameReader::new(file, HEADER_BYTES as u64, length),
            length,
            end: End::START,
            units: 0,
            finished: false,
            scratch: Vec::new(),
        })
    }

    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Behind what was read so far.
    pub const fn offset(&self) -> u64 {
        self.frames.offset()
    }

    pub const fn position(&self) -> Position {
        self.end.position
    }

    pub const fn link(&self) -> Link {
        self.end.link
    }

    pub const fn units(&self) -> u64 {
        self.units
    }

    /// The next unit, or nothing behind the last one of a finished export.
    pub fn next_unit(&mut self) -> Result<Option<Unit>, ReadingError> {
        if self.finished {
            return Ok(None);
        }
        let (offset, after) = (self.frames.offset(), self.end.position);
        let frame = match self.frames.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err(ReadingError::Unfinished { offset, after }),
            Err(Broken::Io(error)) => return Err(ReadingError::Io(error)),
            Err(Broken::Frame { what, .. }) => return Err(broken(offset, after.next(), what)),
        };
        self.take(&frame).map_err(|malformed| broken(offset, after.next(), malformed))
    }

    fn take(&mut self, frame: &Frame) -> Result<Option<Unit>, Malformed> {
        match frame.header.kind {
            Kind::Unit => {
                let unit = unit::read(&frame.body, frame.header.position)?;
                let end = self.end.then(&unit.records, unit.link, &mut self.scratch)?;
                if end.position > self.header.position {
                    return Err(Malformed::new("the export goes on behind its end"));
                }
                self.end = end;
                self.units += 1;
                Ok(Some(unit))
            }
            Kind::End => {
                let closing = Closing::read(&frame.body)?;
                let ours =
                    Closing { position: self.end.position, link: self.end.link, units: self.units };
                let promised = (self.header.position, self.header.link);
                if closing != ours || (ours.position, ours.link) != promised {
                    return Err(Malformed::new("the end does not fit what is before it"));
                }
                if frame.end() != self.length {
                    return Err(Malformed::new("something follows the end of the export"));
                }
                self.finished = true;
                Ok(None)
            }
            Kind::Note | Kind::Seal => Err(Malformed::new("a part of a chunk in an export")),
        }
    }
}

fn broken(offset: u64, position: Position, malformed: Malformed) -> ReadingError {
    ReadingError::Malformed { offset, position, what: malformed.0 }
}
