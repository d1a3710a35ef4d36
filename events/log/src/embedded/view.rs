//! The log as a reader sees it at one moment: sealed chunks, and the active one as far as it is
//! durable. A view stays true whatever is appended meanwhile.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use carrel_model::ids::CommandId;
use carrel_model::record::{Position, Record, StreamId, Version};

use super::chunk::HEADER_END;
use super::sealed::{Lost, SealedChunk, answer_of, broken_to_error, decode, unit_of};
use crate::chain::{self, Link};
use crate::disk::DiskFile;
use crate::error::{Damage, ReadError};
use crate::format::frame::Kind;
use crate::format::reader::{FrameReader, frame_at};
use crate::format::unit::{Decoder, Unit};
use crate::limits::UNIT_RECORDS_MAX;
use crate::port::{Answer, Page, PageLimit};

#[derive(Debug)]
pub(crate) struct View {
    pub(crate) sealed: Arc<Vec<Arc<SealedChunk>>>,
    pub(crate) active: ActiveView,
    /// The last position that may be shown.
    pub(crate) until: Position,
}

#[derive(Debug)]
pub(crate) struct ActiveView {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) first: Position,
    /// The chain link before the first record.
    pub(crate) link: Link,
    /// Where to start reading for the position that was asked for.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Where to read records from.
struct Source<'a> {
    file: Arc<dyn DiskFile>,
    path: &'a PathBuf,
    /// The chain link before the chunk's first record.
    link: Link,
    start: u64,
    end: u64,
}

impl Source<'_> {
    fn reader(&self) -> FrameReader<'_> {
        FrameReader::new(&*self.file, self.start, self.end)
    }
}

/// A page of records that are at hand.
pub(crate) fn page_of(groups: &[Arc<[Record]>], after: Position, limit: PageLimit) -> Page {
    let records = groups.iter().flat_map(|group| group.iter());
    let left = groups.last().and_then(|group| group.last()).map_or(0, |last| last.position.0);
    let mut builder = PageBuilder::new(limit, left.saturating_sub(after.0));
    for record in records.skip_while(|record| record.position <= after) {
        if !builder.push(record.clone()) {
            break;
        }
    }
    builder.page
}

/// Collects records until a page is full.
struct PageBuilder {
    page: Page,
    limit: PageLimit,
    bytes: usize,
}

impl PageBuilder {
    /// There are at most `left` records to collect.
    fn new(limit: PageLimit, left: u64) -> Self {
        let limit = limit.capped();
        let records = usize::try_from(left).map_or(limit.records, |left| left.min(limit.records));
        let page = Page { records: Vec::with_capacity(records), at_end: true };
        Self { page, limit, bytes: 0 }
    }

    /// Takes a record, or says that the page is full.
    fn push(&mut self, record: Record) -> bool {
        self.bytes += record.data.len();
        let full = self.page.records.len() == self.limit.records || self.bytes > self.limit.bytes;
        if full && !self.page.records.is_empty() {
            self.page.at_end = false;
            return false;
        }
        self.page.records.push(record);
        true
    }
}

impl View {
    /// What can be read before a damaged place is given out; the page after that is an error.
    pub(crate) fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let left = self.until.0.saturating_sub(after.0);
        let mut builder = PageBuilder::new(limit, left);
        let mut next = after.next();
        while next <= self.until {
            match self.read_chunk(&mut next, &mut builder) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if builder.page.records.is_empty() => return Err(error),
                Err(_) => {
                    builder.page.at_end = false;
                    break;
                }
            }
        }
        Ok(builder.page)
    }

    /// Takes records from `next` on out of the chunk that has it. Says whether the page has room
    /// for more.
    fn read_chunk(
        &self,
        next: &mut Position,
        builder: &mut PageBuilder,
    ) -> Result<bool, ReadError> {
        let source = self.source(*next, *next)?;
        self.collect(source.reader(), source.path, next, builder)
    }

    /// The chunk that has a position, to be read from `from` on.
    fn source(&self, position: Position, from: Position) -> Result<Source<'_>, ReadError> {
        let active = &self.active;
        if position >= active.first {
            return Ok(Source {
                file: Arc::clone(&active.file),
                path: &active.path,
                link: active.link,
                start: active.start,
                end: active.end,
            });
        }
        let chunk = self.chunk_of(position)?;
        Ok(Source {
            file: Arc::from(chunk.open()?),
            path: &chunk.path,
            link: chunk.header.link,
            start: chunk.start_of(from),
            end: chunk.seal_offset,
        })
    }

    fn chunk_of(&self, position: Position) -> Result<&Arc<SealedChunk>, ReadError> {
        let at = self.sealed.partition_point(|chunk| chunk.seal.last < position);
        let chunk = self.sealed.get(at).filter(|chunk| chunk.contains(position));
        chunk.ok_or_else(|| {
            let what = String::from("no chunk holds this position");
            Damage { path: self.active.path.clone(), offset: 0, position, what }.into()
        })
    }

    /// Takes records from `next` on out of one chunk. Says whether the page has room for more.
    fn collect(
        &self,
        mut reader: FrameReader<'_>,
        path: &std::path::Path,
        next: &mut Position,
        builder: &mut PageBuilder,
    ) -> Result<bool, ReadError> {
        let started_at = *next;
        let mut decoder = Decoder::default();
        let mut unit = Vec::new();
        loop {
            let frame =
                reader.next_frame().map_err(|broken| broken_to_error(broken, path, *next))?;
            let Some(frame) = frame else { break };
            if frame.header.kind != Kind::Unit {
                continue;
            }
            let offset = frame.offset;
            decode(&frame, &mut decoder, path, &mut unit)?;
            for record in unit.drain(..) {
                if record.position < *next && *next == started_at {
                    continue;
                }
                if record.position > self.until {
                    return Ok(false);
                }
                if record.position != *next {
                    let what = format!("position {} where {next} was expected", record.position);
                    let (path, position) = (path.to_owned(), *next);
                    return Err(Damage { path, offset, position, what }.into());
                }
                if !builder.push(record) {
                    return Ok(false);
                }
                *next = next.next();
            }
        }
        if *next == started_at {
            let what = String::from("the chunk ends before this position");
            let (path, offset, position) = (path.to_owned(), reader.offset(), *next);
            return Err(Damage { path, offset, position, what }.into());
        }
        Ok(true)
    }

    /// Where a view has to start for [`View::link_at`]: the unit before the position's own one ends
    /// behind it, because a unit is never longer than that.
    pub(crate) fn before_link_at(position: Position) -> Position {
        Position(position.0.saturating_sub(UNIT_RECORDS_MAX as u64 + 1))
    }

    /// The chain link after the record at a position. Units keep that of their last record.
    pub(crate) fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError> {
        if position == Position::START {
            return Ok(Some(Link::START));
        }
        if position > self.until {
            return Ok(None);
        }
        let from = Self::before_link_at(position).next();
        let source = self.source(position, from)?;
        let (mut reader, path, mut link) = (source.reader(), source.path, source.link);
        let mut unit = Vec::new();
        let mut decoder = Decoder::default();
        loop {
            let frame =
                reader.next_frame().map_err(|broken| broken_to_error(broken, path, position))?;
            let Some(frame) = frame else { return Ok(None) };
            if frame.header.kind != Kind::Unit {
                continue;
            }
            unit.clear();
            let last = decode(&frame, &mut decoder, path, &mut unit)?;
            if unit.last().is_some_and(|record| record.position < position) {
                link = last;
                continue;
            }
            let upto = unit.iter().take_while(|record| record.position <= position);
            let mut scratch = Vec::new();
            return Ok(Some(
                upto.fold(link, |link, record| chain::next(link, record, &mut scratch)),
            ));
        }
    }

    /// Whether a sealed chunk may have a command, as far as memory tells.
    pub(crate) fn may_have(&self, id: CommandId) -> bool {
        self.sealed.iter().any(|chunk| chunk.may_have(id))
    }

    /// What a command in a sealed chunk was answered. `lost` is told of each index that gave no
    /// answer; its chunk is searched instead.
    pub(crate) fn answer(
        &self,
        id: CommandId,
        mut lost: impl FnMut(&Arc<SealedChunk>),
    ) -> Result<Option<Answer>, ReadError> {
        for chunk in self.sealed.iter().rev() {
            let answer = match chunk.answer(id) {
                Ok(answer) => answer,
                Err(Lost::Chunk(error)) => return Err(error),
                Err(Lost::Index) => {
                    lost(chunk);
                    search_answer(chunk, id)?
                }
            };
            if let Some(answer) = answer.filter(|answer| answer.last <= self.until) {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// `active` has the offsets of the stream's units in the active chunk, from some version on.
    pub(crate) fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
        active: &[u32],
        mut lost: impl FnMut(&Arc<SealedChunk>),
    ) -> Result<Page, ReadError> {
        let mut wanted =
            StreamPage { stream, next: after.next(), builder: PageBuilder::new(limit, 0) };
        for chunk in self.sealed.iter() {
            if chunk.seal.first > self.until {
                break;
            }
            if !self.collect_stream(chunk, &mut wanted, &mut lost)? {
                return Ok(wanted.builder.page);
            }
        }
        let mut offsets: VecDeque<u32> = active.iter().copied().collect();
        while let Some(offset) = next_distinct(&mut offsets) {
            let frame = frame_at(&*self.active.file, u64::from(offset));
            let unit = unit_of(frame, &self.active.path, self.active.first)?;
            if !wanted.take(unit, self.until) {
                break;
            }
        }
        Ok(wanted.builder.page)
    }

    fn collect_stream(
        &self,
        chunk: &Arc<SealedChunk>,
        wanted: &mut StreamPage<'_>,
        lost: &mut impl FnMut(&Arc<SealedChunk>),
    ) -> Result<bool, ReadError> {
        loop {
            let before = wanted.next;
            let postings = match chunk.postings(wanted.stream, Version(before.0 - 1)) {
                Ok(None) => return Ok(true),
                Ok(Some((_, offsets))) => offsets,
                Err(Lost::Chunk(error)) => return Err(error),
                Err(Lost::Index) => {
                    lost(chunk);
                    return search_stream(chunk, wanted, self.until);
                }
            };
            let file = chunk.open()?;
            let mut offsets = VecDeque::from(postings);
            while let Some(offset) = next_distinct(&mut offsets) {
                let frame = frame_at(&*file, u64::from(offset));
                let unit = unit_of(frame, &chunk.path, chunk.seal.first)?;
                if !wanted.take(unit, self.until) {
                    return Ok(false);
                }
            }
            if wanted.next == before {
                // The index pointed at units that don't have this stream: believe the chunk.
                lost(chunk);
                return search_stream(chunk, wanted, self.until);
            }
        }
    }
}

/// A page of one stream in the making.
struct StreamPage<'a> {
    stream: &'a StreamId,
    next: Version,
    builder: PageBuilder,
}

impl StreamPage<'_> {
    /// Takes what a unit has of the stream. Says whether the page has room for more.
    fn take(&mut self, unit: Unit, until: Position) -> bool {
        for record in unit.records {
            if record.stream != *self.stream || record.version != self.next {
                continue;
            }
            if record.position > until || !self.builder.push(record) {
                return false;
            }
            self.next = self.next.next();
        }
        true
    }
}

/// A unit with several records of a stream stands as often in its postings, one after the other.
fn next_distinct(offsets: &mut VecDeque<u32>) -> Option<u32> {
    let offset = offsets.pop_front()?;
    while offsets.front() == Some(&offset) {
        offsets.pop_front();
    }
    Some(offset)
}

/// All units of a chunk, in order, until `take` has had enough.
fn search(chunk: &SealedChunk, mut take: impl FnMut(Unit) -> bool) -> Result<bool, ReadError> {
    let file = chunk.open()?;
    let mut reader = chunk.reader(&*file, HEADER_END);
    let first = chunk.seal.first;
    while let Some(frame) = reader.next_frame().map_err(|broken| chunk.damage(first, broken))? {
        if frame.header.kind == Kind::Unit && !take(unit_of(Ok(frame), &chunk.path, first)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn search_answer(chunk: &SealedChunk, id: CommandId) -> Result<Option<Answer>, ReadError> {
    let mut found = None;
    search(chunk, |unit| {
        found = answer_of(&unit).filter(|answer| answer.command_id == id);
        found.is_none()
    })?;
    Ok(found)
}

fn search_stream(
    chunk: &SealedChunk,
    wanted: &mut StreamPage<'_>,
    until: Position,
) -> Result<bool, ReadError> {
    search(chunk, |unit| wanted.take(unit, until))
}
