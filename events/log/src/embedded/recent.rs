//! The newest records, as they were made: whoever follows the log reads them without a file, and
//! without waiting for a thread that may read one.

use std::collections::VecDeque;
use std::sync::Arc;

use carrel_model::record::{Position, Record};

use crate::limits::{RECENT_BYTES, RECENT_RECORDS};

/// Records without a gap up to the durable end, in the groups in which they became durable.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    groups: VecDeque<Arc<[Record]>>,
    records: usize,
    bytes: usize,
}

fn bytes(group: &[Record]) -> usize {
    group.iter().map(|record| record.data.len()).sum()
}

impl Recent {
    /// A group that is durable now.
    pub(crate) fn add(&mut self, group: Vec<Record>) {
        if group.is_empty() {
            return;
        }
        self.records += group.len();
        self.bytes += bytes(&group);
        self.groups.push_back(group.into());
        while let Some(oldest) = self.groups.front() {
            let (records, bytes) = (oldest.len(), bytes(oldest));
            if self.records - records < RECENT_RECORDS && self.bytes < RECENT_BYTES {
                break;
            }
            self.records -= records;
            self.bytes -= bytes;
            self.groups.pop_front();
        }
    }

    /// The groups that hold everything behind a position, which may also hold something before it.
    /// None: what follows is not here any more.
    pub(crate) fn after(&self, after: Position, durable: Position) -> Option<Vec<Arc<[Record]>>> {
        if after >= durable {
            return Some(Vec::new());
        }
        let first = self.groups.front()?.first()?.position;
        if after.next() < first {
            return None;
        }
        let ends = |group: &Arc<[Record]>| group.last().map(|record| record.position);
        let from = self.groups.partition_point(|group| ends(group) <= Some(after));
        Some(self.groups.range(from..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
    use carrel_model::name::{Category, Method, Org, RecordType};
    use carrel_model::record::{
        Actor, Fingerprint, Incarnation, Origin, StreamId, Timestamp, UnitHeader, Version,
    };
    use uuid::Uuid;

    use super::*;

    fn header() -> Arc<UnitHeader> {
        let id = Uuid::from_u128(1);
        Arc::new(UnitHeader {
            command_id: CommandId::new(id),
            fingerprint: Fingerprint([0; 32]),
            origin: Origin {
                org: Org::new("main").unwrap(),
                actor: Actor { id: ActorId::new(id), method: Method::new("test").unwrap() },
                causation_id: CausationId::new(id),
                correlation_id: CorrelationId::new(id),
                trace_parent: None,
                at: Timestamp::default(),
            },
            incarnation: Incarnation::default(),
        })
    }

    fn group(positions: std::ops::RangeInclusive<u64>, bytes: usize) -> Vec<Record> {
        let unit = header();
        let record = |position| Record {
            position: Position(position),
            stream: StreamId {
                category: Category::new("machine").unwrap(),
                id: Uuid::from_u128(2),
            },
            version: Version(position),
            event_id: EventId::new(Uuid::from_u128(u128::from(position))),
            kind: RecordType::new("machine.started").unwrap(),
            schema: 1,
            unit: Arc::clone(&unit),
            data: Bytes::from(vec![b' '; bytes]),
        };
        positions.map(record).collect()
    }

    fn positions(groups: &[Arc<[Record]>]) -> Vec<u64> {
        groups.iter().flat_map(|group| group.iter().map(|record| record.position.0)).collect()
    }

    #[test]
    fn what_follows_is_given_by_whole_groups() {
        let mut recent = Recent::default();
        recent.add(group(11..=13, 1));
        recent.add(Vec::new());
        recent.add(group(14..=15, 1));
        let after = |after| recent.after(Position(after), Position(15));
        assert_eq!(after(9), None, "the one before is not here");
        assert_eq!(after(10).map(|it| positions(&it)), Some(vec![11, 12, 13, 14, 15]));
        assert_eq!(after(12).map(|it| positions(&it)), Some(vec![11, 12, 13, 14, 15]));
        assert_eq!(after(13).map(|it| positions(&it)), Some(vec![14, 15]));
        for end in [15, 16] {
            assert_eq!(after(end).map(|it| positions(&it)), Some(vec![]));
        }
        assert_eq!(Recent::default().after(Position(3), Position(4)), None);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_long() {
        let mut recent = Recent::default();
        for first in 0..=RECENT_RECORDS as u64 {
            recent.add(group(first + 1..=first + 1, 1));
        }
        assert_eq!(recent.records, RECENT_RECORDS);
        assert_eq!(recent.bytes, RECENT_RECORDS);
        let next = RECENT_RECORDS as u64 + 2;
        recent.add(group(next..=next, RECENT_BYTES - 1));
        assert_eq!((recent.records, recent.bytes), (1, RECENT_BYTES - 1));
        recent.add(group(next + 1..=next + 1, RECENT_BYTES));
        assert_eq!((recent.records, recent.bytes, recent.groups.len()), (0, 0, 0));
        assert_eq!(recent.after(Position(next), Position(next + 1)), None);
    }
}
