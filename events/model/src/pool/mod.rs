//! A pool: machines that are offered to people.
//!
//! ```text
//!   created --> open <--> closed by its calendar --> deleted
//! ```

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use crate::ids::{PoolId, SessionId};
use crate::name::Name;
use crate::record::{Timestamp, Version};
pub use crate::version::latest::pool::{
    Calendar, Effect, Follow, Holder, Limits, Mode, Reset, Settings, Spares, Weekday,
};

mod assign;
mod calendar;
mod draft;
mod entitle;
pub(crate) mod evolve;
pub(crate) mod members;
pub mod rejection;
mod rights;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use assign::unassign;
pub use draft::{Draft, FollowDraft};
pub(crate) use entitle::revoke;
pub(crate) use rights::{REVIEWED_AT_ONCE_MAX, review};

/// The commands of this folder.
pub mod commands {
    pub use super::assign::{AssignClient, AssignTerminal, UnassignClient};
    pub use super::calendar::TurnCalendar;
    pub use super::entitle::{EntitlePool, RevokePool};
    pub use super::members::{AddToPool, RemoveFromPool};
    pub use super::rights::ReviewRights;
    pub use super::settings::{CreatePool, DeletePool, UpdatePool};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    pub id: PoolId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
    /// Who may use it.
    pub holders: OrdSet<Holder>,
    /// What its calendars say now.
    pub effect: Option<Effect>,
    /// When they will next say something else.
    pub next_turn: Option<Timestamp>,
    /// Somebody may have lost the right to it: those who have a desktop there by a session behind
    /// this one are yet to be looked at.
    pub reviewed_upto: Option<SessionId>,
}

fn reset_of(settings: &Settings) -> Reset {
    match (settings.reset, settings.mode) {
        (Some(reset), _) => reset,
        (None, Mode::Floating) => Reset::OnRelease,
        (None, Mode::Dedicated | Mode::Sticky) => Reset::Never,
    }
}

impl Pool {
    /// When a used machine is made clean.
    pub fn reset(&self) -> Reset {
        reset_of(&self.settings)
    }

    /// Nobody gets a desktop now.
    pub fn closed(&self) -> bool {
        self.effect.as_ref().is_some_and(|effect| effect.closed)
    }

    pub fn spares(&self) -> &Spares {
        let of_now = self.effect.as_ref().and_then(|effect| effect.spares.as_ref());
        of_now.unwrap_or(&self.settings.spares)
    }
}
