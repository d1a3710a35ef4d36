//! What a client of the log remembers, and what the log must then hold, whatever happened to it.

use std::collections::{HashMap, HashSet};

use carrel_log::chain::{self, Link};
use carrel_log::{Answer, AppendError, EventLog, Expected, PageLimit};
use carrel_model::ids::CommandId;
use carrel_model::record::{CommandUnit, Position, Record, StreamId, Version};

/// Batches that were handed to a log, and the answers that came back.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    tried: Vec<Vec<CommandUnit>>,
    acknowledged: HashMap<CommandId, Answer>,
    written: HashSet<CommandId>,
}

impl Ledger {
    /// Appends a batch and remembers what became of it.
    pub async fn append(
        &mut self,
        log: &dyn EventLog,
        batch: Vec<CommandUnit>,
    ) -> Result<(), AppendError> {
        self.tried.push(batch.clone());
        for answer in log.append(Expected::Any, batch).await? {
            self.acknowledged.insert(answer.command_id, answer);
        }
        Ok(())
    }

    /// Remembers batches of which all must be there, wherever they are.
    pub fn written(&mut self, batches: Vec<Vec<CommandUnit>>) {
        self.written.extend(batches.iter().flatten().map(|unit| unit.command_id));
        self.tried.extend(batches);
    }

    /// Takes over what another ledger knows.
    pub fn tried_too(&mut self, other: Self) {
        self.tried.extend(other.tried);
        self.acknowledged.extend(other.acknowledged);
        self.written.extend(other.written);
    }

    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Panics unless the log holds every acknowledged command exactly once and in its place, every
    /// batch whole or not at all, nothing that was never tried, and a chain without a break.
    pub async fn check(&self, log: &dyn EventLog) {
        let records = read_all(log).await;
        let head = log.head().await.unwrap_or_else(|error| panic!("no head: {error}"));
        assert_eq!(head.position.0, records.len() as u64, "the head is behind the last record");
        assert_eq!(head.link, fold(&records), "the chain does not lead to the head");
        check_versions(&records);

        let mut places: HashMap<CommandId, Vec<&Record>> = HashMap::new();
        for record in &records {
            places.entry(record.unit.command_id).or_default().push(record);
        }
        for batch in &self.tried {
            self.check_batch(batch, &places);
        }
        let tried: HashSet<CommandId> =
            self.tried.iter().flatten().map(|unit| unit.command_id).collect();
        let missing = self.written.iter().find(|id| !places.contains_key(id));
        assert_eq!(missing, None, "a command that was written is gone");
        let unknown = places.keys().find(|id| !tried.contains(id));
        assert_eq!(unknown, None, "a command that nobody sent");
        for answer in self.acknowledged.values() {
            let again = log.lookup(answer.command_id).await;
            let again = again.unwrap_or_else(|error| panic!("no answer: {error}"));
            let place = again.map(|again| (again.first, again.last, again.fingerprint));
            assert_eq!(place, Some((answer.first, answer.last, answer.fingerprint)));
        }
    }

    fn check_batch(&self, batch: &[CommandUnit], places: &HashMap<CommandId, Vec<&Record>>) {
        let there = batch.iter().filter(|unit| places.contains_key(&unit.command_id)).count();
        assert!(there == 0 || there == batch.len(), "{there} of a batch of {}", batch.len());
        for unit in batch {
            let records = places.get(&unit.command_id).map(Vec::as_slice).unwrap_or_default();
            if let Some(answer) = self.acknowledged.get(&unit.command_id) {
                let first = records.first().map(|record| record.position);
                let last = records.last().map(|record| record.position);
                let place = (Some(answer.first), Some(answer.last));
                assert_eq!((first, last), place, "an acknowledged command is not in its place");
            }
            if !records.is_empty() {
                check_unit(unit, records);
            }
        }
    }
}

fn check_unit(unit: &CommandUnit, records: &[&Record]) {
    assert_eq!(records.len(), unit.records.len(), "a command has lost or doubled records");
    for (record, new) in records.iter().zip(&unit.records) {
        assert_eq!(record.unit.fingerprint, unit.fingerprint);
        assert_eq!(record.unit.origin, unit.origin);
        let same = record.stream == new.stream
            && record.event_id == new.event_id
            && record.kind == new.kind
            && record.schema == new.schema
            && record.data == new.data;
        assert!(same, "the record at position {} was changed", record.position);
    }
}

pub async fn read_all(log: &dyn EventLog) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let after = records.last().map_or(Position::START, |record| record.position);
        let page = log.read(after, PageLimit::MAX).await;
        let page = page.unwrap_or_else(|error| panic!("reading after {after}: {error}"));
        for record in &page.records {
            assert_eq!(record.position.0, records.len() as u64 + 1, "positions have a gap");
            records.push(record.clone());
        }
        if page.at_end {
            return records;
        }
    }
}

fn fold(records: &[Record]) -> Link {
    let mut scratch = Vec::new();
    records.iter().fold(Link::START, |link, record| chain::next(link, record, &mut scratch))
}

fn check_versions(records: &[Record]) {
    let mut heads: HashMap<&StreamId, Version> = HashMap::new();
    for record in records {
        let head = heads.entry(&record.stream).or_default();
        assert_eq!(record.version, head.next(), "a stream has a gap");
        *head = record.version;
    }
}
