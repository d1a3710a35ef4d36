//! sled: a log-structured tree.

use std::fs::File;
use std::path::Path;

use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use super::engine::{Engine, Row};
use crate::Failure;

pub(super) struct Sled {
    database: sled::Db,
    events: sled::Tree,
    versions: sled::Tree,
    file: File,
}

impl Engine for Sled {
    const NAME: &'static str = "sled";
    const DOES: &'static str = "events by position, positions by stream and version, in one \
                                transaction; flush, and fdatasync of its file, which flush leaves \
                                out; several writers share transactions";

    fn open(dir: &Path) -> Result<Self, Failure> {
        let database = sled::Config::new().path(dir).flush_every_ms(None).open()?;
        let (events, versions) = (database.open_tree("events")?, database.open_tree("versions")?);
        database.flush()?;
        Ok(Self { database, events, versions, file: File::open(dir.join("db"))? })
    }

    fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), Failure> {
        let put = (&self.events, &self.versions).transaction(|(events, versions)| {
            for row in rows {
                let position = row.position.to_be_bytes();
                events.insert(&position, row.data)?;
                let mut key = [0; 16];
                key[..8].copy_from_slice(&row.stream.to_be_bytes());
                key[8..].copy_from_slice(&row.version.to_be_bytes());
                versions.insert(&key, &position)?;
            }
            Ok::<(), ConflictableTransactionError<()>>(())
        });
        put.map_err(|error| match error {
            TransactionError::Storage(error) => error.to_string(),
            TransactionError::Abort(()) => String::from("nobody aborts"),
        })?;
        self.database.flush()?;
        Ok(self.file.sync_data()?)
    }
}
