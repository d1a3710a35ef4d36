//! That everything a file points to lies within it, and nothing has two owners.
//!
//! One part in many places would make a large disk out of a small file.

use super::refused::Refused;

pub(super) struct Parts {
    /// Where each begins and ends.
    spans: Vec<(u64, u64)>,
    file_bytes: u64,
    bytes: u64,
    what: &'static str,
}

impl Parts {
    pub(super) fn of(file_bytes: u64, what: &'static str) -> Self {
        Self { spans: Vec::new(), file_bytes, bytes: 0, what }
    }

    /// Parts that are larger together than the file can't all be apart: no more are remembered
    /// than fit into it.
    pub(super) fn add(&mut self, at: u64, bytes: u64) -> Result<(), Refused> {
        let end = at.checked_add(bytes).filter(|end| *end <= self.file_bytes);
        let end = end.ok_or(Refused::CutOff { what: self.what })?;
        self.bytes += bytes;
        if self.bytes > self.file_bytes {
            return Err(Refused::Overlap(self.what));
        }
        self.spans.push((at, end));
        Ok(())
    }

    pub(super) fn are_apart(mut self) -> Result<(), Refused> {
        self.spans.sort_unstable();
        let mut pairs = self.spans.windows(2);
        let overlap = pairs.any(|pair| matches!(pair, [one, next] if one.1 > next.0));
        if overlap { Err(Refused::Overlap(self.what)) } else { Ok(()) }
    }
}
