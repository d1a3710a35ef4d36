//! A log in memory that can stop at a step, as a process does that is killed there.

use std::sync::Mutex;

use async_trait::async_trait;
use carrel_log::memory::MemoryLog;
use carrel_log::{CursorError, EventLog};
use carrel_model::ids::LogId;
use carrel_model::name::ConsumerName;
use carrel_model::record::{Epoch, Position};
use carrel_testkit::front::{Front, Fronted};

use crate::bus::Step;

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) kept: MemoryLog,
    /// Where nothing goes on any more.
    pub(crate) stops_at: Mutex<Option<Step>>,
}

impl Log {
    pub(crate) fn new() -> Fronted<Self> {
        let kept = MemoryLog::new(LogId::from_bytes([1; 16]));
        Fronted(Self { kept, stops_at: Mutex::new(None) })
    }
}

#[async_trait]
impl Front for Log {
    fn behind(&self) -> &dyn EventLog {
        &self.kept
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        if *self.stops_at.lock().expect("no panic") == Some(Step::Cursor) {
            std::future::pending::<()>().await;
        }
        self.kept.save_cursor(name, position, epoch).await
    }
}
