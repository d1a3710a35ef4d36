//! A qcow2 file with nothing in it but what it stands on, and the name of that in one that is
//! there.
//!
//! An empty overlay is three clusters and an L1 table of zeros, which are holes. To write it takes
//! microseconds; to start a tool for it takes milliseconds, for each desktop. `qemu-img create` is
//! what tests compare it with.
//!
//! ```text
//!   cluster 0    header, extension with the format below, end mark, name of the file below
//!   cluster 1    refcount table: one block
//!   cluster 2    refcount block: a 1 for each cluster
//!   cluster 3..  L1 table
//! ```

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::disk::{DiskFile, Format};
use crate::durable::full_or;
use crate::failed::Failed;
use crate::header::qcow2::{HEADER_BYTES, L1_BYTES_MAX, MAGIC, NAME_BYTES_MAX, Qcow2, extension};

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// One L2 table has 8192 entries of a cluster each.
const L2_COVERS: u64 = 1 << 29;
const REFCOUNT_ORDER: u32 = 4;
/// What is written in one piece is there whole or not at all: disks write sectors so.
const SECTOR_BYTES: usize = 512;
const NAME_AT: u64 = HEADER_BYTES + 24;

/// Into a file that is empty. Its bytes are not durable yet.
pub(crate) fn write(
    path: &Path,
    file: &File,
    virtual_bytes: u64,
    on: Option<&DiskFile>,
) -> Result<(), Failed> {
    let l1_entries = virtual_bytes.div_ceil(L2_COVERS).max(1);
    let l1_clusters = (l1_entries * 8).div_ceil(CLUSTER);
    let too_large = || Failed::unfit(path, "a disk of this size can't be written as qcow2");
    let entries = u32::try_from(l1_entries).ok().filter(|_| l1_entries * 8 <= L1_BYTES_MAX);
    let entries = entries.ok_or_else(too_large)?;
    let clusters = 3 + l1_clusters;
    let head = header(path, (virtual_bytes, entries), on)?;
    let one = 1_u16.to_be_bytes();
    let counts = one.repeat(usize::try_from(clusters).unwrap_or(0));
    file.set_len(clusters * CLUSTER)
        .and_then(|()| file.write_all_at(&head, 0))
        .and_then(|()| file.write_all_at(&(2 * CLUSTER).to_be_bytes(), CLUSTER))
        .and_then(|()| file.write_all_at(&counts, 2 * CLUSTER))
        .map_err(|error| full_or(path, error))
}

fn header(
    path: &Path,
    (virtual_bytes, l1_entries): (u64, u32),
    on: Option<&DiskFile>,
) -> Result<Vec<u8>, Failed> {
    let name = on.map_or(&[][..], |on| on.path.as_os_str().as_bytes());
    let (name_at, name_bytes) = match on {
        None => (0, 0),
        Some(_) => (NAME_AT, name_bytes(path, name)?),
    };
    let mut head = Vec::with_capacity(SECTOR_BYTES * 4);
    head.extend(MAGIC);
    head.extend(3_u32.to_be_bytes());
    head.extend(name_at.to_be_bytes());
    head.extend(name_bytes.to_be_bytes());
    head.extend(CLUSTER_BITS.to_be_bytes());
    head.extend(virtual_bytes.to_be_bytes());
    // Not encrypted.
    head.extend(0_u32.to_be_bytes());
    head.extend(l1_entries.to_be_bytes());
    head.extend((3 * CLUSTER).to_be_bytes());
    head.extend(CLUSTER.to_be_bytes());
    head.extend(1_u32.to_be_bytes());
    // No snapshots, and no features of any kind.
    head.extend([0; 4 + 8 + 3 * 8]);
    head.extend(REFCOUNT_ORDER.to_be_bytes());
    head.extend((u32::try_from(HEADER_BYTES).unwrap_or(0)).to_be_bytes());
    // Compressed by zlib, if it ever is.
    head.extend([0; 8]);
    if let Some(on) = on {
        head.extend(format_extension(on.format));
    }
    head.extend([0; 8]);
    head.extend(name);
    Ok(head)
}

fn name_bytes(path: &Path, name: &[u8]) -> Result<u32, Failed> {
    let bytes = u32::try_from(name.len()).ok().filter(|it| u64::from(*it) <= NAME_BYTES_MAX);
    bytes.ok_or_else(|| Failed::unfit(path, "the path of the file below is too long"))
}

/// With its padding.
fn format_extension(format: Format) -> [u8; 16] {
    let word = format.word().as_bytes();
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&extension::BACKING_FORMAT.to_be_bytes());
    bytes[7] = u8::try_from(word.len()).unwrap_or(0);
    bytes[8..8 + word.len()].copy_from_slice(word);
    bytes
}

/// Whether the file below could be renamed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renamed {
    Yes,
    /// The header is laid out in another way than ours and QEMU's.
    NotHere,
}

/// Says that the file stands on another one. A crash leaves the one or the other.
///
/// The new name is written where nothing is, and made durable. Then place and length of the name,
/// and the format, change with one sector.
pub(crate) fn rename_backing(
    path: &Path,
    file: &File,
    header: &Qcow2,
    onto: &DiskFile,
) -> Result<Renamed, Failed> {
    let name = onto.path.as_os_str().as_bytes();
    let length = name_bytes(path, name)?;
    let Some(named) = &header.backing else { return Ok(Renamed::NotHere) };
    let format = header.extension(extension::BACKING_FORMAT);
    let in_sector = |at: u64| usize::try_from(at).ok().filter(|at| at + 8 <= SECTOR_BYTES);
    let Some((format, format_at)) = format.and_then(|it| Some((it, in_sector(it.at)?))) else {
        return Ok(Renamed::NotHere);
    };
    // Padded to 8 bytes, so both words fit if one does.
    if format.bytes == 0 || format.bytes > 8 {
        return Ok(Renamed::NotHere);
    }
    let Some(at) = free_place(header, (named.at, named.name.len() as u64), name.len() as u64)
    else {
        return Ok(Renamed::NotHere);
    };
    let failed = |error| full_or(path, error);
    file.write_all_at(name, at).and_then(|()| file.sync_data()).map_err(failed)?;
    let mut sector = [0; SECTOR_BYTES];
    file.read_exact_at(&mut sector, 0).map_err(failed)?;
    sector[8..16].copy_from_slice(&at.to_be_bytes());
    sector[16..20].copy_from_slice(&length.to_be_bytes());
    sector[format_at - 8..format_at + 8].copy_from_slice(&format_extension(onto.format));
    file.write_all_at(&sector, 0).and_then(|()| file.sync_data()).map_err(failed)?;
    Ok(Renamed::Yes)
}

/// Between the extensions and the end of the first cluster, beside the name that counts now.
fn free_place(header: &Qcow2, (old_at, old_bytes): (u64, u64), bytes: u64) -> Option<u64> {
    let first = header.extensions_end;
    let after = (old_at + old_bytes).next_multiple_of(8);
    if first + bytes <= old_at {
        Some(first)
    } else if after + bytes <= header.cluster_bytes() {
        Some(after)
    } else {
        None
    }
}
