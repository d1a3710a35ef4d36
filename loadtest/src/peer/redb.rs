//! redb: a copy-on-write B-tree.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase as _, TableDefinition};

use super::engine::{Engine, Row};
use crate::Failure;

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const VERSIONS: TableDefinition<'_, (u64, u64), u64> = TableDefinition::new("versions");

pub(super) struct Redb(Database);

impl Engine for Redb {
    const NAME: &'static str = "redb";
    const DOES: &'static str = "events by position, positions by stream and version; immediate \
                                durability; several writers share transactions";

    fn open(dir: &Path) -> Result<Self, Failure> {
        let database = Database::create(dir.join("events.redb"))?;
        drop(database.begin_read()?);
        Ok(Self(database))
    }

    fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), Failure> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut events = transaction.open_table(EVENTS)?;
            let mut versions = transaction.open_table(VERSIONS)?;
            for row in rows {
                events.insert(row.position, row.data)?;
                versions.insert((row.stream, row.version), row.position)?;
            }
        }
        Ok(transaction.commit()?)
    }
}
