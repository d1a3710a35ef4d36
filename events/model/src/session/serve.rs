//! Those who wait are served in the order of their places, and spares are kept for those who come
//! next.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choose::{Chosen, choose, first_stopped, start_one, used};
use super::claim::{has_pool_room, is_entitled, is_within_own_limits, own_in};
use super::in_vain::{in_vain, send_away};
use super::lease::{end, grant, leave, reset};
use super::{EndCause, LeaveCause, Target};
use crate::decide::EVENTS_MAX;
use crate::deciding::{Decide, Deciding};
use crate::fleet::Fleet;
use crate::ids::{MachineId, PoolId, SessionId};
use crate::pool::{Mode, Pool, Reset};
use crate::rejection::Rejection;

/// So many of those who wait are looked at when something of their pool changes. Mostly the first
/// one takes what is free; the others are passed over only for a limit of their own or because they
/// wait for their own machine. [`ServePool`] looks at all.
const LOOKED_AT_MAX: usize = 64;
/// So many used machines of a pool are made clean at once, for the first of those who wait.
const RESETS_UNDER_WAY_MAX: usize = 8;
/// Half of a decision is for what is given to people: a placement, a start, a lease and an
/// assignment each, so that thirty are served at once. The other half is for what made it possible
/// and for what follows. Those behind them are served by the next [`ServePool`].
pub(super) const ROOM_TO_SERVE: usize = EVENTS_MAX / 2;
/// A pool that wants service is looked at so often: as often as somebody who waits asks.
pub const SERVE_SECONDS: u32 = 5;
/// A decision that has taken so much room already leaves spares to the next [`ServePool`]: about
/// thirty starts, which is what a host can do at once.
const ROOM_FOR_SPARES: usize = EVENTS_MAX - 64;

/// What became of somebody's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Served,
    /// They wait for something of their own; the next ones may be served.
    Passed,
    /// What is free can't be seen in the way that they want; the next ones may want another.
    OtherProtocol,
    /// Nothing is left for those behind them, either.
    NothingFree,
}

/// Gives somebody who waits a machine, if there is one for them now.
pub(super) fn serve_one(deciding: &mut Deciding<'_>, id: SessionId) -> Turn {
    let Some(session) = deciding.fleet.sessions.shared(id) else { return Turn::Passed };
    let claim = session.claim();
    if !session.is_queued() {
        return Turn::Passed;
    }
    if deciding.room() < ROOM_TO_SERVE {
        return Turn::NothingFree;
    }
    if !is_entitled(&deciding.fleet, claim.subject, claim.target) {
        end(deciding, id, EndCause::Revoked);
        return Turn::Passed;
    }
    if is_closed(&deciding.fleet, claim.target) || !has_pool_room(&deciding.fleet, claim.target) {
        return Turn::NothingFree;
    }
    if !is_within_own_limits(&deciding.fleet, &claim) {
        return Turn::Passed;
    }
    match choose(deciding, &claim) {
        Chosen::Machine(machine) => {
            grant(deciding, &claim, Some(id), machine);
            Turn::Served
        }
        Chosen::OwnIsBusy => {
            if in_vain(&deciding.fleet, &claim) {
                leave(deciding, id, LeaveCause::Maintenance);
            }
            Turn::Passed
        }
        Chosen::OtherProtocol => Turn::OtherProtocol,
        Chosen::NothingFree => Turn::NothingFree,
    }
}

/// A calendar of the pool, also of one that a machine of somebody's own is in, keeps it closed.
pub(super) fn is_closed(fleet: &Fleet, target: Target) -> bool {
    let pool = match target {
        Target::Pool(pool) => Some(pool),
        Target::Machine(machine) => fleet.machines.get(machine).and_then(|machine| machine.pool),
    };
    pool.and_then(|pool| fleet.pools.get(pool)).is_some_and(Pool::closed)
}

/// What became of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Nobody in it could take a machine of the pool that is free.
    Satisfied,
    /// Somebody waits for a machine with a protocol that no free one has. Others may have what is
    /// free.
    LacksProtocol,
    /// Somebody waits for the next one.
    Waiting,
}

/// Serves those who wait for a pool, looking at so many at most.
pub(super) fn serve_queue(deciding: &mut Deciding<'_>, pool: PoolId, most: usize) -> Queue {
    let mut from = 0;
    let mut lacking = BTreeSet::new();
    for _ in 0..most {
        let next = deciding.fleet.queue_from(Target::Pool(pool), from).next();
        let Some((place, id)) = next else {
            return if lacking.is_empty() { Queue::Satisfied } else { Queue::LacksProtocol };
        };
        from = place.saturating_add(1);
        let Some(session) = deciding.fleet.sessions.shared(id) else { continue };
        let owns = || own_in(&deciding.fleet, session.subject, pool).next().is_some();
        if lacking.contains(&session.protocol) && !owns() {
            continue;
        }
        match serve_one(deciding, id) {
            Turn::Served | Turn::Passed => {}
            Turn::OtherProtocol => {
                lacking.insert(session.protocol);
            }
            Turn::NothingFree => return Queue::Waiting,
        }
    }
    Queue::Waiting
}

/// Gives what is free to those who wait, in their order, or tells them that nothing will come, and
/// refills the spares.
pub(super) fn serve(deciding: &mut Deciding<'_>, id: PoolId, most: usize) {
    send_away(deciding, id);
    let queue = serve_queue(deciding, id, most);
    let Some(pool) = deciding.fleet.pools.shared(id) else { return };
    if pool.closed() {
        return;
    }
    if pool.reset() == Reset::OnAssign && queue != Queue::Satisfied {
        clean_for_those_who_wait(deciding, id);
    }
    if resets_what_was_left(&pool) {
        clean_what_was_left(deciding, id);
    }
    while deciding.room() > ROOM_FOR_SPARES && lacks_spares(&deciding.fleet, &pool) {
        if !start_one(deciding, id) {
            return;
        }
    }
}

/// One used machine is made clean for each who waits.
fn clean_for_those_who_wait(deciding: &mut Deciding<'_>, pool: PoolId) {
    let under_way = deciding.fleet.tally(pool).renewing as usize;
    let waiting = deciding.fleet.queue(Target::Pool(pool)).take(RESETS_UNDER_WAY_MAX).count();
    for machine in used(&deciding.fleet, pool, waiting.saturating_sub(under_way)) {
        if deciding.room() < ROOM_TO_SERVE {
            return;
        }
        reset(deciding, machine);
    }
}

/// A pool whose used machines all go to the next person, after a reset. In the other pools what was
/// written may be of somebody whose machine was taken from them: it stays until an administrator
/// says what becomes of it.
fn resets_what_was_left(pool: &Pool) -> bool {
    pool.settings.mode == Mode::Floating && pool.reset() == Reset::OnRelease
}

/// Machines are made clean when their person leaves. Here are those where that came to nothing:
/// the reset failed and an administrator has looked at it, or the machine came into the pool later.
fn clean_what_was_left(deciding: &mut Deciding<'_>, pool: PoolId) {
    let under_way = deciding.fleet.tally(pool).renewing as usize;
    for machine in used(&deciding.fleet, pool, RESETS_UNDER_WAY_MAX.saturating_sub(under_way)) {
        if deciding.room() < ROOM_TO_SERVE {
            return;
        }
        reset(deciding, machine);
    }
}

/// Fewer free machines run than shall. In a dedicated pool nobody would get them.
fn lacks_spares(fleet: &Fleet, pool: &Pool) -> bool {
    let tally = fleet.tally(pool.id);
    let spares = pool.spares();
    let kept = spares.keep_ready.max(spares.keep_started);
    pool.settings.mode != Mode::Dedicated && tally.stopped > 0 && tally.ready + tally.running < kept
}

/// What those who wait first would get if there was room for it, a machine for each thing that is
/// waited for, so many at most.
pub(crate) fn first_wanted(fleet: &Fleet, most: usize) -> impl Iterator<Item = MachineId> {
    fleet.first_in_queues().take(most).filter_map(|session| wanted(fleet, session))
}

fn wanted(fleet: &Fleet, session: SessionId) -> Option<MachineId> {
    let session = fleet.sessions.get(session)?;
    if is_closed(fleet, session.target) || !has_pool_room(fleet, session.target) {
        return None;
    }
    match session.target {
        Target::Machine(machine) => Some(machine),
        Target::Pool(pool) => {
            own_in(fleet, session.subject, pool).next().or_else(|| first_stopped(fleet, pool))
        }
    }
}

/// Somebody waits for the pool, or it has too few spares, or a machine that nobody made clean: a
/// [`ServePool`] may find something to do. Things that touch no machine of the pool come to it in
/// this way, such as a host that is enabled again.
pub fn wants_service(fleet: &Fleet, id: PoolId) -> bool {
    let Some(pool) = fleet.pools.get(id).filter(|pool| !pool.closed()) else { return false };
    let was_left = resets_what_was_left(pool) && fleet.tally(id).written > 0;
    was_left || fleet.queue(Target::Pool(id)).next().is_some() || lacks_spares(fleet, pool)
}

/// Of the system: looks whether somebody who waits for a pool can have a machine now, and whether
/// spares can be started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServePool {
    pub pool: PoolId,
}

impl Decide for ServePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        serve(deciding, self.pool, usize::MAX);
        Ok(())
    }
}

/// When something of a pool has changed.
pub(super) fn serve_after_change(deciding: &mut Deciding<'_>, pool: PoolId) {
    serve(deciding, pool, LOOKED_AT_MAX);
}
