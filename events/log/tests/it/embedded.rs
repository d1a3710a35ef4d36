//! The embedded adapter keeps the port's promises.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::EventLog;
use carrel_log::disk::OsDisk;
use carrel_log::embedded::{EmbeddedLog, Options};
use carrel_model::ids::LogId;
use tempfile::TempDir;

use crate::conformance::{self, Adapter};

struct Embedded {
    dir: TempDir,
    log_id: LogId,
    log: Option<Arc<EmbeddedLog>>,
}

fn open(dir: &Path, log_id: LogId) -> Arc<EmbeddedLog> {
    let options = Options {
        new_log_id: log_id,
        chunk_bytes: 5 * 1024 * 1024,
        reserve_bytes: 0,
        owner: String::from("a test"),
        catalogue: None,
    };
    Arc::new(EmbeddedLog::open(Arc::new(OsDisk), dir, options).unwrap())
}

#[async_trait]
impl Adapter for Embedded {
    async fn fresh(log_id: LogId) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Some(open(dir.path(), log_id));
        Self { dir, log_id, log }
    }

    fn log(&self) -> Arc<dyn EventLog> {
        self.log.clone().expect("the log is open")
    }

    async fn reopen(&mut self) {
        if let Some(log) = self.log.take() {
            log.close().await.unwrap();
        }
        self.log = Some(open(self.dir.path(), self.log_id));
    }
}

conformance::suite!(Embedded);
