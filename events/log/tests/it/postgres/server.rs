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
