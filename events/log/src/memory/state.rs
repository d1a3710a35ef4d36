//! What the log holds, and how it changes. Nothing here waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{
    CommandUnit, Epoch, Incarnation, NewRecord, Position, Record, StreamId, UnitHeader, Version,
};

use crate::chain::{self, Link};
use crate::error::{AppendError, CursorError, Refused, TooLarge};
use crate::limits::NAMES_MAX;
use crate::port::{Answer, Cursor, Expected, Guard, Head, Page, PageLimit, PlacedUnit, Snapshot};

#[derive(Debug)]
pub(super) struct State {
    pub(super) log_id: LogId,
    pub(super) incarnation: Incarnation,
    pub(super) records: Vec<Record>,
    /// The chain's link after each record.
    pub(super) links: Vec<Link>,
    pub(super) streams: HashMap<StreamId, Vec<Position>>,
    pub(super) commands: HashMap<CommandId, Answer>,
    pub(super) cursors: BTreeMap<ConsumerName, Cursor>,
    pub(super) leases: HashMap<LeaseName, Epoch>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) closed: bool,
}

impl State {
    pub(super) fn new(log_id: LogId) -> Self {
        Self {
            log_id,
            incarnation: Incarnation(1),
            records: Vec::new(),
            links: Vec::new(),
            streams: HashMap::new(),
            commands: HashMap::new(),
            cursors: BTreeMap::new(),
            leases: HashMap::new(),
            snapshots: Vec::new(),
            closed: false,
        }
    }

    pub(super) fn open(&self) -> Result<(), Refused> {
        if self.closed { Err(Refused::Closed) } else { Ok(()) }
    }

    pub(super) fn head(&self) -> Head {
        Head {
            position: Position(self.records.len() as u64),
            link: self.links.last().copied().unwrap_or(Link::START),
            incarnation: self.incarnation,
            log_id: self.log_id,
        }
    }

    pub(super) fn permits(
        &self,
        expected: Expected,
        guard: Option<&Guard>,
    ) -> Result<(), AppendError> {
        let actual = self.head().position;
        match expected {
            Expected::At(expected) if expected != actual => {
                return Err(AppendError::Conflict { expected, actual });
            }
            Expected::At(_) | Expected::Any => {}
        }
        let Some(guard) = guard else { return Ok(()) };
        let current = self.leases.get(&guard.lease).copied().unwrap_or_default();
        if guard.epoch < current {
            let (lease, given) = (guard.lease.clone(), guard.epoch);
            return Err(AppendError::Fenced { lease, given, current });
        }
        Ok(())
    }

    /// Whether all of these commands are known. An id that was used for another command refuses the
    /// batch before anything of it is written.
    pub(super) fn knows(&self, units: &[CommandUnit]) -> Result<bool, AppendError> {
        let mut seen = HashMap::new();
        for unit in units {
            let known = self.commands.get(&unit.command_id);
            let first = known.map_or(self.head().position.next(), |answer| answer.first);
            let fingerprint = known.map(|answer| answer.fingerprint);
            let fingerprint = fingerprint
                .unwrap_or_else(|| *seen.entry(unit.command_id).or_insert(unit.fingerprint));
            if fingerprint != unit.fingerprint {
                return Err(AppendError::IdReused { command_id: unit.command_id, first });
            }
        }
        Ok(units.iter().all(|unit| self.commands.contains_key(&unit.command_id)))
    }

    pub(super) fn append(&mut self, units: Vec<CommandUnit>) -> Vec<Answer> {
        units.into_iter().map(|unit| self.append_unit(unit)).collect()
    }

    fn append_unit(&mut self, unit: CommandUnit) -> Answer {
        if let Some(answer) = self.commands.get(&unit.command_id) {
            return Answer { duplicate: true, ..*answer };
        }
        let placed = self.place(unit, self.incarnation);
        self.keep(placed)
    }

    /// A unit's records as they would stand at the end of the log, each with its link.
    fn place(&self, unit: CommandUnit, incarnation: Incarnation) -> Vec<(Record, Link)> {
        let header = Arc::new(UnitHeader {
            command_id: unit.command_id,
            fingerprint: unit.fingerprint,
            origin: unit.origin,
            incarnation,
        });
        let Head { mut position, mut link, .. } = self.head();
        let mut versions: HashMap<StreamId, Version> = HashMap::new();
        let mut scratch = Vec::new();
        let place = |new: NewRecord| {
            position = position.next();
            let version = versions.entry(new.stream.clone()).or_insert_with(|| {
                Version(self.streams.get(&new.stream).map_or(0, Vec::len) as u64)
            });
            *version = version.next();
            let record = Record {
                position,
                version: *version,
                stream: new.stream,
                event_id: new.event_id,
                kind: new.kind,
                schema: new.schema,
                unit: Arc::clone(&header),
                data: new.data,
            };
            link = chain::next(link, &record, &mut scratch);
            (record, link)
        };
        unit.records.into_iter().map(place).collect()
    }

    /// `placed` is one unit, and has a record at least.
    fn keep(&mut self, placed: Vec<(Record, Link)>) -> Answer {
        let header = Arc::clone(&placed[0].0.unit);
        let first = placed[0].0.position;
        for (record, link) in placed {
            self.streams.entry(record.stream.clone()).or_default().push(record.position);
            self.records.push(record);
            self.links.push(link);
        }
        let answer = Answer {
            command_id: header.command_id,
            fingerprint: header.fingerprint,
            first,
            last: self.head().position,
            duplicate: false,
        };
        self.commands.insert(answer.command_id, answer);
        answer
    }

    pub(super) fn import(&mut self, placed: PlacedUnit) -> Result<(), AppendError> {
        let head = self.head();
        placed.fits(&head)?;
        if let Some(known) = self.commands.get(&placed.unit.command_id) {
            let what = format!("its command is in the log already, at position {}", known.first);
            return Err(AppendError::not_continuous(head.position, what));
        }
        let records = self.place(placed.unit, placed.incarnation);
        if records.last().map(|(_, link)| *link) != Some(placed.link) {
            return Err(AppendError::not_continuous(head.position, "the chain breaks"));
        }
        self.incarnation = placed.incarnation;
        self.keep(records);
        Ok(())
    }

    /// The chain's link after the record at a position; before the first there is one, too.
    pub(super) fn link_at(&self, position: Position) -> Option<Link> {
        match index(position).checked_sub(1) {
            None => Some(Link::START),
            Some(before) => self.links.get(before).copied(),
        }
    }

    pub(super) fn page<'a>(
        &self,
        positions: impl Iterator<Item = &'a Record>,
        limit: PageLimit,
    ) -> Page {
        let limit = limit.capped();
        let mut page = Page { records: Vec::new(), at_end: true };
        let mut bytes = 0;
        for record in positions {
            bytes += record.data.len();
            let full = page.records.len() == limit.records || bytes > limit.bytes;
            if full && !page.records.is_empty() {
                page.at_end = false;
                break;
            }
            page.records.push(record.clone());
        }
        page
    }

    pub(super) fn name_fits(&self, known: bool) -> Result<(), CursorError> {
        if !known && self.cursors.len() + self.leases.len() >= NAMES_MAX {
            return Err(TooLarge::Names { max: NAMES_MAX }.into());
        }
        Ok(())
    }
}

pub(super) fn index(position: Position) -> usize {
    usize::try_from(position.0).unwrap_or(usize::MAX)
}
