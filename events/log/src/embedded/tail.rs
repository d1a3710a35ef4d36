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
                && header.group_start > offset
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
