//! The newest records, as they were made: whoever follows the log reads them without a file, and
//! without waiting for a thread that may read one.

use std::collections::VecDeque;
use std::sync::Arc;

use carrel_model::record::{Position, Record};

/// So many at least are kept, if there are; up to a group more.
const RECORDS: usize = 4_096;
const BYTES: usize = 4 << 20;

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
            if self.records - records < RECORDS && self.bytes < BYTES {
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
