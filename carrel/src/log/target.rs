//! Which log is meant, and how it is reached.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use carrel_log::EventLog;
use carrel_log::disk::{Disk, OsDisk};
use carrel_log::embedded::{
    CHUNK_BYTES_DEFAULT, EmbeddedLog, EmbeddedReader, Options, Pause, RESERVE_BYTES_DEFAULT, Report,
};
#[cfg(feature = "postgres")]
use carrel_log::postgres::PostgresLog;
use carrel_model::ids::LogId;

use crate::failure::Failure;

/// Short enough for people who watch, long enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Directory(PathBuf),
    Postgres(String),
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let scheme = ["postgres://", "postgresql://"].iter().find_map(|it| text.strip_prefix(it));
        let Some(rest) = scheme else { return Ok(Self::Directory(PathBuf::from(text))) };
        if has_password(rest) {
            // The URL is not repeated: it would be in the terminal's history and in logs.
            return Err(Failure::usage(
                "a password in the URL can be seen by every user of this machine",
            )
            .next("put it into the file that PGPASSFILE names (~/.pgpass), or into PGPASSWORD"));
        }
        Ok(Self::Postgres(text.to_owned()))
    }

    /// The directory, for what works on files.
    pub(super) fn directory(&self, what: &str) -> Result<&Path, Failure> {
        match self {
            Self::Directory(dir) => Ok(dir),
            Self::Postgres(_) => Err(Failure::usage(format!(
                "{what} works on a log in a directory, not on one in a database"
            ))),
        }
    }

    pub(super) async fn read(&self) -> Result<Log, Failure> {
        match self {
            Self::Directory(dir) => {
                let reader = EmbeddedReader::open(disk(), dir, Box::new(LookAgain))?;
                Ok(Log::Directory(reader))
            }
            Self::Postgres(url) => connect(url).await,
        }
    }
}

/// `user:password@host` or `?password=...`.
fn has_password(rest: &str) -> bool {
    let (authority, more) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let in_user = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let query = more.split_once('?').map(|(_, query)| query).unwrap_or_default();
    in_user || query.split('&').any(|pair| pair.starts_with("password="))
}

#[cfg(feature = "postgres")]
pub(super) fn connect_options(url: &str) -> Result<sqlx::postgres::PgConnectOptions, Failure> {
    url.parse()
        .map_err(|error: sqlx::Error| Failure::usage("the URL is not understood").because(error))
}

#[cfg(feature = "postgres")]
async fn connect(url: &str) -> Result<Log, Failure> {
    let log =
        PostgresLog::connect(connect_options(url)?, carrel_log::postgres::Settings::default());
    Ok(Log::Postgres(log.await?))
}

#[cfg(not(feature = "postgres"))]
async fn connect(_: &str) -> Result<Log, Failure> {
    Err(without_postgres())
}

#[cfg(not(feature = "postgres"))]
pub(super) fn without_postgres() -> Failure {
    Failure::new("this carrel was built without PostgreSQL")
        .next("build it with the feature `postgres`")
}

/// A log that is open.
#[derive(Debug)]
pub(super) enum Log {
    Directory(EmbeddedReader),
    #[cfg(feature = "postgres")]
    Postgres(PostgresLog),
}

impl Log {
    pub(super) fn port(&self) -> &dyn EventLog {
        match self {
            Self::Directory(reader) => reader,
            #[cfg(feature = "postgres")]
            Self::Postgres(log) => log,
        }
    }
}

pub(super) fn disk() -> Arc<dyn Disk> {
    Arc::new(OsDisk)
}

/// What others are told who find the log in use.
pub(super) fn owner(what: &str) -> String {
    format!("carrel log {what} (process {})", std::process::id())
}

/// Opens a log in a directory for writing, or begins one with this id.
pub(super) fn open_or_begin(dir: &Path, log_id: LogId, what: &str) -> Result<EmbeddedLog, Failure> {
    let options = Options {
        new_log_id: log_id,
        chunk_bytes: CHUNK_BYTES_DEFAULT,
        reserve_bytes: RESERVE_BYTES_DEFAULT,
        owner: owner(what),
        catalogue: None,
    };
    let log = EmbeddedLog::open(disk(), dir, options)?;
    tell(log.report());
    Ok(log)
}

/// What was not as a clean stop leaves it. Lost indexes are told of as they are made anew.
fn tell(report: &Report) {
    if let Some(torn) = &report.torn {
        let (path, offset, position) = (torn.path.display(), torn.offset, torn.position);
        tracing::warn!(
            "a group that never reached the disk whole was cut off: {path}, offset \
            {offset}, position {position}; nothing that was acknowledged is in it"
        );
    }
    if let Some(cause) = &report.catalogue_lost {
        tracing::warn!("the catalogue was made anew from the chunks: {cause}");
    }
    if !report.catalogue_corrected.is_empty() {
        let chunks = &report.catalogue_corrected;
        tracing::warn!("the catalogue was corrected from the chunks {chunks:?}");
    }
}

#[derive(Debug)]
struct LookAgain;

#[async_trait]
impl Pause for LookAgain {
    async fn pause(&self) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_seen() {
        for url in [
            "postgres://carrel:secret@db/carrel",
            "postgresql://carrel:@db/carrel",
            "postgres://carrel@db/carrel?password=secret",
            "postgres:///carrel?host=/run/postgresql&password=secret",
            "postgres://a:b@c@db",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
        for url in
            ["postgres://carrel@db:5432/carrel", "postgres:///carrel?host=/run", "postgres://db"]
        {
            assert_eq!(Target::parse(url).ok(), Some(Target::Postgres(url.to_owned())));
        }
        let dir = Target::Directory(PathBuf::from("some/where:else@all"));
        assert_eq!(Target::parse("some/where:else@all").ok(), Some(dir));
    }
}
