//! A server with the log's tables, owned by one role and used by another.

use carrel_log::postgres::{Hints, PostgresLog, Settings};
use carrel_model::ids::LogId;
use carrel_testkit::postgres::Postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::proxy::Proxy;

pub(crate) const OWNER: &str = "carrel_owner";
pub(crate) const APPLICATION: &str = "carrel_app";

pub(crate) struct Server {
    pub(crate) postgres: Postgres,
}

impl Server {
    pub(crate) async fn with_log(log_id: LogId) -> Self {
        let server = Self { postgres: Postgres::start() };
        let mut superuser = server.connection(Postgres::SUPERUSER).await;
        let roles = "
            CREATE ROLE carrel_owner LOGIN;
            CREATE ROLE carrel_app LOGIN;
            GRANT CREATE ON DATABASE postgres TO carrel_owner";
        sqlx::raw_sql(roles).execute(&mut superuser).await.unwrap();
        superuser.close().await.unwrap();
        PostgresLog::migrate(&server.options(OWNER), APPLICATION, log_id).await.unwrap();
        server
    }

    pub(crate) async fn open(&self, settings: Settings) -> PostgresLog {
        PostgresLog::connect(self.options(APPLICATION), settings).await.unwrap()
    }

    pub(crate) async fn open_through(&self, proxy: &Proxy) -> PostgresLog {
        let options = self.options(APPLICATION).socket(proxy.socket_directory());
        // Listening would take connections that may be in the way.
        let settings = Settings { hints: Hints::Ignore, ..Settings::default() };
        PostgresLog::connect(options, settings).await.unwrap()
    }

    /// The next one gets the connection that the last one had.
    pub(crate) async fn open_with_one_connection(&self) -> PostgresLog {
        let hints = Hints::Ignore;
        self.open(Settings { connections_max: 1, hints, ..Settings::default() }).await
    }

    pub(crate) fn options(&self, role: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.postgres.socket_directory())
            .port(Postgres::PORT)
            .username(role)
            .database(Postgres::DATABASE)
    }

    pub(crate) async fn connection(&self, role: &str) -> PgConnection {
        PgConnection::connect_with(&self.options(role)).await.unwrap()
    }
}

/// Returns as soon as somebody waits for a lock.
pub(crate) async fn somebody_waits(observer: &mut PgConnection) {
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut *observer).await.unwrap() {}
}
