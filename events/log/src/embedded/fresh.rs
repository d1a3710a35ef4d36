//! The index of a chunk while it is in memory: of the one that is written to, and of a sealed one
//! until its index file is there.

use std::collections::HashMap;

use carrel_model::ids::CommandId;
use carrel_model::record::{Fingerprint, Position, StreamId, Version};

use super::horizon::Largest;
use crate::port::Answer;

/// A place to start reading from is kept about this often, so that finding a position costs one
/// small read.
pub(crate) const WAYPOINT_BYTES: u64 = 16 * 1024;

/// Where a unit is.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) offset: u32,
    pub(crate) first: Position,
    pub(crate) command_id: CommandId,
    pub(crate) fingerprint: Fingerprint,
    /// The streams of its records, in order, with the version of each.
    pub(crate) records: &'a [(StreamId, Version)],
}

/// One stream's records in this chunk: the offset of the unit of each version from `first` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Postings {
    pub(crate) first: Version,
    pub(crate) offsets: Vec<u32>,
}

impl Postings {
    /// The offsets of the units of the versions after `after`.
    pub(crate) fn after(&self, after: Version) -> &[u32] {
        let skip = usize::try_from(after.next().0.saturating_sub(self.first.0));
        self.offsets.get(skip.unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    pub(crate) const fn last(&self) -> Version {
        Version(self.first.0 + self.offsets.len() as u64 - 1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waypoint {
    pub(crate) position: Position,
    pub(crate) offset: u32,
}

/// A command, and what its caller was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) offset: u32,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) first: Position,
    pub(crate) last: Position,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FreshIndex {
    pub(crate) commands: HashMap<CommandId, Known>,
    pub(crate) streams: HashMap<StreamId, Postings>,
    pub(crate) waypoints: Vec<Waypoint>,
    pub(crate) units: u64,
    pub(crate) largest: Largest,
}

impl FreshIndex {
    pub(crate) fn add(&mut self, place: &Place<'_>) {
        self.units += 1;
        let known = Known {
            offset: place.offset,
            fingerprint: place.fingerprint,
            first: place.first,
            last: Position(place.first.0 + place.records.len() as u64 - 1),
        };
        self.largest.command = self.largest.command.max(*place.command_id.as_bytes());
        self.commands.insert(place.command_id, known);
        for (stream, version) in place.records {
            if let Some(postings) = self.streams.get_mut(stream) {
                postings.offsets.push(place.offset);
            } else {
                let postings = Postings { first: *version, offsets: vec![place.offset] };
                self.largest.stream = self.largest.stream.max(*stream.id.as_bytes());
                self.streams.insert(stream.clone(), postings);
            }
        }
        let due = self
            .waypoints
            .last()
            .is_none_or(|last| u64::from(place.offset - last.offset) >= WAYPOINT_BYTES);
        if due {
            self.waypoints.push(Waypoint { position: place.first, offset: place.offset });
        }
    }

    pub(crate) fn answer(&self, command_id: CommandId) -> Option<Answer> {
        self.commands.get(&command_id).map(|known| Answer {
            command_id,
            fingerprint: known.fingerprint,
            first: known.first,
            last: known.last,
            duplicate: false,
        })
    }

    pub(crate) fn last_version(&self, stream: &StreamId) -> Option<Version> {
        self.streams.get(stream).map(Postings::last)
    }
}

/// The last waypoint at or before a position.
pub(crate) fn waypoint(waypoints: &[Waypoint], position: Position) -> Option<u32> {
    let after = waypoints.partition_point(|waypoint| waypoint.position <= position);
    after.checked_sub(1).map(|at| waypoints[at].offset)
}
