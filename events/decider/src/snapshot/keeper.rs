//! Writes a snapshot every so many facts, in the background, one after the other.

use std::sync::Arc;

use carrel_log::EventLog;
use carrel_model::record::Position;
use tokio::task::JoinSet;

use super::Snapshots;
use crate::fold::Standing;

/// Whoever follows the log offers it each standing. Dropping it gives up what is being written.
#[derive(Debug)]
pub struct Keeper {
    snapshots: Option<Snapshots>,
    /// Of the last that was begun.
    last: Position,
    writing: JoinSet<()>,
}

impl Keeper {
    /// `last` is where this process has begun: there is a snapshot not far from it, or there was
    /// none, and then the next is written as soon as it would spare anybody something.
    pub fn new(snapshots: Option<Snapshots>, last: Position) -> Self {
        Self { snapshots, last, writing: JoinSet::new() }
    }

    /// Begins to write it, if it is time and nothing is being written. It waits for nothing.
    pub fn offer(&mut self, log: &Arc<dyn EventLog>, standing: &Standing) {
        while self.writing.try_join_next().is_some() {}
        let Some(snapshots) = &self.snapshots else { return };
        let facts = standing.position.0.saturating_sub(self.last.0);
        if facts < snapshots.every || !self.writing.is_empty() {
            return;
        }
        self.last = standing.position;
        let (snapshots, log, standing) = (snapshots.clone(), Arc::clone(log), standing.clone());
        self.writing.spawn(async move {
            let position = standing.position.0;
            match snapshots.save(&*log, standing).await {
                Ok(()) => tracing::info!(position, "a snapshot is written"),
                Err(error) => tracing::warn!(position, %error, "a snapshot is not written"),
            }
        });
    }

    /// Waits for what is being written.
    pub async fn finish(&mut self) {
        while self.writing.join_next().await.is_some() {}
    }
}
