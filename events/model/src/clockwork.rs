//! Time becomes commands.
//!
//! Times stand in the fleet, each with what is due then. Whoever holds the clock asks when to look
//! next ([`next_time`]), and what to send ([`due`]). What is sent at its time changes what made it
//! due, so nothing is sent for ever. What has no time of its own is a chore ([`Chores`]).

use std::collections::BTreeSet;

use crate::admin::commands::ExpireToken;
use crate::command::Command;
use crate::fleet::{AT_ONCE, Due, Fleet, Silence};
use crate::hypervisor::commands::ReportHostSilent;
use crate::ids::{LabId, MachineId, PoolId};
use crate::image::commands::FlattenImage;
use crate::lab::commands::{KeepLab, RestartAged};
use crate::machine::commands::{ExpirePower, ExpireReadiness};
use crate::operation::commands::AdvanceOperation;
use crate::pool::commands::{ReviewRights, TurnCalendar};
use crate::record::Timestamp;
use crate::renewal::commands::AdvanceRenewal;
use crate::session::commands::{ExpireLease, ExpirePlace, ExpireTicket, ServePool};
use crate::session::{SERVE_SECONDS, wants_service};

/// Commands of each kind for one call: two batches of the decider (64 each), so that what people
/// ask for meanwhile doesn't wait long.
pub const DUE_MAX: usize = 128;

/// Labs are looked after so often: often enough that one is full within minutes of its hosts'
/// return, seldom enough to cost nothing.
pub const LABS_SECONDS: u32 = 60;

/// Machines that restart in one round, so that a room is never without.
pub const RESTARTS_MAX: usize = 4;

/// Labs that are looked after in one round, and pools.
pub const LABS_MAX: usize = 128;
pub const POOLS_MAX: usize = 128;

/// When something is due next. What is due at once is due since the beginning.
pub fn next_time(fleet: &Fleet) -> Option<Timestamp> {
    fleet.index.times.get_min().map(|(time, _)| *time)
}

/// The next commands of what is due, the longest overdue first. Steps that need no waiting have a
/// share of their own: long operations must not hold up times, nor times operations.
pub fn due(fleet: &Fleet, now: Timestamp) -> Vec<Command> {
    // No `Due` sorts before this one.
    let first = Due::Rights(PoolId::MIN);
    let later = (Timestamp(AT_ONCE.0 + 1), first);
    let at_once = fleet.index.times.range(..later);
    let at_times = fleet.index.times.range(later..);
    let over = at_times.take_while(|(time, _)| *time <= now);
    over.take(DUE_MAX).chain(at_once.take(DUE_MAX)).map(|(_, due)| command(*due)).collect()
}

fn command(due: Due) -> Command {
    match due {
        Due::Operation(operation) => AdvanceOperation { operation }.into(),
        Due::Token(token) => ExpireToken { token }.into(),
        Due::Power(machine) => ExpirePower { machine }.into(),
        Due::Readiness(machine) => ExpireReadiness { machine }.into(),
        Due::Renewal(machine) => AdvanceRenewal { machine }.into(),
        Due::Flattening(image) => FlattenImage { image }.into(),
        Due::Ticket(session, ticket) => ExpireTicket { session, ticket }.into(),
        Due::Calendar(pool) => TurnCalendar { pool }.into(),
        Due::Rights(pool) => ReviewRights { pool }.into(),
    }
}

/// What becomes of it that nothing was heard for as long as the silence allows.
pub fn lapsed(silence: Silence) -> Command {
    match silence {
        Silence::Lease(session) => ExpireLease { session }.into(),
        Silence::Place(session) => ExpirePlace { session }.into(),
        Silence::Worker(hypervisor) => ReportHostSilent { hypervisor }.into(),
    }
}

/// What is looked after from time to time, because anything can make it necessary: a host that has
/// room again, say. Whoever holds the clock keeps this, and may begin anew at any time.
///
/// Such a command may change nothing; it is sent again in the next round. Each round begins where
/// the one before ended, so that what can't be helped hides nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chores {
    labs: Rounds<LabId>,
    restarts: Rounds<MachineId>,
    pools: Rounds<PoolId>,
}

impl Chores {
    /// When they are to be asked for next.
    pub fn next_time(&self) -> Timestamp {
        self.labs.next.min(self.restarts.next).min(self.pools.next)
    }

    /// Those whose round it is.
    pub fn due(&mut self, fleet: &Fleet, now: Timestamp) -> Vec<Command> {
        let labs = self.labs.round(now, (LABS_SECONDS, LABS_MAX), || {
            let labs = fleet.labs.iter().filter(|(_, lab)| lab.missing(fleet) > 0);
            labs.map(|(lab, _)| lab).collect()
        });
        let restarts = self.restarts.round(now, (LABS_SECONDS, RESTARTS_MAX), || {
            let labs = fleet.labs.iter();
            labs.flat_map(|(_, lab)| lab.aged(fleet, now).take(RESTARTS_MAX)).collect()
        });
        let pools = self.pools.round(now, (SERVE_SECONDS, POOLS_MAX), || {
            let pools = fleet.pools.iter().map(|(pool, _)| pool);
            pools.filter(|pool| wants_service(fleet, *pool)).collect()
        });
        let keep = labs.into_iter().map(|lab| Command::from(KeepLab { lab }));
        keep.chain(restarts.into_iter().map(|machine| RestartAged { machine }.into()))
            .chain(pools.into_iter().map(|pool| ServePool { pool }.into()))
            .collect()
    }
}

/// The rounds of one kind.
#[derive(Clone, Debug, PartialEq)]
struct Rounds<I> {
    next: Timestamp,
    /// Where the last one ended.
    last: Option<I>,
}

impl<I> Default for Rounds<I> {
    fn default() -> Self {
        Self { next: AT_ONCE, last: None }
    }
}

impl<I: Ord + Copy> Rounds<I> {
    /// So many of all that want it, if it is time.
    fn round(
        &mut self,
        now: Timestamp,
        (seconds, most): (u32, usize),
        all: impl FnOnce() -> BTreeSet<I>,
    ) -> Vec<I> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now.plus_seconds(seconds);
        let mut all: Vec<I> = all().into_iter().collect();
        if all.len() > most {
            let begins = self.last.map_or(0, |last| all.partition_point(|it| *it <= last));
            all.rotate_left(begins);
            all.truncate(most);
        }
        self.last = all.last().copied();
        all
    }
}

#[cfg(test)]
mod tests;

/// How long to wait before the next try: twice as long after each that came to nothing.
pub(crate) fn doubled(first_seconds: u32, failed: u32, most_seconds: u32) -> u32 {
    first_seconds.saturating_mul(2_u32.saturating_pow(failed)).min(most_seconds)
}
