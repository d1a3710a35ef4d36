//! Which file is in use, and how it is opened.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row, SqliteConnection};

use super::{StoreError, Writer};
use crate::limits::{BUSY_WAIT, CACHE_PAGES, READERS_MAX, ROWS_AHEAD, SCHEMA, WAL_PAGES};

const TABLES: &str = include_str!("../../../migrations/read/sqlite/0001_tables.sql");
pub(super) const INDEXES: &str = include_str!("../../../migrations/read/sqlite/0002_indexes.sql");

/// Who reads. A clone shares the connections.
pub(crate) type Readers = SqlitePool;

/// A file that is ready to be written and read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
}

/// The directory of the read models.
///
/// No two files have the same name while a process runs. `SQLite` finds a WAL by its name, and a
/// connection to a file that is gone may still have to be closed: the last one that closes removes
/// the WAL of that name, whosesoever it is by then.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    directory: PathBuf,
    /// The highest number that was given.
    given: Arc<AtomicU64>,
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |error| StoreError::Io { action, path: path.to_owned(), cause: error.to_string() }
}

impl Files {
    /// For the owner alone: names of people are in there.
    pub(crate) fn new(directory: &Path) -> Result<Self, StoreError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(io("creating", directory))?;
        Ok(Self { directory: directory.to_owned(), given: Arc::default() })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("read-{number:06}.sqlite"))
    }

    fn number_of(name: &str) -> Option<u64> {
        name.strip_prefix("read-")?.strip_suffix(".sqlite")?.parse().ok()
    }

    /// The number of the file in use.
    fn current(&self) -> Option<u64> {
        let name = fs::read_to_string(self.directory.join("current")).ok()?;
        Self::number_of(name.trim())
    }

    fn next(&self) -> u64 {
        self.given.fetch_max(self.current().unwrap_or_default(), Ordering::Relaxed);
        self.given.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The file in use. None: there is none, or none that this version can go on with.
    pub(crate) async fn open(&self) -> Result<Option<Opened>, StoreError> {
        let current = self.current();
        self.remove_others(current)?;
        let Some(path) = current.map(|number| self.path(number)).filter(|path| path.exists())
        else {
            return Ok(None);
        };
        let mut writer = connect(&path).await?;
        let shape: Result<i64, _> = sqlx::query("PRAGMA user_version")
            .fetch_one(&mut writer)
            .await
            .and_then(|row| row.try_get(0));
        match shape {
            Ok(shape) if shape == SCHEMA => Ok(Some(Self::opened(path, writer)?)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// A new file beside the one in use, without indexes. Nobody sees it before [`Files::take`].
    pub(crate) async fn create(&self) -> Result<Opened, StoreError> {
        let path = self.path(self.next());
        remove(&path)?;
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        created.map_err(io("creating", &path))?;
        let mut writer = connect(&path).await?;
        sqlx::raw_sql(TABLES).execute(&mut writer).await?;
        Self::opened(path, writer)
    }

    fn opened(path: PathBuf, writer: SqliteConnection) -> Result<Opened, StoreError> {
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .connect_lazy_with(options(&path).read_only(true).create_if_missing(false));
        Ok(Opened { writer: Writer::new(path.clone(), writer), path, readers })
    }

    /// From now on this file is the one in use, also after a crash. Others are removed; who still
    /// reads one of them keeps it open.
    pub(crate) fn take(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let draft = self.directory.join("current.new");
        let current = self.directory.join("current");
        let written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
        let mut file = written.map_err(io("creating", &draft))?;
        file.write_all(name.as_bytes()).map_err(io("writing", &draft))?;
        file.sync_all().map_err(io("writing", &draft))?;
        fs::rename(&draft, &current).map_err(io("renaming", &draft))?;
        let directory = fs::File::open(&self.directory).map_err(io("opening", &self.directory))?;
        directory.sync_all().map_err(io("writing", &self.directory))
    }

    /// What a crash or a swap has left.
    pub(crate) fn remove_others(&self, current: Option<u64>) -> Result<(), StoreError> {
        let current = current.or_else(|| self.current());
        let entries = fs::read_dir(&self.directory).map_err(io("listing", &self.directory))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(Self::number_of);
            if number.is_some() && number != current {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// With what stands beside it.
fn remove(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("removing", path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_WAIT)
        .synchronous(SqliteSynchronous::Normal)
        .statement_cache_capacity(256)
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging()
}

/// A connection that nobody else is in the way of any more.
pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("wal_autocheckpoint", WAL_PAGES)
        // What is deleted is overwritten: rows hold names of people.
        .pragma("secure_delete", "ON")
        // What a statement may have to take back lies nowhere else, and is gone with it.
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", CACHE_PAGES);
    let mut connection = options.connect().await?;
    // Whoever wrote before may be in the midst of a commit, if it was given up a moment ago: what
    // it has written is read only when it is over.
    sqlx::raw_sql("BEGIN IMMEDIATE; COMMIT").execute(&mut connection).await?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_given_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = Files::new(directory.path()).expect("it can be made");
        let first = files.create().await.expect("created").path;
        files.remove_others(None).expect("removed");
        let second = files.clone().create().await.expect("created").path;
        assert_ne!(first, second);
        files.take(&second).expect("taken");
        let later = Files::new(directory.path()).expect("it is there");
        assert_ne!(later.create().await.expect("created").path, second);
    }
}
