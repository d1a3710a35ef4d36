//! What the edge asks of the decider. It is a trait so that the decider can be elsewhere, and so
//! that tests can make it fail.

use std::fmt::Debug;

use async_trait::async_trait;
pub use carrel_decider::{Answered, Sent};
use carrel_decider::{Decider, Refusal, Standing};
use carrel_model::event::Event;
use tokio::sync::watch;

/// Where commands go.
#[async_trait]
pub trait Commands: Send + Sync + Debug {
    /// Seals and decides. Dropping the future gives up waiting, not the command.
    async fn submit(&self, sent: Sent) -> Result<Answered, Refusal>;

    /// What it would become now. Nothing is written, and nobody's key stays.
    async fn would(&self, sent: Sent) -> Result<Vec<Event>, Refusal>;

    /// What is in the log.
    fn standing(&self) -> Standing;

    /// Tells of each new standing.
    fn follow(&self) -> watch::Receiver<Standing>;
}

#[async_trait]
impl Commands for Decider {
    async fn submit(&self, sent: Sent) -> Result<Answered, Refusal> {
        Self::submit(self, sent).await
    }

    async fn would(&self, sent: Sent) -> Result<Vec<Event>, Refusal> {
        Self::would(self, sent).await
    }

    fn standing(&self) -> Standing {
        Self::standing(self)
    }

    fn follow(&self) -> watch::Receiver<Standing> {
        Self::follow(self)
    }
}
