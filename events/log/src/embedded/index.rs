//! The index of a sealed chunk: an immutable file beside it, that can be made again from it.
//!
//! Made of blocks (blocks.rs). Block 0 is the header; then come, each starting with a block:
//!
//! ```text
//!  section         entries
//!  categories      names in order, 1+n each; streams refer to them by number
//!  waypoints       position 8, offset in the chunk 4: about every 16 KiB of the chunk
//!  command filter  see filter.rs
//!  stream filter
//!  command fences  the first command id of each block of commands, 16
//!  stream fences   the first stream of each block of streams, 16 + 2
//!  commands        command id 16, offset of its unit 4; sorted
//!  streams         id 16, category 2, first version 8, versions 4, first posting 4; sorted
//!  postings        offset of the unit of each version 4
//! ```
//!
//! All but the last three sections are kept in memory: under 3 bytes an event.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::Category;
use carrel_model::record::{Position, StreamId, Version};

use super::blocks::{self, BadBlock, BlockWriter, CONTENT_BYTES};
use super::chunk::Seal;
use super::filter::Filter;
use super::fresh::{FreshIndex, Waypoint};
use super::horizon::Largest;
use crate::chain::Link;
use crate::disk::{Access, Disk};
use crate::format::fields::{Fields, Malformed, put_short_text};

const MAGIC: [u8; 16] = *b"CARREL LOG INDEX";
const FORMAT: u32 = 1;

const WAYPOINT_BYTES: usize = 12;
const COMMAND_BYTES: usize = 20;
const STREAM_KEY_BYTES: usize = 18;
const STREAM_BYTES: usize = STREAM_KEY_BYTES + 16;
const POSTING_BYTES: usize = 4;
const COMMANDS_PER_BLOCK: usize = CONTENT_BYTES / COMMAND_BYTES;
const STREAMS_PER_BLOCK: usize = CONTENT_BYTES / STREAM_BYTES;
const POSTINGS_PER_BLOCK: usize = CONTENT_BYTES / POSTING_BYTES;

/// Stream keys sort by id first: ids made together stand together.
type StreamKey = [u8; STREAM_KEY_BYTES];

/// The chunk that an index belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) log_id: LogId,
    pub(crate) seal: Seal,
    pub(crate) chunk_bytes: u64,
}

/// The numbers of the header, from which the place of every section follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    category_bytes: usize,
    waypoints: usize,
    command_filter_bytes: usize,
    stream_filter_bytes: usize,
    commands: usize,
    streams: usize,
    postings: usize,
    largest: Largest,
}

/// The first block of each section.
#[derive(Clone, Copy, Debug)]
struct Sections {
    categories: usize,
    waypoints: usize,
    command_filter: usize,
    stream_filter: usize,
    command_fences: usize,
    stream_fences: usize,
    commands: usize,
    streams: usize,
    postings: usize,
    end: usize,
}

impl Counts {
    fn sections(&self) -> Sections {
        let categories = 1;
        let waypoints = categories + blocks::blocks_of_bytes(self.category_bytes);
        let command_filter = waypoints + blocks::blocks_of_entries(self.waypoints, WAYPOINT_BYTES);
        let stream_filter = command_filter + blocks::blocks_of_bytes(self.command_filter_bytes);
        let command_fences = stream_filter + blocks::blocks_of_bytes(self.stream_filter_bytes);
        let command_blocks = blocks::blocks_of_entries(self.commands, COMMAND_BYTES);
        let stream_blocks = blocks::blocks_of_entries(self.streams, STREAM_BYTES);
        let stream_fences = command_fences + blocks::blocks_of_entries(command_blocks, 16);
        let commands = stream_fences + blocks::blocks_of_entries(stream_blocks, STREAM_KEY_BYTES);
        let streams = commands + command_blocks;
        let postings = streams + stream_blocks;
        let end = postings + blocks::blocks_of_entries(self.postings, POSTING_BYTES);
        Sections {
            categories,
            waypoints,
            command_filter,
            stream_filter,
            command_fences,
            stream_fences,
            commands,
            streams,
            postings,
            end,
        }
    }
}

/// Writes the index of a chunk. The same chunk gives the same bytes.
#[expect(clippy::cast_possible_truncation, reason = "a chunk has fewer than 2^32 of anything")]
pub(crate) fn encode(fresh: &FreshIndex, identity: &Identity) -> Vec<u8> {
    let mut names: Vec<&Category> = fresh.streams.keys().map(|stream| &stream.category).collect();
    names.sort_unstable();
    names.dedup();
    let numbers: HashMap<&Category, u16> =
        names.iter().enumerate().map(|(nth, name)| (*name, nth as u16)).collect();

    let mut commands: Vec<_> =
        fresh.commands.iter().map(|(id, known)| (*id, known.offset)).collect();
    commands.sort_unstable();
    let mut streams: Vec<_> = fresh
        .streams
        .iter()
        .map(|(stream, postings)| (stream_key(stream, numbers[&stream.category]), stream, postings))
        .collect();
    streams.sort_unstable_by_key(|(key, ..)| *key);

    let mut command_filter = Filter::for_keys(commands.len());
    commands.iter().for_each(|(id, _)| command_filter.insert(id.as_bytes()));
    let mut stream_filter = Filter::for_keys(streams.len());
    streams.iter().for_each(|(_, stream, _)| stream_filter.insert(&filter_key(stream)));

    let mut categories = Vec::new();
    names.iter().for_each(|name| put_short_text(&mut categories, name.as_str()));
    let counts = Counts {
        category_bytes: categories.len(),
        waypoints: fresh.waypoints.len(),
        command_filter_bytes: command_filter.bytes().len(),
        stream_filter_bytes: stream_filter.bytes().len(),
        commands: commands.len(),
        streams: streams.len(),
        postings: streams.iter().map(|(.., postings)| postings.offsets.len()).sum(),
        largest: fresh.largest,
    };

    let mut writer = BlockWriter::default();
    writer.bytes(&header(identity, &counts));
    writer.bytes(&categories);
    writer.entries(fresh.waypoints.iter().map(|at| {
        let mut entry = [0; WAYPOINT_BYTES];
        entry[..8].copy_from_slice(&at.position.0.to_le_bytes());
        entry[8..].copy_from_slice(&at.offset.to_le_bytes());
        entry
    }));
    writer.bytes(command_filter.bytes());
    writer.bytes(stream_filter.bytes());
    writer.entries(commands.chunks(COMMANDS_PER_BLOCK).map(|block| *block[0].0.as_bytes()));
    writer.entries(streams.chunks(STREAMS_PER_BLOCK).map(|block| block[0].0));
    writer.entries(commands.iter().map(|(id, offset)| {
        let mut entry = [0; COMMAND_BYTES];
        entry[..16].copy_from_slice(id.as_bytes());
        entry[16..].copy_from_slice(&offset.to_le_bytes());
        entry
    }));
    let mut posting = 0u32;
    writer.entries(streams.iter().map(|(key, _, postings)| {
        let count = postings.offsets.len() as u32;
        let mut entry = [0; STREAM_BYTES];
        entry[..18].copy_from_slice(key);
        entry[18..26].copy_from_slice(&postings.first.0.to_le_bytes());
        entry[26..30].copy_from_slice(&count.to_le_bytes());
        entry[30..].copy_from_slice(&posting.to_le_bytes());
        posting += count;
        entry
    }));
    writer.entries(
        streams
            .iter()
            .flat_map(|(.., postings)| postings.offsets.iter().map(|at| at.to_le_bytes())),
    );
    debug_assert_eq!(writer.blocks(), counts.sections().end);
    writer.finish()
}

fn header(identity: &Identity, counts: &Counts) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(identity.log_id.as_bytes());
    out.extend_from_slice(&identity.seal.number.to_le_bytes());
    out.extend_from_slice(&identity.seal.first.0.to_le_bytes());
    out.extend_from_slice(&identity.seal.last.0.to_le_bytes());
    out.extend_from_slice(&identity.seal.link.0);
    out.extend_from_slice(&identity.chunk_bytes.to_le_bytes());
    for count in [
        counts.category_bytes,
        counts.waypoints,
        counts.command_filter_bytes,
        counts.stream_filter_bytes,
        counts.commands,
        counts.streams,
        counts.postings,
    ] {
        out.extend_from_slice(&(count as u64).to_le_bytes());
    }
    out.extend_from_slice(&counts.largest.command);
    out.extend_from_slice(&counts.largest.stream);
    out
}

fn stream_key(stream: &StreamId, category: u16) -> StreamKey {
    let mut key = [0; STREAM_KEY_BYTES];
    key[..16].copy_from_slice(stream.id.as_bytes());
    key[16..].copy_from_slice(&category.to_be_bytes());
    key
}

/// Things there is only one of share the nil UUID, so the category has a say too.
fn filter_key(stream: &StreamId) -> [u8; 16] {
    let mut key = *stream.id.as_bytes();
    let category = crc32c::crc32c(stream.category.as_str().as_bytes()).to_le_bytes();
    key.iter_mut().zip(category).for_each(|(byte, with)| *byte ^= with);
    key
}

/// One stream's postings in a sealed chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamEntry {
    pub(crate) first: Version,
    pub(crate) count: u32,
    posting: u32,
}

impl StreamEntry {
    pub(crate) const fn last(&self) -> Version {
        Version(self.first.0 + self.count as u64 - 1)
    }
}

/// An index file that is ready to be asked. The file is opened for each question that memory can't
/// answer: a log has more chunks than a process may have files open.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    sections: Sections,
    counts: Counts,
    categories: Vec<Category>,
    pub(crate) waypoints: Vec<Waypoint>,
    command_filter: Filter,
    stream_filter: Filter,
    command_fences: Vec<[u8; 16]>,
    stream_fences: Vec<StreamKey>,
}

impl SealedIndex {
    /// Opens an index file, and refuses it unless it is whole and belongs to that chunk.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        path: &Path,
        identity: &Identity,
    ) -> Result<Self, BadBlock> {
        let file = disk.open(path, Access::Read).map_err(BadBlock::Io)?;
        let counts = read_header(&Bytes::from(blocks::read(&*file, 0, 1)?), identity)
            .map_err(BadBlock::Malformed)?;
        let sections = counts.sections();
        let bytes = file.len().map_err(BadBlock::Io)?;
        if bytes != (sections.end * blocks::BLOCK_BYTES) as u64 {
            return Err(BadBlock::Malformed(Malformed::new("the index file has a wrong length")));
        }
        let section = |first: usize, end: usize| blocks::read(&*file, first, end - first);
        let mut categories = section(sections.categories, sections.waypoints)?;
        categories.truncate(counts.category_bytes);
        let categories = read_categories(&Bytes::from(categories)).map_err(BadBlock::Malformed)?;
        let waypoints = section(sections.waypoints, sections.command_filter)?;
        let command_filter = section(sections.command_filter, sections.stream_filter)?;
        let stream_filter = section(sections.stream_filter, sections.command_fences)?;
        let command_fences = section(sections.command_fences, sections.stream_fences)?;
        let stream_fences = section(sections.stream_fences, sections.commands)?;
        let command_blocks = blocks::blocks_of_entries(counts.commands, COMMAND_BYTES);
        let stream_blocks = blocks::blocks_of_entries(counts.streams, STREAM_BYTES);
        Ok(Self {
            categories,
            waypoints: blocks::entries::<WAYPOINT_BYTES>(&waypoints)
                .take(counts.waypoints)
                .map(read_waypoint)
                .collect(),
            command_filter: filter(command_filter, counts.command_filter_bytes)?,
            stream_filter: filter(stream_filter, counts.stream_filter_bytes)?,
            command_fences: blocks::entries(&command_fences)
                .take(command_blocks)
                .copied()
                .collect(),
            stream_fences: blocks::entries(&stream_fences).take(stream_blocks).copied().collect(),
            disk: Arc::clone(disk),
            path: path.to_owned(),
            sections,
            counts,
        })
    }

    pub(crate) const fn bytes(&self) -> u64 {
        (self.sections.end * blocks::BLOCK_BYTES) as u64
    }

    pub(crate) const fn largest(&self) -> Largest {
        self.counts.largest
    }

    fn block(&self, number: usize) -> Result<Vec<u8>, BadBlock> {
        let file = self.disk.open(&self.path, Access::Read).map_err(BadBlock::Io)?;
        blocks::read(&*file, number, 1)
    }

    pub(crate) fn may_have(&self, id: CommandId) -> bool {
        let key = id.as_bytes();
        *key <= self.counts.largest.command && self.command_filter.may_contain(key)
    }

    /// The offset of the unit of a command.
    pub(crate) fn command(&self, id: CommandId) -> Result<Option<u32>, BadBlock> {
        if !self.may_have(id) {
            return Ok(None);
        }
        let key = id.as_bytes();
        let Some(nth) = fence(&self.command_fences, key) else { return Ok(None) };
        let block = self.block(self.sections.commands + nth)?;
        let count = (self.counts.commands - nth * COMMANDS_PER_BLOCK).min(COMMANDS_PER_BLOCK);
        let entries = &block.as_chunks::<COMMAND_BYTES>().0[..count];
        let found = entries.binary_search_by(|entry| entry[..16].cmp(key));
        Ok(found.ok().map(|at| u32_at(&entries[at], 16)))
    }

    pub(crate) fn stream(&self, stream: &StreamId) -> Result<Option<StreamEntry>, BadBlock> {
        let later = *stream.id.as_bytes() > self.counts.largest.stream;
        if later || !self.stream_filter.may_contain(&filter_key(stream)) {
            return Ok(None);
        }
        let category = self.categories.binary_search(&stream.category);
        let Some(number) = category.ok().and_then(|at| u16::try_from(at).ok()) else {
            return Ok(None);
        };
        let key = stream_key(stream, number);
        let Some(nth) = fence(&self.stream_fences, &key) else { return Ok(None) };
        let block = self.block(self.sections.streams + nth)?;
        let count = (self.counts.streams - nth * STREAMS_PER_BLOCK).min(STREAMS_PER_BLOCK);
        let entries = &block.as_chunks::<STREAM_BYTES>().0[..count];
        let found = entries.binary_search_by(|entry| entry[..STREAM_KEY_BYTES].cmp(&key));
        let Ok(at) = found else { return Ok(None) };
        let first = entries[at][18..26].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let (count, posting) = (u32_at(&entries[at], 26), u32_at(&entries[at], 30));
        Ok(Some(StreamEntry { first: Version(first), count, posting }))
    }

    /// Offsets of the units of a stream's versions, from the `skip`-th on: as many as one block
    /// has.
    pub(crate) fn postings(&self, entry: &StreamEntry, skip: u32) -> Result<Vec<u32>, BadBlock> {
        let from = entry.posting as usize + skip as usize;
        let left = entry.count.saturating_sub(skip) as usize;
        let (block, within) = (from / POSTINGS_PER_BLOCK, from % POSTINGS_PER_BLOCK);
        if left == 0 || self.sections.postings + block >= self.sections.end {
            return Ok(Vec::new());
        }
        let content = self.block(self.sections.postings + block)?;
        let offsets = content.as_chunks::<POSTING_BYTES>().0.iter().skip(within).take(left);
        Ok(offsets.take(POSTINGS_PER_BLOCK - within).map(|at| u32::from_le_bytes(*at)).collect())
    }
}

/// The block that a key would be in.
fn fence<K: Ord>(fences: &[K], key: &K) -> Option<usize> {
    fences.partition_point(|first| first <= key).checked_sub(1)
}

fn u32_at(entry: &[u8], at: usize) -> u32 {
    entry[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn read_waypoint(entry: &[u8; WAYPOINT_BYTES]) -> Waypoint {
    let position = entry.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Waypoint { position: Position(position), offset: u32_at(entry, 8) }
}

fn filter(mut content: Vec<u8>, bytes: usize) -> Result<Filter, BadBlock> {
    content.truncate(bytes);
    Filter::from_bytes(content)
        .ok_or_else(|| BadBlock::Malformed(Malformed::new("a filter has a wrong length")))
}

fn read_header(block: &Bytes, identity: &Identity) -> Result<Counts, Malformed> {
    let mut fields = Fields::new(block);
    if fields.array()? != MAGIC || fields.u32()? != FORMAT {
        return Err(Malformed::new("this is not an index of this version"));
    }
    let log_id = LogId::from_bytes(fields.array()?);
    let (number, first, last) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let link = Link(fields.array()?);
    let chunk_bytes = fields.u64()?;
    let seal = &identity.seal;
    let belongs = log_id == identity.log_id
        && (number, first, last) == (seal.number, seal.first.0, seal.last.0)
        && link == seal.link
        && chunk_bytes == identity.chunk_bytes;
    if !belongs {
        return Err(Malformed::new("this index belongs to another chunk"));
    }
    // None of these can exceed the chunk's own size, which bounds what is read on their account.
    let count_max = identity.chunk_bytes;
    let mut count = || match fields.u64()? {
        count if count <= count_max => {
            usize::try_from(count).map_err(|_| Malformed::new("a huge count"))
        }
        count => Err(Malformed(format!("a count of {count} in an index"))),
    };
    Ok(Counts {
        category_bytes: count()?,
        waypoints: count()?,
        command_filter_bytes: count()?,
        stream_filter_bytes: count()?,
        commands: count()?,
        streams: count()?,
        postings: count()?,
        largest: Largest { command: fields.array()?, stream: fields.array()? },
    })
}

fn read_categories(bytes: &Bytes) -> Result<Vec<Category>, Malformed> {
    let mut fields = Fields::new(bytes);
    let mut categories = Vec::new();
    while fields.left() > 0 {
        let name =
            Category::new(fields.short_text()?).map_err(|error| Malformed(error.to_string()))?;
        categories.push(name);
    }
    Ok(categories)
}
