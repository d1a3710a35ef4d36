//! A qcow2 file of somebody else's.
//!
//! Its L1 table is read here. Its L2 tables are when the disk's content is counted, before a tool
//! sees the file ([`crate::content`]).

use super::fits;
use super::parts::Parts;
use super::qcow2::{L1_BYTES_MAX, Qcow2, extension, feature};
use super::refused::Refused;
use super::window::Window;
use crate::limits::Limits;

/// QEMU's own maximum (`QCOW_MAX_REFTABLE_SIZE`).
const REFCOUNT_TABLE_BYTES_MAX: u64 = 8 << 20;
const REFCOUNT_ORDER_MAX: u32 = 6;
/// Bits 9 to 55 of an L1 entry; the highest bit says that it is used once; others are none.
const L1_OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const L1_KNOWN: u64 = L1_OFFSET | 1 << 63;

pub(super) fn inspect(window: &mut Window<'_>, limits: &Limits) -> Result<u64, Refused> {
    let it = Qcow2::read(window)?;
    stands_alone(&it)?;
    is_whole(&it)?;
    it.readable()?;
    fits(it.virtual_bytes, limits)?;
    tables(&it, window, limits)?;
    Ok(it.virtual_bytes)
}

/// Nothing in it leads to another file, and it holds one state of one disk.
fn stands_alone(it: &Qcow2) -> Result<(), Refused> {
    if it.backing.is_some() || it.extension(extension::BACKING_FORMAT).is_some() {
        return Err(Refused::BackingFile);
    }
    let has = |kind| it.extension(kind).is_some();
    let raw = it.autoclear & feature::AUTOCLEAR_RAW_DATA_FILE != 0;
    if raw || has(extension::DATA_FILE) || it.incompatible & feature::DATA_FILE != 0 {
        return Err(Refused::DataElsewhere);
    }
    if it.encryption != 0 || has(extension::ENCRYPTION) {
        return Err(Refused::Encrypted);
    }
    if it.snapshots != 0 {
        return Err(Refused::Snapshots(it.snapshots));
    }
    if has(extension::BITMAPS) || it.autoclear & feature::AUTOCLEAR_BITMAPS != 0 {
        return Err(Refused::Bitmaps);
    }
    let unknown = it.extensions.iter().find(|other| other.kind != extension::FEATURE_NAMES);
    if let Some(unknown) = unknown {
        return Err(Refused::UnknownFeature(format!("header extension {:#010x}", unknown.kind)));
    }
    Ok(())
}

fn is_whole(it: &Qcow2) -> Result<(), Refused> {
    if it.incompatible & feature::CORRUPT != 0 {
        return Err(Refused::MarkedCorrupt);
    }
    if it.incompatible & feature::DIRTY != 0 {
        return Err(Refused::NotClosed);
    }
    if it.refcount_order > REFCOUNT_ORDER_MAX {
        return Err(Refused::Malformed("the width of reference counts"));
    }
    Ok(())
}

fn tables(it: &Qcow2, window: &mut Window<'_>, limits: &Limits) -> Result<(), Refused> {
    let cluster = it.cluster_bytes();
    let needed = (it.l1_entries_needed() * 8).next_multiple_of(cluster);
    // It may have room to grow, but not for its own sake.
    let most = L1_BYTES_MAX.min(limits.table_bytes_max).min(needed.saturating_mul(2));
    if it.l1_bytes() > most {
        return Err(Refused::TableTooLarge { what: "its L1 table" });
    }
    let refcount_bytes = u64::from(it.refcount_clusters) * cluster;
    if refcount_bytes > REFCOUNT_TABLE_BYTES_MAX.min(limits.table_bytes_max).max(cluster) {
        return Err(Refused::TableTooLarge { what: "its refcount table" });
    }
    if it.refcount_clusters == 0 {
        return Err(Refused::Malformed("the size of the refcount table"));
    }
    for (at, bytes, what) in [
        (it.l1_at, it.l1_bytes(), "its L1 table"),
        (it.refcounts_at, refcount_bytes, "its refcount table"),
    ] {
        if at == 0 || !at.is_multiple_of(cluster) {
            return Err(Refused::Malformed("the place of a table"));
        }
        window.must_hold(at, bytes, what)?;
    }
    let mut parts = Parts::of(window.length(), "its tables");
    parts.add(0, cluster)?;
    parts.add(it.l1_at, it.l1_bytes())?;
    parts.add(it.refcounts_at, refcount_bytes)?;
    window.entries((it.l1_at, it.l1_entries.into()), "its L1 table", |number, entry| {
        let entry = u64::from_be_bytes(entry);
        if entry & !L1_KNOWN != 0 {
            return Err(Refused::Malformed("an entry of the L1 table"));
        }
        let at = entry & L1_OFFSET;
        if at == 0 {
            return Ok(());
        }
        if !at.is_multiple_of(cluster) || number >= it.l1_entries_needed() {
            return Err(Refused::Malformed("an entry of the L1 table"));
        }
        parts.add(at, cluster)
    })?;
    parts.are_apart()
}
