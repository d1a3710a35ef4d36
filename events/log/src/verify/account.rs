//! What is kept in mind of a log while all of it is read: the last version of each stream, and
//! which commands there were.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hasher};

use carrel_model::ids::CommandId;
use carrel_model::name::Category;
use carrel_model::record::{Position, Record, StreamId, Version};

use super::{Finding, Report, Severity};

/// Commands whose ids look alike are compared in full in a second pass; among ten million honest
/// ids there is one such pair in some four hundred thousand logs.
const SUSPECTS_MAX: usize = 10_000;

/// Id and number of the category, packed: the map has an entry for each stream.
type StreamKey = [u8; 20];
/// 48 bits: no stream has 280 trillion versions.
type PackedVersion = [u8; 6];

#[derive(Debug, Default)]
pub(crate) struct Account {
    categories: HashMap<Category, u32>,
    streams: HashMap<StreamKey, PackedVersion>,
    /// Half a hash of each command's id.
    commands: Vec<u64>,
    /// Records are missing, so a stream may go on with a later version.
    gap: bool,
    pub(crate) records: u64,
}

impl Account {
    /// Not all records before the next ones could be read.
    pub(crate) fn skip(&mut self) {
        self.gap = true;
    }

    /// Takes the records of one command, in order.
    pub(crate) fn take(&mut self, records: &[Record], report: &mut Report) {
        for record in records {
            self.records += 1;
            self.take_version(record, report);
        }
        if let Some(first) = records.first() {
            self.commands.push(hash(first.unit.command_id));
        }
    }

    fn take_version(&mut self, record: &Record, report: &mut Report) {
        let key = self.key(&record.stream);
        let last = self.streams.get(&key).map_or(Version::NONE, |packed| unpack(*packed));
        let expected = last.next();
        let fits = record.version == expected || self.gap && record.version > expected;
        if !fits {
            let what = format!(
                "version {} of {} where {expected} was expected",
                record.version, record.stream
            );
            report.found(Finding::new(Severity::Damage, what).at(record.position));
        }
        self.streams.insert(key, pack(record.version.max(last)));
    }

    fn key(&mut self, stream: &StreamId) -> StreamKey {
        let next = u32::try_from(self.categories.len()).unwrap_or(u32::MAX);
        let number = match self.categories.get(&stream.category) {
            Some(number) => *number,
            None => *self.categories.entry(stream.category.clone()).or_insert(next),
        };
        let mut key = [0; 20];
        key[..16].copy_from_slice(stream.id.as_bytes());
        key[16..].copy_from_slice(&number.to_be_bytes());
        key
    }

    pub(crate) fn streams(&self) -> u64 {
        self.streams.len() as u64
    }

    pub(crate) fn units(&self) -> u64 {
        self.commands.len() as u64
    }

    /// Which commands may stand in the log twice; nothing if none does.
    pub(crate) fn suspects(&mut self) -> Option<Suspects> {
        self.commands.sort_unstable();
        let pairs = self.commands.windows(2).filter(|pair| pair[0] == pair[1]);
        let hashes: BTreeSet<u64> = pairs.map(|pair| pair[0]).take(SUSPECTS_MAX).collect();
        (!hashes.is_empty()).then_some(Suspects { hashes, seen: BTreeMap::new() })
    }
}

/// Commands to look for in a second pass.
#[derive(Debug)]
pub(crate) struct Suspects {
    hashes: BTreeSet<u64>,
    seen: BTreeMap<CommandId, Position>,
}

impl Suspects {
    pub(crate) fn take(&mut self, records: &[Record], report: &mut Report) {
        let Some(first) = records.first() else { return };
        let id = first.unit.command_id;
        if !self.hashes.contains(&hash(id)) {
            return;
        }
        if let Some(earlier) = self.seen.get(&id) {
            let what = format!("command {id} is in the log already, at position {earlier}");
            report.found(Finding::new(Severity::Damage, what).at(first.position));
        } else {
            self.seen.insert(id, first.position);
        }
    }
}

fn hash(id: CommandId) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(id.as_bytes());
    hasher.finish()
}

fn pack(version: Version) -> PackedVersion {
    let mut packed = [0; 6];
    packed.copy_from_slice(&version.0.to_le_bytes()[..6]);
    packed
}

fn unpack(packed: PackedVersion) -> Version {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&packed);
    Version(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carrel_model::record::UnitHeader;
    use carrel_testkit::units::{Units, stream};

    use super::*;

    fn records(units: &mut Units, first: u64, version: u64) -> Vec<Record> {
        let unit = units.unit(&[stream(1)], 20);
        let header = Arc::new(UnitHeader {
            command_id: unit.command_id,
            fingerprint: unit.fingerprint,
            origin: unit.origin,
            incarnation: carrel_model::record::Incarnation(1),
        });
        let record = |new: carrel_model::record::NewRecord| Record {
            position: Position(first),
            stream: new.stream,
            version: Version(version),
            event_id: new.event_id,
            kind: new.kind,
            schema: new.schema,
            unit: Arc::clone(&header),
            data: new.data,
        };
        unit.records.into_iter().map(record).collect()
    }

    #[test]
    fn versions_run_without_gaps_unless_records_are_known_to_be_missing() {
        let mut units = Units::new(1);
        let (mut account, mut report) = (Account::default(), Report::default());
        account.take(&records(&mut units, 1, 1), &mut report);
        account.take(&records(&mut units, 2, 3), &mut report);
        assert_eq!(report.findings.len(), 1);
        account.skip();
        account.take(&records(&mut units, 9, 7), &mut report);
        assert_eq!(report.findings.len(), 1);
        account.take(&records(&mut units, 10, 7), &mut report);
        assert_eq!(report.findings.len(), 2);
    }

    #[test]
    fn a_command_that_stands_twice_is_found_in_the_second_pass() {
        let mut units = Units::new(1);
        let (mut account, mut report) = (Account::default(), Report::default());
        let once = records(&mut units, 1, 1);
        let again: Vec<Record> = once
            .iter()
            .map(|record| Record { position: Position(2), version: Version(2), ..record.clone() })
            .collect();
        account.take(&once, &mut report);
        assert!(account.suspects().is_none());
        account.take(&again, &mut report);
        let mut suspects = account.suspects().unwrap();
        suspects.take(&once, &mut report);
        suspects.take(&again, &mut report);
        let positions: Vec<_> = report.findings.iter().map(|finding| finding.position).collect();
        assert_eq!(positions, [Some(Position(2))]);
    }
}
