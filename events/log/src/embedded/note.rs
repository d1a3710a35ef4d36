//! Notes: what the log remembers that is not a record. They ride in the chunks, so that they are
//! durable in the same write as everything else and nothing but chunks is needed to know them.
//! Each chunk begins with all notes that are in force; a later note replaces an earlier one.
//!
//! ```text
//!  size  cursor              size  lease               size  incarnation
//!     1  1                      1  2                      1  3
//!   1+n  consumer's name      1+n  lease's name           4  incarnation of what follows
//!     8  position               8  epoch
//!     8  epoch
//!     4  incarnation
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use carrel_model::name::{ConsumerName, LeaseName, NameError};
use carrel_model::record::{Epoch, Incarnation, Position};

use crate::format::fields::{Fields, Malformed, put_short_text};
use crate::format::frame::{self, Kind};
use crate::port::Cursor;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    Cursor { name: ConsumerName, cursor: Cursor },
    Lease { name: LeaseName, epoch: Epoch },
    Incarnation(Incarnation),
}

/// The largest frame of a note.
pub(crate) const NOTE_FRAME_BYTES_MAX: usize =
    frame::HEADER_BYTES + frame::padded(1 + 1 + ConsumerName::LENGTH_MAX + 8 + 8 + 4);

impl Note {
    pub(crate) fn write(&self, out: &mut Vec<u8>, group_start: u64, position: Position) {
        let start = out.len();
        frame::write(out, Kind::Note, group_start, position.0, |out| match self {
            Self::Cursor { name, cursor } => {
                out.push(1);
                put_short_text(out, name.as_str());
                out.extend_from_slice(&cursor.position.0.to_le_bytes());
                out.extend_from_slice(&cursor.epoch.0.to_le_bytes());
                out.extend_from_slice(&cursor.incarnation.0.to_le_bytes());
            }
            Self::Lease { name, epoch } => {
                out.push(2);
                put_short_text(out, name.as_str());
                out.extend_from_slice(&epoch.0.to_le_bytes());
            }
            Self::Incarnation(incarnation) => {
                out.push(3);
                out.extend_from_slice(&incarnation.0.to_le_bytes());
            }
        });
        frame::end_batch(out, start);
    }

    pub fn read(body: &Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let note = match fields.u8()? {
            1 => Self::Cursor {
                name: ConsumerName::new(fields.short_text()?).map_err(bad_name)?,
                cursor: Cursor {
                    position: Position(fields.u64()?),
                    epoch: Epoch(fields.u64()?),
                    incarnation: Incarnation(fields.u32()?),
                },
            },
            2 => Self::Lease {
                name: LeaseName::new(fields.short_text()?).map_err(bad_name)?,
                epoch: Epoch(fields.u64()?),
            },
            3 => Self::Incarnation(Incarnation(fields.u32()?)),
            other => return Err(Malformed(format!("unknown kind {other} of a note"))),
        };
        fields.end()?;
        Ok(note)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn bad_name(error: NameError) -> Malformed {
    Malformed(error.to_string())
}

/// All notes in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    pub cursors: BTreeMap<ConsumerName, Cursor>,
    pub leases: BTreeMap<LeaseName, Epoch>,
    pub incarnation: Incarnation,
}

impl Notes {
    pub(crate) fn apply(&mut self, note: Note) {
        match note {
            Note::Cursor { name, cursor } => {
                self.cursors.insert(name, cursor);
            }
            Note::Lease { name, epoch } => {
                self.leases.insert(name, epoch);
            }
            Note::Incarnation(incarnation) => self.incarnation = incarnation,
        }
    }

    pub(crate) fn names(&self) -> usize {
        self.cursors.len() + self.leases.len()
    }

    /// What a new chunk begins with; its incarnation stands in its header.
    pub(crate) fn carried(&self) -> impl Iterator<Item = Note> + '_ {
        let cursors = self
            .cursors
            .iter()
            .map(|(name, cursor)| Note::Cursor { name: name.clone(), cursor: *cursor });
        let leases = self
            .leases
            .iter()
            .map(|(name, epoch)| Note::Lease { name: name.clone(), epoch: *epoch });
        cursors.chain(leases)
    }
}
