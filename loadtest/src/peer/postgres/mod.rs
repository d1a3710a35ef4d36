//! PostgreSQL 15: one insert for each event, by two clients of which the faster counts.

mod copy;
mod pgbench;
mod sqlx_client;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;

use carrel_testkit::postgres::{Options, Postgres};

pub(crate) use self::copy::{Format, copy_in, copy_out};
pub(crate) use self::pgbench::PgBench;
pub(crate) use self::sqlx_client::SqlxClient;
use crate::Failure;
use crate::place::Place;

/// Room enough that no checkpoint falls into a round and that all is read from memory; what makes
/// a commit durable is as it comes.
const SETTINGS: &[&str] = &[
    "shared_buffers=1GB",
    "max_wal_size=16GB",
    // Segments are used again, and none has to be made while somebody waits.
    "min_wal_size=4GB",
    "checkpoint_timeout=1h",
    "max_connections=200",
    "synchronous_commit=on",
    "autovacuum=off",
];

/// Debian's default.
const WAL_SEGMENT_MIB: u32 = 16;

/// The stream is a number and the payload opaque bytes, because that is what PostgreSQL is fastest
/// with. The identity is what a reader of everything goes by.
const TABLE: &str = "
    DROP TABLE IF EXISTS events;
    CREATE TABLE events (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        stream   bigint NOT NULL,
        version  bigint NOT NULL,
        data     bytea  NOT NULL,
        UNIQUE (stream, version)
    );
    CHECKPOINT;
";

const DOES: &str = "unique (stream, version) and a primary key; synchronous_commit=on, fsync=on";

/// A server on the disk that everybody is measured on.
pub(crate) struct Server(Postgres);

impl Server {
    pub(crate) fn start(place: &Place) -> Result<Rc<Self>, Failure> {
        let options = Options {
            fsync: true,
            place: Some(place.for_servers()?),
            wal_segment_mib: Some(WAL_SEGMENT_MIB),
            settings: SETTINGS.iter().map(|setting| String::from(*setting)).collect(),
        };
        Ok(Rc::new(Self(Postgres::start_with(options))))
    }

    fn process_id(&self) -> Option<u32> {
        self.0.process_id()
    }

    fn socket_directory(&self) -> PathBuf {
        self.0.socket_directory().to_owned()
    }

    fn empty_table(&self) -> Result<(), Failure> {
        self.sql(TABLE)
    }

    fn sql(&self, sql: &str) -> Result<(), Failure> {
        let mut psql = self.psql();
        for statement in sql.split_inclusive(';').filter(|statement| statement.contains(';')) {
            psql.args(["--command", statement]);
        }
        let output = psql.stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into())
    }

    fn psql(&self) -> Command {
        let mut psql = self.0.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", Postgres::DATABASE]);
        psql
    }

    fn pgbench(&self) -> Command {
        self.0.command("pgbench")
    }
}
