//! What a transaction is going to write: commands get their places, streams their versions, and the
//! chain its links. Nothing here waits or fails half-way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use carrel_model::ids::CommandId;
use carrel_model::record::{
    CommandUnit, Fingerprint, Incarnation, NewRecord, Position, StreamId, UnitHeader, Version,
};

use crate::chain::{self, Fields, Link};
use crate::error::AppendError;
use crate::port::{Answer, Head, PlacedUnit};

/// A command in its place.
#[derive(Debug)]
pub(super) struct DraftUnit {
    pub(super) header: Arc<UnitHeader>,
    pub(super) first: Position,
    pub(super) last: Position,
    /// After its last record.
    pub(super) link: Link,
    pub(super) records: Vec<DraftRecord>,
}

#[derive(Debug)]
pub(super) struct DraftRecord {
    pub(super) position: Position,
    pub(super) version: Version,
    pub(super) new: NewRecord,
}

#[derive(Debug)]
pub(super) struct Draft {
    /// Where the log will end.
    head: Head,
    known: HashMap<CommandId, Answer>,
    /// Where the streams end that may be written to.
    versions: HashMap<StreamId, Version>,
    units: Vec<DraftUnit>,
}

impl Draft {
    /// `known` has every answer that the log gave to the commands that will be drafted, and
    /// `versions` every stream of theirs that it has.
    pub(super) fn new(
        head: Head,
        known: HashMap<CommandId, Answer>,
        versions: HashMap<StreamId, Version>,
    ) -> Self {
        Self { head, known, versions, units: Vec::new() }
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    pub(super) fn units(&self) -> &[DraftUnit] {
        &self.units
    }

    /// The new ends of the streams that are written to.
    pub(super) fn streams(&self) -> BTreeMap<&StreamId, Version> {
        let records = self.units.iter().flat_map(|unit| &unit.records);
        records.map(|record| (&record.new.stream, record.version)).collect()
    }

    /// Adds a batch whole, or nothing of it.
    pub(super) fn append(&mut self, units: Vec<CommandUnit>) -> Result<Vec<Answer>, AppendError> {
        let mut seen: HashMap<CommandId, Fingerprint> = HashMap::new();
        for unit in &units {
            let known = self.known.get(&unit.command_id);
            let first = known.map_or(self.head.position.next(), |answer| answer.first);
            let fingerprint = known.map_or_else(
                || *seen.entry(unit.command_id).or_insert(unit.fingerprint),
                |answer| answer.fingerprint,
            );
            if fingerprint != unit.fingerprint {
                return Err(AppendError::IdReused { command_id: unit.command_id, first });
            }
        }
        Ok(units.into_iter().map(|unit| self.append_unit(unit)).collect())
    }

    /// Adds a unit that has its place already, if that is where the log ends.
    pub(super) fn import(&mut self, placed: PlacedUnit) -> Result<(), AppendError> {
        let after = self.head.position;
        placed.fits(&self.head)?;
        if let Some(known) = self.known.get(&placed.unit.command_id) {
            let what = format!("its command is in the log already, at position {}", known.first);
            return Err(AppendError::not_continuous(after, what));
        }
        let unit = self.place(placed.unit, placed.incarnation);
        if unit.link != placed.link {
            return Err(AppendError::not_continuous(after, "the chain breaks"));
        }
        self.head.incarnation = placed.incarnation;
        self.keep(unit);
        Ok(())
    }

    fn append_unit(&mut self, unit: CommandUnit) -> Answer {
        if let Some(answer) = self.known.get(&unit.command_id) {
            return Answer { duplicate: true, ..*answer };
        }
        let unit = self.place(unit, self.head.incarnation);
        self.keep(unit)
    }

    fn place(&self, unit: CommandUnit, incarnation: Incarnation) -> DraftUnit {
        let header = Arc::new(UnitHeader {
            command_id: unit.command_id,
            fingerprint: unit.fingerprint,
            origin: unit.origin,
            incarnation,
        });
        let Head { mut position, mut link, .. } = self.head;
        let first = position.next();
        let mut versions: HashMap<StreamId, Version> = HashMap::new();
        let mut scratch = Vec::new();
        let place = |new: NewRecord| {
            position = position.next();
            let ends_at = || self.versions.get(&new.stream).copied().unwrap_or_default();
            let version = versions.entry(new.stream.clone()).or_insert_with(ends_at);
            *version = version.next();
            let version = *version;
            chain::canonical(&mut scratch, &header, &Fields::of_new(&new, position, version));
            link = link.then(&scratch);
            DraftRecord { position, version, new }
        };
        let records = unit.records.into_iter().map(place).collect();
        DraftUnit { header, first, last: position, link, records }
    }

    fn keep(&mut self, unit: DraftUnit) -> Answer {
        for record in &unit.records {
            self.versions.insert(record.new.stream.clone(), record.version);
        }
        let answer = Answer {
            command_id: unit.header.command_id,
            fingerprint: unit.header.fingerprint,
            first: unit.first,
            last: unit.last,
            duplicate: false,
        };
        self.known.insert(answer.command_id, answer);
        self.head.position = unit.last;
        self.head.link = unit.link;
        self.units.push(unit);
        answer
    }
}
