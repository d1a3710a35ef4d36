//! What became of one accepted command.
//!
//! Only those that have something left to do are in the fleet.
//!
//! ```text
//!   accepted ---- a version comes first --> sealing
//!   accepted -----------------------------> running
//!   sealing ----- sealed -----------------> running
//!   sealing ----- not sealed -------------> failed
//!   sealing ----- cancelled --------------> cancelling
//!   running ----- all done ---------------> succeeded
//!   running ----- cancelled --------------> cancelling
//!   running ----- some or all failed -----> ended
//!   cancelling -- what was begun is over -> cancelled
//!   cancelling -- all done anyway --------> succeeded
//!   cancelling -- all begun, some failed -> ended
//!   ended ------- retried ----------------> running
//!   ended ------- too late to retry ------> forgotten
//! ```

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::ids::{CommandId, MachineId};
use crate::name::{Name, PlatformName};
use crate::record::{Timestamp, Version};
use crate::text::Text;
pub use crate::version::latest::operation::{
    Cursor, Failure, Goal, NewMachines, Outcome, PartEnd, Plan, Populate, Targets, Task,
};

mod cancel;
mod cause;
pub(crate) mod evolve;
mod hear;
mod overtaken;
mod plan;
pub mod rejection;
mod retry;
mod run;
mod selection;
#[cfg(test)]
mod tests;

pub(crate) use cancel::tell_parts;
pub(crate) use cause::Cause;
pub(crate) use hear::hear;
pub(crate) use overtaken::{follow_image, follow_machine};
pub(crate) use plan::Begun;
pub use run::{PARTS_RUNNING_MAX, RETRY_SECONDS, SEAL_WAITING_MAX, SLICE, WAITING_MAX};
pub(crate) use run::{failure, follow, had_turn, start, start_on, start_on_one, start_with};
pub use selection::{LabelSelector, MACHINES_NAMED_MAX};
pub(crate) use selection::{Selection, for_machines};

/// The commands of this folder.
pub mod commands {
    pub use super::cancel::CancelOperation;
    pub use super::retry::RetryOperation;
    pub use super::run::AdvanceOperation;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub id: CommandId,
    pub version: Version,
    /// The command's.
    pub name: PlatformName,
    pub task: Arc<Task>,
    pub state: State,
    /// How many machines it is for: an estimate until all of them have had their turn, since some
    /// join or leave what was selected while it goes on.
    pub total: u32,
    /// How far the targets have had their turn.
    pub cursor: Option<Cursor>,
    /// Parts that have begun and not ended.
    pub parts: OrdMap<MachineId, Goal>,
    /// Those of them that began with waiting for people.
    pub waiting: OrdSet<MachineId>,
    pub done: u32,
    pub failed: OrdMap<MachineId, Failure>,
    /// Of those that failed: machines that could not even be made, with their names.
    pub unmade: OrdMap<MachineId, Name>,
    pub cancelled: u32,
    pub superseded: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// A version has to be there before the first machine's turn.
    Sealing,
    Running,
    /// Nothing more of it begins. How far parts that wait have been told.
    Cancelling {
        told: Option<Cursor>,
    },
    /// Some or all failed; they can be tried again until then.
    Ended {
        outcome: Outcome,
        retry_until: Timestamp,
    },
}

impl Operation {
    /// No further target gets its turn.
    pub fn all_begun(&self) -> bool {
        match self.state {
            State::Sealing => false,
            State::Running => self.cursor == Some(Cursor::End),
            State::Cancelling { .. } | State::Ended { .. } => true,
        }
    }

    /// Parts that take something of hosts.
    pub fn under_way(&self) -> usize {
        self.parts.len().saturating_sub(self.waiting.len())
    }

    /// Targets of which it is known what became of them.
    pub fn ended(&self) -> u32 {
        [self.done, self.superseded, self.cancelled, size(self.failed.len())]
            .into_iter()
            .fold(0, u32::saturating_add)
    }
}

fn size(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Failure {
    /// Cut to what a failure can hold.
    pub fn new(code: &str, detail: &str) -> Self {
        Self {
            code: PlatformName::new(code).unwrap_or_else(|_| unknown()),
            detail: Text::cut(detail),
            would_lose: None,
        }
    }
}

/// For codes that aren't codes.
fn unknown() -> PlatformName {
    #[expect(clippy::expect_used, reason = "a literal that the tests have seen")]
    PlatformName::new("unknown").expect("`unknown` is a name")
}
