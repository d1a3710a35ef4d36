//! The bytes of a ledger: one frame for each change.
//!
//! ```text
//!   length (4 bytes, the lowest first) | CRC-32C of the rest (4 bytes) | JSON
//! ```

use carrel_model::ids::HypervisorId;
use carrel_model::work::Thing;
use serde::{Deserialize, Serialize};

use super::LedgerError;
use crate::entry::Change;
use crate::limits::LEDGER_FRAME_MAX;

const HEAD: usize = 8;

#[derive(Serialize)]
struct Written<'a> {
    host: HypervisorId,
    thing: Thing,
    change: &'a Change,
}

#[derive(Deserialize)]
struct Read {
    host: HypervisorId,
    thing: Thing,
    change: Change,
}

pub(super) fn write(
    to: &mut Vec<u8>,
    host: HypervisorId,
    thing: Thing,
    change: &Change,
) -> Result<(), LedgerError> {
    let json = serde_json::to_vec(&Written { host, thing, change });
    let json = json.map_err(|error| LedgerError::Broken(error.to_string()))?;
    let length = u32::try_from(json.len()).ok().filter(|_| json.len() <= LEDGER_FRAME_MAX);
    let length = length.ok_or_else(|| LedgerError::Broken("an entry is too long".to_owned()))?;
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&crc32c::crc32c(&json).to_le_bytes());
    to.extend_from_slice(&json);
    Ok(())
}

/// Reads up to the first frame that is not whole.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    whole: u64,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole: 0 }
    }

    /// How many bytes were good.
    pub(super) const fn whole(&self) -> u64 {
        self.whole
    }

    fn frame(&mut self) -> Option<Read> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > LEDGER_FRAME_MAX {
            return None;
        }
        let (json, rest) = rest.split_at_checked(length)?;
        if crc32c::crc32c(json) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let read = serde_json::from_slice(json).ok()?;
        self.rest = rest;
        self.whole += (HEAD + length) as u64;
        Some(read)
    }
}

impl Iterator for Reader<'_> {
    type Item = (HypervisorId, Thing, Change);

    fn next(&mut self) -> Option<Self::Item> {
        let Read { host, thing, change } = self.frame()?;
        Some((host, thing, change))
    }
}
