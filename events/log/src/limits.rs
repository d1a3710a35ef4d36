//! Every bound of the log, with where its number comes from. docs/log-format.md repeats those that
//! a reader of the files depends on.

use carrel_model::record::CommandUnit;

use crate::error::TooLarge;

/// A decision has at most 256 events; what is larger is an operation that advances in slices.
pub const UNIT_RECORDS_MAX: usize = 256;

/// One fact is small; 256 KiB leaves room for a machine's whole hardware description many times
/// over, and keeps a page of records in cache.
pub const RECORD_DATA_BYTES_MAX: usize = 256 * 1024;

/// All facts of one command together: four of the largest, or 256 of 4 KiB.
pub const UNIT_DATA_BYTES_MAX: usize = 1024 * 1024;

/// The API's batch form takes up to 1,000 commands.
pub const BATCH_UNITS_MAX: usize = 1_024;

/// Encoded. A batch is never split over two chunks, so this also bounds what a chunk leaves empty.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The newest records are kept in memory, so many and so much of their data at most: whoever
/// follows the log is rarely further behind than some hundred.
pub const RECENT_RECORDS: usize = 4_096;
pub const RECENT_BYTES: usize = 4 * 1024 * 1024;

/// Records in one page of reading; about 5 MB of typical records.
pub const PAGE_RECORDS_MAX: usize = 10_000;

/// Bytes of data in one page of reading. At least one record is always given, whatever its size.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How far behind the head a writer may be when it takes its turn. What it has to catch up with is
/// read page by page, and handed over at once while it holds the writer's place. Only records are
/// counted: typical ones are about 5 MB, as many of the largest would be 2.4 GiB.
pub const TURN_CATCH_UP_MAX: u64 = 10_000;

/// A fleet of a million machines at 1.5 KB each.
pub const SNAPSHOT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Older snapshots of one kind are removed: the newest may be damaged, so one more is kept.
pub const SNAPSHOTS_KEPT: usize = 2;

/// Named cursors and leases together: a few for each role and projection.
pub const NAMES_MAX: usize = 4_096;

/// Refuses a batch that no adapter would take.
pub(crate) fn check<'a, I>(units: I) -> Result<(), TooLarge>
where
    I: IntoIterator<Item = &'a CommandUnit, IntoIter: ExactSizeIterator>,
{
    let units = units.into_iter();
    if units.len() == 0 || units.len() > BATCH_UNITS_MAX {
        return Err(TooLarge::Units { given: units.len(), max: BATCH_UNITS_MAX });
    }
    let mut batch_bytes = 0;
    for unit in units {
        if unit.records.is_empty() || unit.records.len() > UNIT_RECORDS_MAX {
            return Err(TooLarge::Records { given: unit.records.len(), max: UNIT_RECORDS_MAX });
        }
        if let Some(record) =
            unit.records.iter().find(|record| record.data.len() > RECORD_DATA_BYTES_MAX)
        {
            let (given, max) = (record.data.len(), RECORD_DATA_BYTES_MAX);
            return Err(TooLarge::RecordData { given, max });
        }
        let unit_bytes: usize = unit.records.iter().map(|record| record.data.len()).sum();
        if unit_bytes > UNIT_DATA_BYTES_MAX {
            return Err(TooLarge::UnitData { given: unit_bytes, max: UNIT_DATA_BYTES_MAX });
        }
        batch_bytes += crate::format::unit::encoded_len(unit);
    }
    if batch_bytes > BATCH_BYTES_MAX {
        return Err(TooLarge::Batch { given: batch_bytes, max: BATCH_BYTES_MAX });
    }
    Ok(())
}
