//! What cases are made of: filling a log, reading all of it, and looking at it as a whole.

use std::collections::HashMap;

use carrel_log::chain;
use carrel_log::chain::Link;
use carrel_log::{Answer, EventLog, Expected, PageLimit, PlacedUnit};
use carrel_model::ids::CommandId;
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{
    CommandUnit, Fingerprint, NewRecord, Position, Record, StreamId, Version,
};
use carrel_testkit::units::Units;

pub(crate) fn consumer(name: &str) -> ConsumerName {
    ConsumerName::new(name).unwrap()
}

pub(crate) fn lease(name: &str) -> LeaseName {
    LeaseName::new(name).unwrap()
}

/// The same command id for something else.
pub(crate) fn with_another_body(unit: &CommandUnit, body: u8) -> CommandUnit {
    CommandUnit { fingerprint: Fingerprint([body; 32]), ..unit.clone() }
}

pub(crate) async fn append(log: &dyn EventLog, units: Vec<CommandUnit>) -> Vec<Answer> {
    log.append(Expected::Any, units).await.unwrap()
}

/// Appends `count` small commands, one record each, in batches of a few.
pub(crate) async fn fill(log: &dyn EventLog, seed: u64, count: u64) -> Vec<CommandUnit> {
    let mut units = Units::new(seed);
    let made: Vec<_> = (0..count).map(|n| units.small(n % 7)).collect();
    for batch in made.chunks(5) {
        append(log, batch.to_vec()).await;
    }
    made
}

/// Appends `count` records quickly: as many in each command as it may have.
pub(crate) async fn fill_densely(log: &dyn EventLog, seed: u64, count: usize) {
    let mut units = Units::new(seed);
    let stream = carrel_testkit::units::stream(1);
    let mut left = count;
    while left > 0 {
        let mut batch = Vec::new();
        while left > 0 && batch.len() < 10 {
            let records = left.min(carrel_log::limits::UNIT_RECORDS_MAX);
            batch.push(units.unit(&vec![stream.clone(); records], 12));
            left -= records;
        }
        append(log, batch).await;
    }
}

pub(crate) async fn all(log: &dyn EventLog) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let after = records.last().map_or(Position::START, |record| record.position);
        let page = log.read(after, PageLimit::MAX).await.unwrap();
        records.extend(page.records);
        if page.at_end {
            return records;
        }
    }
}

/// Reads all of the log and checks what holds for every log: positions and versions without gaps,
/// every command in one piece and only once, and a head that vouches for all of it.
pub(crate) async fn assert_whole(log: &dyn EventLog) -> Vec<Record> {
    let records = all(log).await;
    let head = log.head().await.unwrap();
    assert_eq!(head.position.0, records.len() as u64);
    assert_eq!(head.link, fold(&records));
    let mut versions: HashMap<&StreamId, Version> = HashMap::new();
    let mut commands: HashMap<CommandId, u64> = HashMap::new();
    for (before, record) in records.iter().enumerate() {
        assert_eq!(record.position.0, before as u64 + 1);
        let version = versions.entry(&record.stream).or_default();
        *version = version.next();
        assert_eq!(record.version, *version, "at position {}", record.position);
        let last = commands.entry(record.unit.command_id).or_insert(before as u64);
        assert_eq!(*last, before as u64, "command {} in two pieces", record.unit.command_id);
        *last += 1;
    }
    records
}

pub(crate) fn fold(records: &[Record]) -> Link {
    links(records).last().copied().unwrap_or(Link::START)
}

/// The chain's link after each record.
pub(crate) fn links(records: &[Record]) -> Vec<Link> {
    let mut scratch = Vec::new();
    let mut link = Link::START;
    let after = |record| {
        link = chain::next(link, record, &mut scratch);
        link
    };
    records.iter().map(after).collect()
}

/// Asserts that the records are these commands' and nothing else, field by field.
#[track_caller]
pub(crate) fn assert_made_of(records: &[Record], units: &[CommandUnit]) {
    let mut rest = records.iter();
    for unit in units {
        for given in &unit.records {
            let record = rest.next().unwrap();
            assert_eq!(record.unit.command_id, unit.command_id);
            assert_eq!(record.unit.fingerprint, unit.fingerprint);
            assert_eq!(record.unit.origin, unit.origin);
            assert_eq!(&as_given(record), given);
        }
    }
    assert_eq!(rest.next(), None);
}

pub(crate) fn as_given(record: &Record) -> NewRecord {
    NewRecord {
        stream: record.stream.clone(),
        event_id: record.event_id,
        kind: record.kind.clone(),
        schema: record.schema,
        data: record.data.clone(),
    }
}

/// A log's units as an export has them.
pub(crate) fn exported(records: &[Record]) -> Vec<PlacedUnit> {
    let links = links(records);
    let pieces = records.chunk_by(|one, next| one.unit.command_id == next.unit.command_id);
    pieces
        .map(|piece| {
            let (first, last) = (piece.first().unwrap(), piece.last().unwrap());
            PlacedUnit {
                unit: CommandUnit {
                    command_id: first.unit.command_id,
                    fingerprint: first.unit.fingerprint,
                    origin: first.unit.origin.clone(),
                    records: piece.iter().map(as_given).collect(),
                },
                first: first.position,
                incarnation: first.unit.incarnation,
                link: links[usize::try_from(last.position.0).unwrap() - 1],
            }
        })
        .collect()
}
