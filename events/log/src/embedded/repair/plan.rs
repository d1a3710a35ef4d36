//! Finding the place to cut at, and what is behind it.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use carrel_model::record::{Incarnation, Position, Record};

use super::super::archive::locate;
use super::super::catalogue::{Catalogue, CataloguePlace};
use super::super::chunk::{HEADER_END, Header, Layout};
use super::super::clean::CleanStop;
use super::super::files::{existing_numbers, follows, header_of, sealed_chunk};
use super::super::note::Note;
use super::super::open::OpenError;
use super::super::scan::{Stop, scan};
use super::super::sealed::SealedChunk;
use super::RepairError;
use super::intent::Intent;
use super::salvage::Salvage;
use crate::disk::{Access, Disk};
use crate::error::ReadError;
use crate::format::reader::Frame;

/// Directories of earlier repairs; who has cut a log that often has other worries.
const CUTS_MAX: u64 = 100_000;

pub(super) struct Planning<'a> {
    disk: &'a Arc<dyn Disk>,
    layout: &'a Layout,
    position: Position,
    numbers: Vec<u64>,
    /// Numbers and incarnations of chunks that the catalogue knows.
    known: Vec<(u64, Incarnation)>,
}

/// The chunk that will be the last.
struct Target {
    path: PathBuf,
    header: Header,
    end_offset: u64,
    damaged: bool,
}

/// What becomes of the search at one chunk.
enum Step {
    /// All of it stays, and more.
    Passed(Arc<SealedChunk>),
    Holds(PathBuf, Header),
}

impl<'a> Planning<'a> {
    pub(super) fn new(
        disk: &'a Arc<dyn Disk>,
        layout: &'a Layout,
        catalogue: &CataloguePlace,
        position: Position,
    ) -> Result<Self, RepairError> {
        let numbers = existing_numbers(disk, layout)?;
        // What can't be read adds nothing.
        let known = Catalogue::look(catalogue).ok().flatten();
        let known = known.map(|catalogue| catalogue.chunks()).unwrap_or_default();
        let known = known.iter().map(|it| (it.seal.number, it.seal.incarnation)).collect();
        Ok(Self { disk, layout, position, numbers, known })
    }

    pub(super) fn plan(self) -> Result<Intent, RepairError> {
        let (path, header) = self.find()?;
        let target = self.cut_at(path, header)?;
        let mut salvage = Salvage::new(self.position);
        self.look_through(&target, &mut salvage);
        if salvage.cut.records == 0 && salvage.cut.damaged.is_empty() {
            return Err(RepairError::NothingToCut(self.position));
        }
        let incarnation = Incarnation(salvage.incarnation.0.saturating_add(1));
        let mut notes = Vec::new();
        for note in salvage.notes(incarnation).carried().chain([Note::Incarnation(incarnation)]) {
            note.write(&mut notes, target.end_offset, self.position);
        }
        Ok(Intent {
            position: self.position,
            incarnation,
            chunk: target.header.number,
            end_offset: target.end_offset,
            aside: self.free_directory()?,
            cut: salvage.cut,
            notes: Bytes::from(notes),
        })
    }

    /// The chunk that holds the position, which everything before leads up to.
    fn find(&self) -> Result<(PathBuf, Header), RepairError> {
        let mut before: Option<Arc<SealedChunk>> = None;
        let mut readable = Position::START;
        for number in 1.. {
            let beyond =
                |why: String| RepairError::Beyond { position: self.position, readable, why };
            if self.numbers.binary_search(&number).is_err() {
                let last = self.numbers.last().is_none_or(|last| *last < number);
                let why = if last {
                    String::from("the log ends there")
                } else {
                    format!("chunk {number} is missing")
                };
                return Err(beyond(why));
            }
            match self.step(number, before.as_ref()) {
                Ok(Step::Holds(path, header)) => return Ok((path, header)),
                Ok(Step::Passed(chunk)) => {
                    readable = chunk.seal.last;
                    before = Some(chunk);
                }
                Err(error) => return Err(beyond(error.to_string())),
            }
        }
        Err(RepairError::NothingToCut(self.position))
    }

    fn step(&self, number: u64, before: Option<&Arc<SealedChunk>>) -> Result<Step, OpenError> {
        let path = locate(&**self.disk, self.layout, number)?;
        let header = header_of(&**self.disk, &path, number)?;
        follows(before, &header, &path)?;
        // Only a chunk that can be passed has to have a seal.
        match sealed_chunk(self.disk, self.layout, number) {
            Ok(chunk) if chunk.seal.last < self.position => Ok(Step::Passed(chunk)),
            Ok(_) | Err(_) => Ok(Step::Holds(path, header)),
        }
    }

    /// Where the batch ends that the position is the last of.
    fn cut_at(&self, path: PathBuf, header: Header) -> Result<Target, RepairError> {
        let position = self.position;
        let start = Position(header.first.0.saturating_sub(1));
        let mut end_offset = (start == position).then_some(HEADER_END);
        let (mut before, mut after) = (start, None);
        let see = |frame: &Frame, records: &[Record]| {
            let Some(last) = records.last().filter(|_| frame.header.last_of_batch) else { return };
            if last.position < position {
                before = last.position;
            } else if last.position == position {
                end_offset = Some(frame.end());
            } else if after.is_none() {
                after = Some(last.position);
            }
        };
        let file =
            self.disk.open(&path, Access::Read).map_err(ReadError::io("could not open", &path))?;
        let found = scan(&*file, &path, &header, see)?;
        let (damaged, why) = match &found.stop {
            Stop::Clean => (false, String::from("the log ends there")),
            Stop::Torn { what, .. } => (true, format!("the last group is not whole ({what})")),
            Stop::Damaged(damage) => (true, damage.to_string()),
        };
        match end_offset {
            Some(end_offset) => Ok(Target { path, header, end_offset, damaged }),
            None if position > found.end.position => {
                Err(RepairError::Beyond { position, readable: found.end.position, why })
            }
            None => Err(RepairError::NotAnEnd { position, before, after }),
        }
    }

    /// Looks at everything from the target on.
    fn look_through(&self, target: &Target, salvage: &mut Salvage) {
        salvage.saw(target.header.incarnation);
        self.known.iter().for_each(|(_, incarnation)| salvage.saw(*incarnation));
        let marked = CleanStop::find(&**self.disk, self.layout).ok().flatten();
        let marked = marked.map_or(0, |stop| stop.number);
        let last = self.known.iter().map(|(number, _)| *number).max().max(Some(marked));
        let last = last.max(self.numbers.last().copied()).unwrap_or_default();
        for number in target.header.number..=last {
            let path = if number == target.header.number {
                Ok(target.path.clone())
            } else {
                locate(&**self.disk, self.layout, number)
            };
            let file = path.ok().and_then(|path| {
                let file = self.disk.open(&path, Access::Read).ok()?;
                Some((header_of(&**self.disk, &path, number), file))
            });
            let whole = file.is_some_and(|(header, file)| {
                if let Ok(header) = &header {
                    salvage.saw(header.incarnation);
                }
                salvage.look_through(&*file) && header.is_ok()
            });
            if !whole || number == target.header.number && target.damaged {
                salvage.cut.damaged.push(number);
            }
        }
    }

    fn free_directory(&self) -> Result<u64, RepairError> {
        for number in 1..CUTS_MAX {
            let dir = self.layout.cut(number);
            match self.disk.list(&dir) {
                Ok(files) if files.is_empty() => return Ok(number),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(number),
                Err(error) => return Err(ReadError::io("could not list", &dir)(error).into()),
            }
        }
        let error = std::io::Error::other("there are too many of them");
        Err(ReadError::io("could not make", &self.layout.cut(CUTS_MAX))(error).into())
    }
}
