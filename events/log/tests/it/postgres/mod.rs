//! The PostgreSQL adapter keeps the port's promises, and those that only it makes.

mod connections;
mod names;
mod proxy;
mod rights;
mod server;
mod tables;
mod writers;

use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::EventLog;
use carrel_log::postgres::{PostgresLog, Settings};
use carrel_model::ids::LogId;

use self::server::Server;
use crate::conformance::{self, Adapter};

struct InPostgres {
    log: Arc<PostgresLog>,
    server: Server,
}

#[async_trait]
impl Adapter for InPostgres {
    async fn fresh(log_id: LogId) -> Self {
        let server = Server::with_log(log_id).await;
        let log = Arc::new(server.open(Settings::default()).await);
        Self { log, server }
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.log) as Arc<dyn EventLog>
    }

    async fn reopen(&mut self) {
        self.log.close().await.unwrap();
        self.log = Arc::new(self.server.open(Settings::default()).await);
    }
}

conformance::suite!(InPostgres);
