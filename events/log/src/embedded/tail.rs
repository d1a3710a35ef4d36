//! Tells a torn write from damage.
//!
//! When power goes in the middle of a write, each sector of the group that was being written may
//! have reached the disk or not; what did not is still zero, because chunks are filled with zeros
//! beforehand. Such a group was never acknowledged and is cut off. Anything else that is not a
//! whole frame is damage, and damage is never cut off silently.
//!
//! Two facts decide:
//! 1. A group is written only after the one before it is durable. So a whole frame of a group that
//!    started *after* the bad bytes proves that these were durable once: damage.
//! 2. What did not reach the disk is zero: in the frame's extent, from some byte to the end of the
//!    file (the tail never came, or the file was cut), or in a whole sector (up to where the frame
//!    starts in it). If neither is so, the bytes were changed: damage.

use std::io;

use crate::disk::DiskFile;
use crate::format::frame::{ALIGNMENT, HEADER_BYTES, Header};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
const WINDOW_BYTES: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was written here.
    Empty,
    /// The last group did not reach the disk whole.
    Torn,
    /// Something changed what had been written.
    Damaged,
}

/// Judges the bytes from `offset` on, where no whole frame starts. `header` is the frame's header,
/// if that much could be read.
pub(crate) fn judge(
    file: &dyn DiskFile,
    offset: u64,
    header: Option<&Header>,
) -> io::Result<Verdict> {
    let length = file.len()?;
    let Some(last) = last_nonzero(file, offset, length)? else { return Ok(Verdict::Empty) };
    if later_group(file, offset, last)? {
        return Ok(Verdict::Damaged);
    }
    let frame_bytes = header.map_or(HEADER_BYTES, Header::frame_len);
    let frame_end = offset + frame_bytes as u64;
    if last + 1 < frame_end || zero_sector(file, offset, frame_end)? {
        return Ok(Verdict::Torn);
    }
    Ok(Verdict::Damaged)
}

/// The last byte from `start` on that is not zero.
fn last_nonzero(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<Option<u64>> {
    let mut found = None;
    let mut window = vec![0; WINDOW_BYTES];
    let mut at = start;
    while at < end {
        let filled = file.read_at(&mut window, at)?;
        if filled == 0 {
            break;
        }
        if let Some(nth) = window[..filled].iter().rposition(|byte| *byte != 0) {
            found = Some(at + nth as u64);
        }
        at += filled as u64;
    }
    Ok(found)
}

/// Whether a whole frame stands behind `offset` whose group started there, too.
fn later_group(file: &dyn DiskFile, offset: u64, last: u64) -> io::Result<bool> {
    let align = ALIGNMENT as u64;
    let mut at = offset + align;
    let mut window = vec![0; WINDOW_BYTES];
    while at <= last {
        let filled = file.read_at(&mut window, at)?;
        let mut within = 0;
        while within + HEADER_BYTES <= filled {
            if let Ok(header) = Header::read(&window[within..])
                && (offset + 1..=at + within as u64).contains(&header.group_start)
                && is_whole(file, at + within as u64, &header)?
            {
                return Ok(true);
            }
            within += ALIGNMENT;
        }
        if within == 0 {
            break;
        }
        at += within as u64;
    }
    Ok(false)
}

fn is_whole(file: &dyn DiskFile, offset: u64, header: &Header) -> io::Result<bool> {
    let mut body = vec![0; header.padded_len()];
    let filled = file.read_at(&mut body, offset + HEADER_BYTES as u64)?;
    body.truncate(filled);
    Ok(header.check(&body).is_ok())
}

/// Whether some sector that the frame touches is zero from the frame's start on.
fn zero_sector(file: &dyn DiskFile, offset: u64, frame_end: u64) -> io::Result<bool> {
    let step = SECTOR_BYTES as u64;
    let mut sector_start = offset - offset % step;
    let mut sector = [0; SECTOR_BYTES];
    while sector_start < frame_end {
        let filled = file.read_at(&mut sector, sector_start)?;
        let skip = usize::try_from(offset.saturating_sub(sector_start)).unwrap_or(usize::MAX);
        let part = sector[..filled].get(skip..).unwrap_or_default();
        if part.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        sector_start += step;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use bytes::Bytes;
    use carrel_model::record::Position;
    use carrel_testkit::units::{Units, stream};

    use super::super::chunk::{self, HEADER_END};
    use super::super::scan::{Scan, Stop, scan};
    use super::super::{EmbeddedLog, Layout, Options};
    use super::*;
    use crate::disk::OsDisk;
    use crate::format::reader::FrameReader;
    use crate::fuzzing::InMemory;
    use crate::{EventLog, Expected};

    /// An active chunk of three groups; the last is a batch of three commands.
    struct Sample {
        bytes: Vec<u8>,
        /// Where each group starts, and where the last one ends.
        groups: [u64; 4],
        /// The last position of each group.
        positions: [u64; 3],
    }

    /// Zeros behind the last group: enough that a sector of them follows.
    const ROOM_BYTES: usize = 4096;

    async fn sample() -> Sample {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(Arc::new(OsDisk), dir.path(), Options::of_a_test()).unwrap();
        let mut units = Units::new(1);
        let mut positions = [0; 3];
        let batches = [
            vec![units.small(1)],
            vec![units.small(2), units.unit(&[stream(1), stream(3)], 900)],
            vec![units.small(4), units.unit(&[stream(1), stream(5)], 700), units.small(1)],
        ];
        for (nth, batch) in batches.into_iter().enumerate() {
            let answers = log.append(Expected::Any, batch).await.unwrap();
            positions[nth] = answers.last().unwrap().last.0;
        }
        drop(log);
        let mut bytes = std::fs::read(Layout::new(dir.path()).chunk(1)).unwrap();
        let file = InMemory(Arc::new(bytes.clone()));
        let mut reader = FrameReader::new(&file, HEADER_END, u64::MAX);
        let mut starts = Vec::new();
        while let Ok(Some(frame)) = reader.next_frame() {
            starts.push(frame.header.group_start);
        }
        starts.dedup();
        let end = reader.offset();
        bytes.truncate(usize::try_from(end).unwrap() + ROOM_BYTES);
        Sample { bytes, groups: [starts[0], starts[1], starts[2], end], positions }
    }

    fn scanned(bytes: Vec<u8>) -> Scan {
        let header = chunk::Header::read(&Bytes::from(bytes.clone())).unwrap();
        scan(&InMemory(Arc::new(bytes)), Path::new("a chunk"), &header, |_, _| {}).unwrap()
    }

    fn at(offset: u64) -> usize {
        usize::try_from(offset).unwrap()
    }

    #[tokio::test]
    async fn a_last_group_that_is_cut_or_zero_from_any_byte_on_is_cut_off() {
        let sample = sample().await;
        let whole = scanned(sample.bytes.clone());
        assert_eq!((whole.stop, whole.end.position.0), (Stop::Clean, sample.positions[2]));
        for from in sample.groups[2]..sample.groups[3] {
            let mut cut = sample.bytes.clone();
            cut.truncate(at(from));
            let mut zero = sample.bytes.clone();
            zero[at(from)..].fill(0);
            for bytes in [cut, zero] {
                let scan = scanned(bytes);
                assert_eq!(scan.end.position.0, sample.positions[1], "from byte {from}");
                assert_eq!(scan.end_offset, sample.groups[2], "from byte {from}");
                let damaged = matches!(scan.stop, Stop::Damaged(_));
                assert!(!damaged, "from byte {from}: {:?}", scan.stop);
            }
        }
    }

    #[tokio::test]
    async fn sectors_of_the_last_group_that_never_came_are_cut_off_with_it() {
        let sample = sample().await;
        let (start, end) = (at(sample.groups[2]), at(sample.groups[3]));
        let sectors: Vec<usize> = (start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)).collect();
        for missing in 1u32..1 << sectors.len() {
            let mut bytes = sample.bytes.clone();
            for (nth, sector) in sectors.iter().enumerate() {
                if missing & 1 << nth != 0 {
                    let from = (sector * SECTOR_BYTES).max(start);
                    bytes[from..(sector + 1) * SECTOR_BYTES].fill(0);
                }
            }
            let scan = scanned(bytes);
            assert_eq!(scan.end.position.0, sample.positions[1], "sectors {missing:b}");
            assert!(matches!(scan.stop, Stop::Torn { .. } | Stop::Clean), "{:?}", scan.stop);
        }
    }

    #[tokio::test]
    async fn any_other_change_is_damage_and_is_named() {
        let sample = sample().await;
        for bit in sample.groups[0] * 8..sample.groups[3] * 8 {
            let mut bytes = sample.bytes.clone();
            bytes[at(bit / 8)] ^= 1 << (bit % 8);
            let scan = scanned(bytes);
            let Stop::Damaged(damage) = &scan.stop else {
                panic!("bit {bit}: {:?}", scan.stop);
            };
            assert!(damage.offset <= bit / 8, "bit {bit}: {damage}");
            assert!(damage.position > scan.end.position, "bit {bit}: {damage}");
        }
    }

    #[tokio::test]
    async fn a_hole_that_durable_groups_follow_is_damage() {
        let sample = sample().await;
        for (from, to) in [(0, 1), (1, 2), (0, 2)] {
            let mut bytes = sample.bytes.clone();
            bytes[at(sample.groups[from])..at(sample.groups[to])].fill(0);
            let scan = scanned(bytes);
            assert!(matches!(scan.stop, Stop::Damaged(_)), "{:?}", scan.stop);
            let before = if from == 0 { Position(0) } else { Position(sample.positions[from - 1]) };
            assert_eq!(scan.end.position, before);
        }
    }

    /// The same through the front door: the log opens, says what it cut off, and goes on.
    #[tokio::test]
    async fn a_log_with_a_torn_last_group_opens_without_it_and_goes_on() {
        let sample = sample().await;
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        for from in (sample.groups[2]..sample.groups[3]).step_by(11) {
            let mut torn = sample.bytes.clone();
            torn[at(from)..].fill(0);
            std::fs::create_dir_all(layout.chunks()).unwrap();
            std::fs::write(layout.chunk(1), torn).unwrap();
            let log =
                EmbeddedLog::open(Arc::new(OsDisk), dir.path(), Options::of_a_test()).unwrap();
            let reported = log.report().torn.as_ref().map(|torn| torn.position.0);
            let cut = (from > sample.groups[2]).then_some(sample.positions[1] + 1);
            assert_eq!(reported, cut, "from byte {from}");
            let units = vec![Units::new(9).small(1)];
            let answers = log.append(Expected::Any, units).await.unwrap();
            assert_eq!(answers[0].first.0, sample.positions[1] + 1, "from byte {from}");
            drop(log);
            let log =
                EmbeddedLog::open(Arc::new(OsDisk), dir.path(), Options::of_a_test()).unwrap();
            assert_eq!(log.report().torn, None);
            assert_eq!(log.head().await.unwrap().position, answers[0].last);
            drop(log);
            std::fs::remove_dir_all(dir.path().join("chunks")).unwrap();
            std::fs::remove_dir_all(layout.catalogue()).unwrap();
            std::fs::remove_file(layout.clean_stop()).unwrap();
        }
    }
}
