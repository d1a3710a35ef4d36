//! Time becomes commands.
//!
//! Times stand in the fleet, each with what is due then. Whoever holds the clock asks when to look
//! next ([`next_time`]), and what to send ([`due`]). What is sent at its time changes what made it
//! due, so nothing is sent for ever.

use std::collections::BTreeSet;

use crate::admin::commands::ExpireToken;
use crate::command::Command;
use crate::fleet::{Due, Fleet, Silence};
use crate::hypervisor::commands::ReportHostSilent;
use crate::ids::{CommandId, MachineId};
use crate::lab::commands::{KeepLab, RestartAged};
use crate::machine::commands::{ExpirePower, ExpireReadiness};
use crate::operation::commands::AdvanceOperation;
use crate::pool::commands::TurnCalendar;
use crate::record::Timestamp;
use crate::renewal::commands::AdvanceRenewal;
use crate::session::commands::{ExpireLease, ExpirePlace, ExpireTicket, ServePool};
use crate::session::wants_service;

/// Commands of each kind for one call: two batches of the decider (64 each), so that what people
/// ask for meanwhile doesn't wait long.
pub const DUE_MAX: usize = 128;

/// How often [`chores`] are to be asked for: often enough that a lab is full within minutes of its
/// hosts' return, seldom enough to cost nothing.
pub const CHORES_SECONDS: u32 = 60;

/// Machines that restart in one round, so that a room is never without.
pub const RESTARTS_MAX: usize = 4;

/// Labs that are looked after in one round, and pools.
pub const LABS_MAX: usize = 128;
pub const POOLS_MAX: usize = 128;

/// What is due without waiting, such as an operation's next step.
const AT_ONCE: Timestamp = Timestamp(0);

/// When something is due next. What is due at once is due since the beginning.
pub fn next_time(fleet: &Fleet) -> Option<Timestamp> {
    fleet.index.times.get_min().map(|(time, _)| *time)
}

/// The next commands of what is due, the longest overdue first. Steps that need no waiting have a
/// share of their own: long operations must not hold up times, nor times operations.
pub fn due(fleet: &Fleet, now: Timestamp) -> Vec<Command> {
    // No `Due` sorts before this one.
    let first = Due::Operation(CommandId::from_bytes([0; 16]));
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
        Due::Ticket(session, ticket) => ExpireTicket { session, ticket }.into(),
        Due::Calendar(pool) => TurnCalendar { pool }.into(),
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

/// What is looked after from time to time. Such a command may change nothing, because no host has
/// room, say; it is sent again in the next round. Each round begins where the one before ended, so
/// that what can't be helped hides nothing.
pub fn chores(fleet: &Fleet, now: Timestamp) -> Vec<Command> {
    let labs = fleet.labs.iter().filter(|(_, lab)| lab.missing(fleet) > 0);
    let labs = of_this_round(labs.map(|(lab, _)| lab).collect(), now, LABS_MAX);
    let aged = fleet.labs.iter().flat_map(|(_, lab)| lab.aged(fleet, now).take(RESTARTS_MAX));
    let aged: BTreeSet<MachineId> = aged.collect();
    let aged = of_this_round(aged.into_iter().collect(), now, RESTARTS_MAX);
    let pools = fleet.pools.iter().map(|(pool, _)| pool);
    let pools = pools.filter(|pool| wants_service(fleet, *pool)).collect();
    let pools = of_this_round(pools, now, POOLS_MAX);
    let keep = labs.into_iter().map(|lab| Command::from(KeepLab { lab }));
    keep.chain(aged.into_iter().map(|machine| RestartAged { machine }.into()))
        .chain(pools.into_iter().map(|pool| ServePool { pool }.into()))
        .collect()
}

/// So many of them, from another place on in each round.
fn of_this_round<T>(mut all: Vec<T>, now: Timestamp, most: usize) -> Vec<T> {
    let round = now.0.max(0).unsigned_abs() / (u64::from(CHORES_SECONDS) * 1_000_000);
    if all.len() > most {
        let begun = u128::from(round) * most as u128 % all.len() as u128;
        all.rotate_left(usize::try_from(begun).unwrap_or_default());
        all.truncate(most);
    }
    all
}

#[cfg(test)]
mod tests;
