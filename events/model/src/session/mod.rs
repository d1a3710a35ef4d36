//! The history of one lease: the claim of one person or terminal on one machine.
//!
//! ```text
//!            +--> leased --> (ended)
//!   asked ---|      ^
//!            +--> queued --> (left)
//!
//!   its ticket:  none --> issued --> armed --> spent --> issued (the next one)
//!   its use:     not yet --> begun
//! ```
//!
//! Where to read on: who asks for a desktop is answered in `request.rs`, which machine they get is
//! chosen in `choose.rs`, who may have it is in `claim.rs`, a lease begins and ends in `lease.rs`,
//! those who wait are served in `serve.rs` or told in `in_vain.rs` that nothing will come, and what
//! machines do to leases is in `follow.rs`.

use crate::ids::{GroupId, MachineId, SessionId};
use crate::record::{Timestamp, Version};
use crate::version::latest::display::Protocol;
use crate::version::latest::session::Ports;
pub use crate::version::latest::session::{EndCause, LeaveCause, SpentBy, Subject, Target};
use serde::{Deserialize, Serialize};

mod choose;
mod claim;
mod end;
pub(crate) mod evolve;
pub(crate) mod follow;
mod in_vain;
mod lease;
mod request;
mod serve;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use choose::start_one;
pub(crate) use claim::is_entitled;
pub(crate) use lease::{
    ENDED_AT_ONCE_MAX, Ending, end, end_those, end_without_right, facts_of_an_end,
};
pub use request::Via;
pub(crate) use serve::first_wanted;
pub use serve::{SERVE_SECONDS, wants_service};

/// The commands of this folder.
pub mod commands {
    pub use super::end::{DisconnectSession, EndSession, ExpireLease, ExpirePlace, ExpireTicket};
    pub use super::request::RequestDesktop;
    pub use super::serve::ServePool;
}

/// Somebody who waits asks every few seconds; after so long they have gone.
pub const PLACE_SILENCE_SECONDS: u32 = 30;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub version: Version,
    pub subject: Subject,
    pub target: Target,
    pub protocol: Protocol,
    pub state: State,
    pub ticket: Ticket,
    pub used: Use,
    pub owned: Owned,
    /// Groups with a limit that its desktop counts for.
    pub counts_for: Vec<GroupId>,
}

/// Whether its person can have seen its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Use {
    /// No viewer could have come: another machine is as good.
    NotYet,
    /// The display took a ticket.
    Begun,
}

/// Whether its machine was its person's own before they got it here. A sticky pool assigns a
/// machine with its first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owned {
    Before,
    NotBefore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Queued {
        /// Smaller ones come first.
        place: u64,
    },
    Leased {
        machine: MachineId,
        /// How long the machine waits for its person.
        return_after_seconds: u32,
    },
}

/// The counter that display passwords are derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub number: u32,
    pub state: TicketState,
    /// When one that was not used is worth nothing any more.
    pub expires_at: Timestamp,
    /// Where the display is that takes its password.
    pub ports: Ports,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TicketState {
    None,
    Issued,
    /// The display takes its password.
    Armed,
    Spent,
}

impl Session {
    pub fn is_queued(&self) -> bool {
        matches!(self.state, State::Queued { .. })
    }

    pub fn machine(&self) -> Option<MachineId> {
        match self.state {
            State::Leased { machine, .. } => Some(machine),
            State::Queued { .. } => None,
        }
    }
}

impl TicketState {
    /// A viewer can come with it, now or soon.
    pub fn is_unspent(self) -> bool {
        matches!(self, Self::Issued | Self::Armed)
    }
}
