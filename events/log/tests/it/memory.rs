//! The memory adapter keeps the port's promises.

use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::EventLog;
use carrel_log::memory::MemoryLog;
use carrel_model::ids::LogId;

use crate::conformance::{self, Adapter};

struct Memory(Arc<MemoryLog>);

#[async_trait]
impl Adapter for Memory {
    async fn fresh(log_id: LogId) -> Self {
        Self(Arc::new(MemoryLog::new(log_id)))
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.0) as Arc<dyn EventLog>
    }

    /// It lasts as long as the value does, so there is nothing to open again.
    async fn reopen(&mut self) {}
}

conformance::suite!(Memory);
