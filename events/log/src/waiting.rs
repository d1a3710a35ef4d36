//! Those who wait for more, and how they learn of it.

use carrel_model::record::Position;
use tokio::sync::watch;

use crate::error::ReadError;

#[derive(Clone, Copy, Debug)]
struct End {
    position: Position,
    /// Nothing will come after this.
    over: bool,
}

/// Where the log ends.
#[derive(Debug)]
pub(crate) struct EndsAt(watch::Sender<End>);

impl EndsAt {
    pub(crate) fn new(position: Position) -> Self {
        Self(watch::Sender::new(End { position, over: false }))
    }

    pub(crate) fn announce(&self, position: Position) {
        self.0.send_if_modified(|end| {
            let moved = end.position != position;
            end.position = position;
            moved
        });
    }

    /// Nobody need wait any longer: the log was closed, or can't be written.
    pub(crate) fn over(&self) {
        self.0.send_modify(|end| end.over = true);
    }

    pub(crate) async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        let mut end = self.0.subscribe();
        let reached = end.wait_for(|end| end.position > position || end.over).await;
        // The sender lives in `self`, so the channel can't be closed while this borrows it.
        match reached.map(|end| end.position) {
            Ok(reached) if reached > position => Ok(reached),
            Ok(_) | Err(_) => Err(ReadError::Over),
        }
    }
}
