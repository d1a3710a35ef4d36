//! PostgreSQL as a Rust program reaches it: sqlx, a connection for each writer.

use std::rc::Rc;

use carrel_testkit::postgres::Postgres;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use super::{DOES, Server};
use crate::Failure;
use crate::events::Source;
use crate::load::{Load, Sample, Writer, metered, together};
use crate::place::Place;
use crate::store::Store;

pub(crate) struct SqlxClient(pub(crate) Rc<Server>);

impl Store for SqlxClient {
    fn name(&self) -> &'static str {
        "PostgreSQL, by sqlx"
    }

    fn does(&self) -> &'static str {
        DOES
    }

    fn appends(&self, load: &Load, _: &Place) -> Result<Sample, Failure> {
        self.0.empty_table()?;
        let runtime = load.runtime()?;
        let mut source = Source::new(load.seed)?;
        let mut writers = Vec::new();
        for nth in 0..load.writers {
            let connection = runtime.block_on(self.connect())?;
            let version = i64::try_from(nth)? * 1_000_000_000;
            writers.push(Inserter { connection, source: source.split(), version });
        }
        metered(load, self.0.process_id(), |span| runtime.block_on(together(span, writers)))
    }
}

impl SqlxClient {
    async fn connect(&self) -> Result<PgConnection, Failure> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.0.socket_directory())
            .port(Postgres::PORT)
            .username(Postgres::SUPERUSER)
            .database(Postgres::DATABASE)
            .ssl_mode(PgSslMode::Disable);
        Ok(options.connect().await?)
    }
}

struct Inserter {
    connection: PgConnection,
    source: Source,
    /// Each connection has versions of its own, so that none has to ask for the last one.
    version: i64,
}

impl Writer for Inserter {
    async fn append(&mut self) -> Result<(), Failure> {
        let event = self.source.event();
        self.version += 1;
        sqlx::query("INSERT INTO events (stream, version, data) VALUES ($1, $2, $3)")
            .bind(i64::try_from(event.stream)?)
            .bind(self.version)
            .bind(event.body.as_ref())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
