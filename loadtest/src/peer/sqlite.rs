//! SQLite, with its log that is written ahead.

use std::path::Path;

use rusqlite::Connection;

use super::engine::{Engine, Row};
use crate::Failure;

/// The checkpoint comes after ten times as many pages as it would, because that is faster here.
const SETUP: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 10000;
    PRAGMA locking_mode = EXCLUSIVE;
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        stream   INTEGER NOT NULL,
        version  INTEGER NOT NULL,
        data     BLOB    NOT NULL,
        UNIQUE (stream, version)
    );
";

const INSERT: &str = "INSERT INTO events (position, stream, version, data) VALUES (?, ?, ?, ?)";

pub(super) struct Sqlite(Connection);

impl Engine for Sqlite {
    const NAME: &'static str = "SQLite";
    const DOES: &'static str = "unique (stream, version) and a primary key; WAL, synchronous=FULL; \
                                several writers share transactions";

    fn open(dir: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(dir.join("events.sqlite"))?;
        connection.execute_batch(SETUP)?;
        Ok(Self(connection))
    }

    fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), Failure> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for row in rows {
                let (position, stream) = (i64::try_from(row.position)?, i64::try_from(row.stream)?);
                insert.execute((position, stream, i64::try_from(row.version)?, row.data))?;
            }
        }
        Ok(transaction.commit()?)
    }
}
