//! Reading everything in order, one page ahead of whoever takes the pages.

use carrel_model::record::{Position, Record};

use crate::error::ReadError;
use crate::port::{EventLog, Page, PageLimit};

/// Hands every page after a position to `take`, in order, until one is empty or `take` has had
/// enough. While it looks at a page, the log reads the next one.
pub async fn each_page<E: From<ReadError>>(
    log: &dyn EventLog,
    after: Position,
    mut take: impl FnMut(Page) -> Result<bool, E>,
) -> Result<(), E> {
    let mut page = log.read(after, PageLimit::MAX).await?;
    while let Some(last) = page.records.last().map(|record| record.position) {
        // The first to be asked is the log, which reads on a thread of its own.
        let next = log.read(last, PageLimit::MAX);
        let (next, goes_on) = tokio::join!(biased; next, async { take(page) });
        if !goes_on? {
            break;
        }
        page = next?;
    }
    Ok(())
}

/// Puts records together again into the units that they were written in.
#[derive(Debug, Default)]
pub(crate) struct Units(Vec<Record>);

impl Units {
    /// Takes the next record; hands over the unit before, if another one begins.
    pub(crate) fn add<E>(
        &mut self,
        record: Record,
        take: impl FnOnce(&[Record]) -> Result<(), E>,
    ) -> Result<(), E> {
        let same = |other: &Record| other.unit.command_id == record.unit.command_id;
        if !self.0.last().is_none_or(same) {
            take(&self.0)?;
            self.0.clear();
        }
        self.0.push(record);
        Ok(())
    }

    /// The unit that is not handed over yet.
    pub(crate) fn last(&self) -> &[Record] {
        &self.0
    }
}
