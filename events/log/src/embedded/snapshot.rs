//! Snapshot files: one each, written whole and renamed into place.
//!
//! ```text
//!  offset  size
//!       0    16  "CARREL SNAPSHOT\0"
//!      16     4  format, 1
//!      20    32  hash of the model
//!      52     8  position
//!      60    32  chain link at that position
//!      92     8  length of the data
//!     100     4  CRC32C of the data
//!     104     4  CRC32C of bytes 0 to 103
//!     108     -  data
//! ```
//!
//! The file name is `<kind>-<position>-<first 8 hex digits of the model's hash>.snapshot`.

use std::io;
use std::path::Path;

use bytes::Bytes;
use carrel_model::name::SnapshotKind;
use carrel_model::record::Position;

use super::catalogue::Catalogue;
use super::chunk::Layout;
use super::durable::replace;
use super::inner::cannot;
use super::inventory::SnapshotFile;
use crate::chain::Link;
use crate::disk::{Access, Disk};
use crate::error::ReadError;
use crate::format::fields::{Fields, Malformed};
use crate::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOTS_KEPT};
use crate::port::{Snapshot, SnapshotKey};

const MAGIC: [u8; 16] = *b"CARREL SNAPSHOT\0";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 108;
const CHECK_WINDOW_BYTES: usize = 1024 * 1024;

/// What a snapshot's file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    kind: SnapshotKind,
    position: Position,
    model: String,
    name: String,
}

fn file_name(key: &SnapshotKey, position: Position) -> String {
    let model: String = key.model[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{:020}-{model}.snapshot", key.kind, position.0)
}

fn parse_name(name: &str) -> Option<Named> {
    let mut parts = name.strip_suffix(".snapshot")?.split('-');
    let kind = SnapshotKind::new(parts.next()?).ok()?;
    let position = Position(parts.next()?.parse().ok()?);
    let model = parts.next()?.to_owned();
    let name = name.to_owned();
    parts.next().is_none().then_some(Named { kind, position, model, name })
}

/// All snapshot files, by name.
pub(crate) fn files(disk: &dyn Disk, layout: &Layout) -> io::Result<Vec<SnapshotFile>> {
    let entries = disk.list(&layout.snapshots())?;
    let named = entries.into_iter().filter_map(|entry| {
        let Named { position, name, .. } = parse_name(&entry.name)?;
        Some(SnapshotFile { name, position, bytes: entry.bytes })
    });
    Ok(named.collect())
}

/// All snapshots of a kind, newest first.
fn of_kind(disk: &dyn Disk, layout: &Layout, kind: &SnapshotKind) -> io::Result<Vec<Named>> {
    let entries = disk.list(&layout.snapshots())?;
    let mut named: Vec<Named> = entries
        .iter()
        .filter_map(|entry| parse_name(&entry.name))
        .filter(|named| named.kind == *kind)
        .collect();
    named.sort_by_key(|named| std::cmp::Reverse(named.position));
    Ok(named)
}

pub(crate) fn save(
    disk: &dyn Disk,
    layout: &Layout,
    catalogue: &Catalogue,
    snapshot: &Snapshot,
) -> Result<(), String> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + snapshot.data.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&snapshot.key.model);
    bytes.extend_from_slice(&snapshot.position.0.to_le_bytes());
    bytes.extend_from_slice(&snapshot.link.0);
    bytes.extend_from_slice(&(snapshot.data.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&snapshot.data).to_le_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&snapshot.data);

    let name = file_name(&snapshot.key, snapshot.position);
    let path = layout.snapshots().join(&name);
    replace(disk, &path, &bytes).map_err(|error| cannot("write", &path, &error))?;
    catalogue.put_snapshot(&name)?;
    let kept = of_kind(disk, layout, &snapshot.key.kind);
    for old in kept.unwrap_or_default().into_iter().skip(SNAPSHOTS_KEPT) {
        let path = layout.snapshots().join(&old.name);
        disk.remove(&path).map_err(|error| cannot("remove", &path, &error))?;
        catalogue.forget_snapshot(&old.name)?;
    }
    Ok(())
}

/// The newest snapshot of this model and of this past whose file is whole; `link_at` says what the
/// past is.
pub(crate) fn newest(
    disk: &dyn Disk,
    layout: &Layout,
    key: &SnapshotKey,
    link_at: impl Fn(Position) -> Result<Option<Link>, ReadError>,
) -> Result<Option<Snapshot>, ReadError> {
    let dir = layout.snapshots();
    let found = candidates(disk, layout, key).map_err(ReadError::io("could not list", &dir))?;
    for snapshot in found {
        if link_at(snapshot.position)? == Some(snapshot.link) {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// Snapshots of this model, newest first, as far as their files are whole.
fn candidates(
    disk: &dyn Disk,
    layout: &Layout,
    key: &SnapshotKey,
) -> io::Result<impl Iterator<Item = Snapshot>> {
    let named = of_kind(disk, layout, &key.kind)?;
    let whole = move |named: Named| {
        let path = layout.snapshots().join(&named.name);
        let snapshot = read(disk, &path, &named.kind);
        if snapshot.is_none() {
            tracing::warn!(snapshot = named.name, "it is not whole and is ignored");
        }
        snapshot
    };
    Ok(named.into_iter().filter_map(whole).filter(|snapshot| snapshot.key == *key))
}

fn read(disk: &dyn Disk, path: &Path, kind: &SnapshotKind) -> Option<Snapshot> {
    let file = disk.open(path, Access::Read).ok()?;
    let bytes_max = SNAPSHOT_BYTES_MAX + HEADER_BYTES as u64;
    let length = file.len().ok().filter(|length| *length <= bytes_max)?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let filled = file.read_at(&mut bytes, 0).ok()?;
    bytes.truncate(filled);
    parse(&Bytes::from(bytes), kind)
}

fn parse(bytes: &Bytes, kind: &SnapshotKind) -> Option<Snapshot> {
    let header = SnapshotHeader::read(bytes).ok()?;
    let data = bytes.slice(HEADER_BYTES..);
    let whole = data.len() as u64 == header.length && crc32c::crc32c(&data) == header.data_crc;
    let SnapshotHeader { model, position, link, .. } = header;
    let key = SnapshotKey { kind: kind.clone(), model };
    whole.then_some(Snapshot { key, position, link, data })
}

struct SnapshotHeader {
    model: [u8; 32],
    position: Position,
    link: Link,
    length: u64,
    data_crc: u32,
}

impl SnapshotHeader {
    fn read(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes);
        if fields.array()? != MAGIC || fields.u32()? != FORMAT {
            return Err(Malformed::new("this is not a snapshot of this version"));
        }
        let header = Self {
            model: fields.array()?,
            position: Position(fields.u64()?),
            link: Link(fields.array()?),
            length: fields.u64()?,
            data_crc: fields.u32()?,
        };
        if fields.u32()? != crc32c::crc32c(&bytes[..HEADER_BYTES - 4]) {
            return Err(Malformed::new("the header's checksum is wrong"));
        }
        Ok(header)
    }
}

/// Reads a snapshot file through, without keeping it. Gives the place in the log that it is of.
pub(crate) fn check(disk: &dyn Disk, path: &Path) -> Result<(Position, Link), String> {
    let cannot = |error: io::Error| cannot("read", path, &error);
    let file = disk.open(path, Access::Read).map_err(cannot)?;
    let mut bytes = vec![0; HEADER_BYTES];
    let filled = file.read_at(&mut bytes, 0).map_err(cannot)?;
    bytes.truncate(filled);
    let header = SnapshotHeader::read(&Bytes::from(bytes)).map_err(|malformed| malformed.0)?;
    let mut window = vec![0; CHECK_WINDOW_BYTES];
    let (mut at, mut crc) = (HEADER_BYTES as u64, 0);
    loop {
        let filled = file.read_at(&mut window, at).map_err(cannot)?;
        if filled == 0 {
            break;
        }
        crc = crc32c::crc32c_append(crc, &window[..filled]);
        at += filled as u64;
    }
    if at != HEADER_BYTES as u64 + header.length {
        return Err(String::from("the file has a wrong length"));
    }
    if crc != header.data_crc {
        return Err(String::from("the checksum is wrong"));
    }
    Ok((header.position, header.link))
}
