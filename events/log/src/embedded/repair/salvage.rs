//! Reads what can be read of a chunk, whatever state it is in: after bytes that are no frame, the
//! next frame is looked for.

use std::collections::BTreeMap;

use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{Epoch, Incarnation, Position};

use super::super::chunk::{HEADER_END, Seal};
use super::super::note::{Note, Notes};
use super::Cut;
use crate::disk::DiskFile;
use crate::format::frame::{ALIGNMENT, Header, Kind};
use crate::format::reader::{Broken, Frame, FrameReader};
use crate::format::unit;
use crate::port::Cursor;

const WINDOW_BYTES: usize = 1024 * 1024;
/// What can't be read at all is skipped in steps of this size: a page of the file system.
const UNREADABLE_BYTES: u64 = 4096;

/// What all chunks that are looked through say together.
#[derive(Debug)]
pub(super) struct Salvage {
    /// Records behind this one will be cut.
    position: Position,
    pub(super) cut: Cut,
    /// The highest there ever was.
    pub(super) incarnation: Incarnation,
    cursors: BTreeMap<ConsumerName, Cursor>,
    leases: BTreeMap<LeaseName, Epoch>,
}

impl Salvage {
    pub(super) fn new(position: Position) -> Self {
        Self {
            position,
            cut: Cut::default(),
            incarnation: Incarnation::default(),
            cursors: BTreeMap::new(),
            leases: BTreeMap::new(),
        }
    }

    pub(super) fn saw(&mut self, incarnation: Incarnation) {
        self.incarnation = self.incarnation.max(incarnation);
    }

    /// Looks through a chunk, in the order of chunks. Says whether all of it could be read.
    pub(super) fn look_through(&mut self, file: &dyn DiskFile) -> bool {
        let length = file.len().unwrap_or_default();
        let mut at = HEADER_END;
        let mut whole = true;
        while at < length {
            let mut reader = FrameReader::new(file, at, length);
            loop {
                match reader.next_frame() {
                    Ok(Some(frame)) => whole &= self.take(&frame),
                    Ok(None) => return whole,
                    Err(broken) => {
                        at = reader.offset();
                        match next_frame(file, at, length, &broken) {
                            Rest::Zeros => return whole,
                            Rest::Nothing => return false,
                            Rest::Frame(offset) => at = offset,
                        }
                        whole = false;
                        break;
                    }
                }
            }
        }
        whole
    }

    fn take(&mut self, frame: &Frame) -> bool {
        match frame.header.kind {
            Kind::Unit => {
                let Ok(unit) = unit::read(&frame.body, frame.header.position) else { return false };
                for record in &unit.records {
                    self.saw(record.unit.incarnation);
                    if record.position > self.position {
                        let at = record.unit.origin.at;
                        self.cut.records += 1;
                        self.cut.last = self.cut.last.max(Some(record.position));
                        let first = self.cut.times.map_or(at, |(first, _)| first);
                        self.cut.times = Some((first, at));
                    }
                }
                true
            }
            Kind::Note => match Note::read(&frame.body) {
                Ok(note) => {
                    self.note(note);
                    true
                }
                Err(_) => false,
            },
            Kind::Seal => match Seal::read(&frame.body) {
                Ok(seal) => {
                    self.saw(seal.incarnation);
                    true
                }
                Err(_) => false,
            },
            Kind::End => false,
        }
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Cursor { name, cursor } => {
                self.saw(cursor.incarnation);
                let position = cursor.position.min(self.position);
                let epoch = self.cursors.get(&name).map_or(cursor.epoch, |it| it.epoch);
                let epoch = epoch.max(cursor.epoch);
                // Its incarnation stays: that is how the consumer learns that the past has changed.
                self.cursors.insert(name, Cursor { position, epoch, ..cursor });
            }
            Note::Lease { name, epoch } => {
                let known = self.leases.entry(name).or_default();
                *known = epoch.max(*known);
            }
            Note::Incarnation(incarnation) => self.saw(incarnation),
        }
    }

    /// The notes in force afterwards.
    pub(super) fn notes(&self, incarnation: Incarnation) -> Notes {
        Notes { cursors: self.cursors.clone(), leases: self.leases.clone(), incarnation }
    }
}

enum Rest {
    Frame(u64),
    /// As an active chunk ends.
    Zeros,
    Nothing,
}

/// What comes behind `offset`, where no whole frame stands.
fn next_frame(file: &dyn DiskFile, offset: u64, length: u64, broken: &Broken) -> Rest {
    let step = ALIGNMENT as u64;
    let mut zeros = matches!(broken, Broken::Frame { .. });
    let mut window = vec![0; WINDOW_BYTES];
    let mut at = offset;
    while at < length {
        let Ok(filled) = file.read_at(&mut window, at) else {
            zeros = false;
            at += UNREADABLE_BYTES;
            continue;
        };
        zeros &= window[..filled].iter().all(|byte| *byte == 0);
        let whole = filled - filled % ALIGNMENT;
        for within in (0..whole).step_by(ALIGNMENT) {
            let here = at + within as u64;
            let header = Header::read(window.get(within..filled).unwrap_or_default());
            if here > offset && header.is_ok_and(|header| header.group_start <= here) {
                return Rest::Frame(here);
            }
        }
        // A header may straddle two windows.
        let taken = whole.saturating_sub(crate::format::frame::HEADER_BYTES) as u64;
        at += if at + filled as u64 >= length { filled as u64 } else { taken.max(step) };
        if filled == 0 {
            break;
        }
    }
    if zeros { Rest::Zeros } else { Rest::Nothing }
}
