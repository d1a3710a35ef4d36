//! What a reader knows of a log directory that it does not own: chunks as they were when it looked
//! last, and how it learns what has changed since.
//!
//! The process that has the log open may meanwhile write to the last chunk, seal it and begin
//! another; it never changes what stands. If it does stand otherwise (power was lost, somebody
//! repaired the log, moved chunks to an archive), everything is read anew.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use carrel_model::record::{Position, StreamId, Version};

use super::chunk::{self, Header, Layout};
use super::files::{existing_numbers, follows, header_of, read_header, sealed_chunk};
use super::fresh;
use super::index::SealedIndex;
use super::open::OpenError;
use super::scan::{Scan, Stop, scan};
use super::sealed::{IndexState, SealedChunk};
use super::view::{ActiveView, View};
use crate::chain::Link;
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Damage, ReadError};
use crate::format::frame;
use crate::format::reader::frame_at;
use crate::format::unit;
use crate::port::{Head, Page, PageLimit};

#[derive(Debug)]
pub(crate) struct Known {
    disk: Arc<dyn Disk>,
    layout: Layout,
    pub(crate) sealed: Arc<Vec<Arc<SealedChunk>>>,
    pub(crate) last: LastChunk,
}

/// The chunk with the highest number: it is written to, or was sealed a moment ago.
#[derive(Debug)]
pub(crate) struct LastChunk {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    pub(crate) scan: Scan,
    /// Where its last unit stands: as long as that is there, nothing before it has changed.
    last_unit: Option<u64>,
}

impl LastChunk {
    fn open(disk: &dyn Disk, path: PathBuf, header: Header) -> Result<Self, OpenError> {
        let file =
            disk.open(&path, Access::Read).map_err(ReadError::io("could not open", &path))?;
        let mut last_unit = None;
        let scan = scan(&*file, &path, &header, |frame, _| last_unit = Some(frame.offset))?;
        Ok(Self { file: Arc::from(file), path, header, scan, last_unit })
    }

    /// Looks at what has come since. Says no if the chunk is not what it was.
    fn go_on(&mut self, disk: &dyn Disk) -> Result<bool, OpenError> {
        let file = match disk.open(&self.path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(ReadError::io("could not open", &self.path)(error).into()),
        };
        if read_header(&*file, &self.path)? != self.header || !self.stands(&*file) {
            return Ok(false);
        }
        self.file = Arc::from(file);
        if self.scan.seal.is_some() || self.is_quiet()? {
            return Ok(true);
        }
        let scan = std::mem::replace(&mut self.scan, Scan::start(&self.header));
        let last_unit = &mut self.last_unit;
        let went_on =
            scan.go_on(&*self.file, &self.path, |frame, _| *last_unit = Some(frame.offset));
        // Without its state it has to be read from the start.
        let Ok(scan) = went_on else { return Ok(false) };
        self.scan = scan;
        Ok(true)
    }

    fn stands(&self, file: &dyn DiskFile) -> bool {
        let Some(offset) = self.last_unit else { return true };
        let Ok(frame) = frame_at(file, offset) else { return false };
        let unit = unit::read(&frame.body, frame.header.position);
        unit.is_ok_and(|unit| unit.link == self.scan.end.link)
    }

    /// Whether nothing was written behind what is known. Spares reading all the zeros there.
    fn is_quiet(&self) -> Result<bool, OpenError> {
        let mut next = [0; frame::HEADER_BYTES];
        let filled = self.file.read_at(&mut next, self.scan.end_offset);
        let filled = filled.map_err(ReadError::io("could not read", &self.path))?;
        Ok(self.scan.stop == Stop::Clean && next[..filled].iter().all(|byte| *byte == 0))
    }
}

impl Known {
    pub(crate) fn load(disk: &Arc<dyn Disk>, layout: &Layout) -> Result<Self, OpenError> {
        let numbers = existing_numbers(disk, layout)?;
        let Some((last, earlier)) = numbers.split_last() else {
            return Err(OpenError::NoLog(layout.dir.clone()));
        };
        let missing = (1..).zip(&numbers).find(|(expected, number)| expected != *number);
        if let Some((number, _)) = missing {
            return Err(OpenError::MissingChunk { dir: layout.chunks(), number });
        }
        let mut sealed: Vec<Arc<SealedChunk>> = Vec::new();
        for number in earlier {
            let chunk = sealed_chunk(disk, layout, *number)?;
            follows(sealed.last(), &chunk.header, &chunk.path)?;
            sealed.push(chunk);
        }
        let path = super::archive::locate(&**disk, layout, *last)?;
        let last = open_chunk(&**disk, path, *last)?;
        follows(sealed.last(), &last.header, &last.path)?;
        let mut known =
            Self { disk: Arc::clone(disk), layout: layout.clone(), sealed: Arc::new(sealed), last };
        known.look_for_indexes();
        Ok(known)
    }

    /// Learns what has come since it looked last.
    pub(crate) fn refresh(&mut self) -> Result<(), OpenError> {
        loop {
            if !self.last.go_on(&*self.disk)? {
                *self = Self::load(&self.disk, &self.layout)?;
            }
            let Some(place) = self.last.scan.seal else { return Ok(()) };
            let next = self.layout.chunk(self.last.header.number + 1);
            if self.disk.open(&next, Access::Read).is_err_and(is_not_found) {
                return Ok(());
            }
            let sealed = SealedChunk::new(
                Arc::clone(&self.disk),
                self.last.path.clone(),
                self.last.header,
                place,
                IndexState::Missing,
            );
            let next = open_chunk(&*self.disk, next, self.last.header.number + 1)?;
            let sealed = Arc::new(sealed);
            follows(Some(&sealed), &next.header, &next.path)?;
            Arc::make_mut(&mut self.sealed).push(sealed);
            self.last = next;
            self.look_for_indexes();
        }
    }

    /// An index is made a little after its chunk is sealed; without one the chunk is searched.
    fn look_for_indexes(&mut self) {
        for chunk in self.sealed.iter() {
            if matches!(chunk.index(), IndexState::Missing) {
                let path = self.layout.index(chunk.seal.number);
                if let Ok(index) = SealedIndex::open(&self.disk, &path, &chunk.identity()) {
                    chunk.set_index(IndexState::File(Arc::new(index)));
                }
            }
        }
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            position: self.last.scan.end.position,
            link: self.last.scan.end.link,
            incarnation: self.last.scan.notes.incarnation,
            log_id: self.last.header.log_id,
        }
    }

    /// Where the last chunk is damaged, if it is: the log can be read up to there.
    pub(crate) fn damage(&self) -> Option<&Damage> {
        match &self.last.scan.stop {
            Stop::Damaged(damage) => Some(damage),
            Stop::Clean | Stop::Torn { .. } => None,
        }
    }

    pub(crate) fn view(&self, after: Position) -> View {
        let start = fresh::waypoint(&self.last.scan.index.waypoints, after.next());
        View {
            sealed: Arc::clone(&self.sealed),
            active: ActiveView {
                file: Arc::clone(&self.last.file),
                path: self.last.path.clone(),
                first: self.last.header.first,
                link: self.last.header.link,
                start: start.map_or(chunk::HEADER_END, u64::from),
                end: self.last.scan.seal.map_or(self.last.scan.end_offset, |(_, offset)| offset),
            },
            until: self.last.scan.end.position,
        }
    }

    pub(crate) fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let mut page = self.view(after).read(after, limit)?;
        if let (true, Some(damage)) = (page.at_end, self.damage()) {
            if page.records.is_empty() {
                return Err(damage.clone().into());
            }
            page.at_end = false;
        }
        Ok(page)
    }

    pub(crate) fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let postings = self.last.scan.index.streams.get(stream);
        let active = postings.map(|postings| postings.after(after)).unwrap_or_default();
        let lost = |chunk: &Arc<SealedChunk>| {
            chunk.give_up_index();
        };
        self.view(Position::START).read_stream(stream, after, limit, active, lost)
    }

    pub(crate) fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError> {
        if position == self.last.scan.end.position {
            return Ok(Some(self.last.scan.end.link));
        }
        self.view(View::before_link_at(position)).link_at(position)
    }
}

fn open_chunk(disk: &dyn Disk, path: PathBuf, number: u64) -> Result<LastChunk, OpenError> {
    let header = header_of(disk, &path, number)?;
    LastChunk::open(disk, path, header)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what is_err_and hands over")]
fn is_not_found(error: io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
