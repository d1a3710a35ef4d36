//! Reads a chunk from its first frame to its last, and checks all that can be checked: frames,
//! positions, versions' order, the chain. Opening, repairing and verifying all start with it.

use std::path::Path;

use carrel_model::record::{Position, Record};

use super::chunk::{HEADER_END, Header, Seal};
use super::fresh::FreshIndex;
use super::note::{Note, Notes};
use super::sealed::add_unit;
use super::tail::{self, Verdict};
use crate::chain::End;
use crate::disk::DiskFile;
use crate::error::{Damage, ReadError};
use crate::format::fields::Malformed;
use crate::format::frame::Kind;
use crate::format::reader::{Broken, Frame, FrameReader};
use crate::format::unit;

/// What was found up to the last whole batch.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) index: FreshIndex,
    pub(crate) end: End,
    /// Where the last whole batch ends.
    pub(crate) end_offset: u64,
    pub(crate) notes: Notes,
    pub(crate) seal: Option<(Seal, u64)>,
    pub(crate) stop: Stop,
}

/// Why the scan went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// There was nothing more.
    Clean,
    /// A last group that did not reach the disk whole: the bytes from there on are worthless.
    Torn {
        offset: u64,
        what: String,
    },
    Damaged(Damage),
}

impl Scan {
    /// Before the first frame of a chunk.
    pub(crate) fn start(header: &Header) -> Self {
        let end = End { position: Position(header.first.0.saturating_sub(1)), link: header.link };
        Self {
            index: FreshIndex::default(),
            end,
            end_offset: HEADER_END,
            notes: Notes { incarnation: header.incarnation, ..Notes::default() },
            seal: None,
            stop: Stop::Clean,
        }
    }

    /// Goes on where this scan ended, as far as there is more now; nothing follows a seal.
    pub(crate) fn go_on(
        mut self,
        file: &dyn DiskFile,
        path: &Path,
        mut see: impl FnMut(&Frame, &[Record]),
    ) -> Result<Self, ReadError> {
        if self.seal.is_some() {
            return Ok(self);
        }
        self.stop = Stop::Clean;
        let mut reader = FrameReader::new(file, self.end_offset, u64::MAX);
        let reached = self.end;
        let mut scanner =
            Scanner { path, scan: self, pending: Vec::new(), reached, scratch: Vec::new() };
        let mut read_again = None;
        while scanner.scan.seal.is_none() {
            let offset = reader.offset();
            let frame = match reader.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(Broken::Io(error)) => return Err(ReadError::io("could not read", path)(error)),
                Err(Broken::Frame { header, what, .. }) => {
                    let verdict = tail::judge(file, offset, header.as_ref())
                        .map_err(ReadError::io("could not read", path))?;
                    // What another process was writing just then may be whole by now.
                    if verdict == Verdict::Damaged && read_again != Some(offset) {
                        read_again = Some(offset);
                        reader = FrameReader::new(file, offset, u64::MAX);
                        continue;
                    }
                    scanner.stop(offset, verdict, what);
                    break;
                }
            };
            if let Err(what) = scanner.take(frame, &mut see) {
                scanner.stop(offset, Verdict::Damaged, what);
                break;
            }
        }
        Ok(scanner.finish())
    }
}

/// Scans a chunk that `header` was read from. `see` gets every record of a whole batch.
pub(crate) fn scan(
    file: &dyn DiskFile,
    path: &Path,
    header: &Header,
    see: impl FnMut(&Frame, &[Record]),
) -> Result<Scan, ReadError> {
    Scan::start(header).go_on(file, path, see)
}

struct Scanner<'a> {
    path: &'a Path,
    scan: Scan,
    /// Units of a batch whose end has not been seen yet.
    pending: Vec<(Frame, Vec<Record>)>,
    reached: End,
    scratch: Vec<u8>,
}

impl Scanner<'_> {
    fn stop(&mut self, offset: u64, verdict: Verdict, what: Malformed) {
        self.scan.stop = match verdict {
            Verdict::Empty => Stop::Clean,
            Verdict::Torn => Stop::Torn { offset, what: what.0 },
            Verdict::Damaged => Stop::Damaged(Damage {
                path: self.path.to_owned(),
                offset,
                position: self.reached.position.next(),
                what: what.0,
            }),
        };
    }

    fn take(
        &mut self,
        frame: Frame,
        see: &mut impl FnMut(&Frame, &[Record]),
    ) -> Result<(), Malformed> {
        match frame.header.kind {
            Kind::Unit => self.take_unit(frame, see),
            Kind::Note => {
                self.expect_whole_batch()?;
                self.scan.notes.apply(Note::read(&frame.body)?);
                self.scan.end_offset = frame.end();
                Ok(())
            }
            Kind::Seal => {
                self.expect_whole_batch()?;
                let seal = Seal::read(&frame.body)?;
                if (seal.last, seal.link) != (self.reached.position, self.reached.link) {
                    return Err(Malformed::new("the seal does not fit the records before it"));
                }
                self.scan.seal = Some((seal, frame.offset));
                self.scan.end_offset = frame.end();
                Ok(())
            }
            Kind::End => Err(Malformed::new("the end of an export in a chunk")),
        }
    }

    fn expect_whole_batch(&self) -> Result<(), Malformed> {
        if self.pending.is_empty() {
            return Ok(());
        }
        Err(Malformed::new("a batch is not ended"))
    }

    fn take_unit(
        &mut self,
        frame: Frame,
        see: &mut impl FnMut(&Frame, &[Record]),
    ) -> Result<(), Malformed> {
        let unit = unit::read(&frame.body, frame.header.position)?;
        self.reached = self.reached.then(&unit.records, unit.link, &mut self.scratch)?;
        // A batch is written in one group.
        if let Some((first, _)) = self.pending.first()
            && first.header.group_start != frame.header.group_start
        {
            self.expect_whole_batch()?;
        }
        let last_of_batch = frame.header.last_of_batch;
        let end = frame.end();
        self.pending.push((frame, unit.records));
        if last_of_batch {
            for (frame, records) in self.pending.drain(..) {
                see(&frame, &records);
                add_unit(&mut self.scan.index, &frame, &records);
            }
            self.scan.end = self.reached;
            self.scan.end_offset = end;
        }
        Ok(())
    }

    /// A batch without its end is the beginning of a group that did not reach the disk whole.
    fn finish(mut self) -> Scan {
        if let (Some((frame, _)), Stop::Clean) = (self.pending.first(), &self.scan.stop) {
            let what = String::from("the last batch is not whole");
            self.scan.stop = Stop::Torn { offset: frame.offset, what };
        }
        self.scan
    }
}
