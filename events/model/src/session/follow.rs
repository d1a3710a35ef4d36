//! What facts about machines and pools mean for those who use them or wait for them.

use super::choose::{Chosen, free};
use super::claim::own_in;
use super::lease::{ENDED_AT_ONCE_MAX, TICKET_ARMED_SECONDS, end, make_clean, queue, reset};
use super::serve::{serve_after_change, serve_one};
use super::{EndCause, Owned, Session, SpentBy, Subject, Target, TicketState, Use};
use crate::deciding::Deciding;
use crate::event::{MachineFact, SessionFact};
use crate::ids::{MachineId, PoolId, SessionId};
use crate::machine::{Machine, Reason, StopCause, power};
use crate::pool::Mode;
use crate::version::latest::Switch;
use crate::version::latest::machine::Assigned;
use crate::version::latest::session::{DisplayArmed, Moved, Ports, TicketSpent};

/// What a fact about a machine means for its leases.
pub(crate) fn hear(deciding: &mut Deciding<'_>, machine: MachineId, fact: &MachineFact) {
    if let MachineFact::Stopped(stopped) = fact {
        let cause = match stopped.cause {
            StopCause::Guest => EndCause::Guest,
            StopCause::Command | StopCause::Crash | StopCause::HostLost => EndCause::Machine,
        };
        for session in leases(deciding, machine) {
            if cause == EndCause::Machine && is_exchangeable(deciding, session) {
                exchange(deciding, session, Otherwise::WaitAnew);
            } else {
                end(deciding, session, cause);
            }
        }
    }
    if let MachineFact::StartFailed(_) = fact {
        did_not_start(deciding, machine);
    }
    let quarantined = matches!(fact, MachineFact::MaintenanceChanged(changed)
        if changed.reason == Reason::Quarantine && changed.switch == Switch::On);
    if quarantined || matches!(fact, MachineFact::ReadyTimedOut(_)) {
        for session in leases(deciding, machine) {
            if is_exchangeable(deciding, session) {
                exchange(deciding, session, Otherwise::Stay);
            }
        }
    }
    if matches!(fact, MachineFact::RenewalBegun(_) | MachineFact::DeleteRequested(_)) {
        let leases = leases(deciding, machine);
        super::end_those(deciding, leases, EndCause::Machine);
    }
    if matches!(fact, MachineFact::DeleteRequested(_) | MachineFact::Deleted(_)) {
        let waiting: Vec<_> = deciding.fleet.sessions_in(Target::Machine(machine)).collect();
        super::end_those(deciding, waiting, EndCause::Machine);
    }
}

/// Only a terminal server has more than one lease. As many as one decision can end are ended at
/// once; the others end when no sign of their viewers is seen any more.
fn leases(deciding: &Deciding<'_>, machine: MachineId) -> Vec<SessionId> {
    let Some(machine) = deciding.fleet.machines.get(machine) else { return Vec::new() };
    machine.leases.iter().copied().take(ENDED_AT_ONCE_MAX).collect()
}

/// Whoever waits for it gets another one, or it is tried again until it is in quarantine. That an
/// external one could not be woken doesn't say that it is off.
fn did_not_start(deciding: &mut Deciding<'_>, id: MachineId) {
    if deciding.fleet.machines.get(id).is_some_and(Machine::is_external) {
        return;
    }
    for session in leases(deciding, id) {
        if is_exchangeable(deciding, session) && exchange(deciding, session, Otherwise::Stay) {
            continue;
        }
        let machine = deciding.fleet.machines.get(id);
        let healthy = machine.is_some_and(|machine| machine.maintenance.is_empty());
        if healthy && power::turn_on(deciding, id, false).is_ok() {
            continue;
        }
        if is_exchangeable(deciding, session) {
            wait_anew(deciding, session);
        } else {
            end(deciding, session, EndCause::Machine);
        }
    }
}

/// Nobody has seen it yet, and any other machine of the pool is as good.
fn is_exchangeable(deciding: &Deciding<'_>, id: SessionId) -> bool {
    let Some(session) = deciding.fleet.sessions.get(id) else { return false };
    let Target::Pool(pool) = session.target else { return false };
    let machine = session.machine().and_then(|machine| deciding.fleet.machines.get(machine));
    // Whether anybody has seen an external one can't be told: it has no tickets.
    if machine.is_none_or(Machine::is_external) {
        return false;
    }
    let mut own = own_in(&deciding.fleet, session.subject, pool);
    let is_theirs = |id| Some(id) != session.machine() || !is_tied_by(deciding, session);
    session.used == Use::NotYet && !own.any(is_theirs)
}

/// A sticky pool has assigned the machine with this very session. Before its person has seen it,
/// that ties them to nothing.
fn is_tied_by(deciding: &Deciding<'_>, session: &Session) -> bool {
    let Target::Pool(pool) = session.target else { return false };
    let pool = deciding.fleet.pools.get(pool);
    let machine = session.machine().and_then(|machine| deciding.fleet.machines.get(machine));
    session.owned == Owned::NotBefore
        && pool.is_some_and(|pool| pool.settings.mode == Mode::Sticky)
        && machine.is_some_and(|machine| machine.owners.contains(&session.subject))
}

/// Takes back what a sticky pool has assigned with a session that was never used. As nobody has
/// written to the machine, nobody's data is lost when it is made clean for others.
fn untie(deciding: &mut Deciding<'_>, subject: Subject, machine: MachineId) {
    deciding.fact(machine, MachineFact::Unassigned(Assigned { subject }));
    reset(deciding, machine);
}

/// What becomes of somebody when there is no other machine for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    Stay,
    WaitAnew,
}

fn exchange(deciding: &mut Deciding<'_>, id: SessionId, otherwise: Otherwise) -> bool {
    let Some(session) = deciding.fleet.sessions.shared(id) else { return false };
    let (Target::Pool(pool), Some(before)) = (session.target, session.machine()) else {
        return false;
    };
    if let Chosen::Machine(machine) = free(deciding, pool, session.protocol, Some(before)) {
        let tied = is_tied_by(deciding, &session);
        deciding.fact(id, SessionFact::Moved(Moved { machine }));
        if tied {
            untie(deciding, session.subject, before);
            let subject = session.subject;
            deciding.fact(machine, MachineFact::Assigned(Assigned { subject }));
        }
        make_clean(deciding, before);
        return true;
    }
    if otherwise == Otherwise::WaitAnew {
        wait_anew(deciding, id);
    }
    false
}

fn wait_anew(deciding: &mut Deciding<'_>, id: SessionId) {
    let Some(session) = deciding.fleet.sessions.shared(id) else { return };
    let tied = is_tied_by(deciding, &session);
    end(deciding, id, EndCause::Machine);
    if let Some(machine) = session.machine().filter(|_| tied) {
        untie(deciding, session.subject, machine);
    }
    queue(deciding, &session.claim());
}

/// Gives what is free to those who wait, in their order, and refills the spares.
pub(crate) fn follow_pool(deciding: &mut Deciding<'_>, pool: PoolId) {
    serve_after_change(deciding, pool);
}

/// Those who own a machine wait for that one, wherever they stand in the queue.
pub(crate) fn follow_machine(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    let wanted = |target: Target| {
        target == Target::Machine(id) || Some(target) == machine.pool.map(Target::Pool)
    };
    for owner in &machine.owners {
        let waiting: Vec<SessionId> = deciding
            .fleet
            .sessions_of(*owner)
            .filter(|id| {
                let session = deciding.fleet.sessions.get(*id);
                session.is_some_and(|session| session.is_queued() && wanted(session.target))
            })
            .collect();
        for session in waiting {
            serve_one(deciding, session);
        }
    }
}

/// The display of a machine takes a ticket's password.
pub(crate) fn display_armed(
    deciding: &mut Deciding<'_>,
    session: SessionId,
    (ticket, ports): (u32, Ports),
) {
    let current = deciding.fleet.sessions.get(session).map(|session| session.ticket);
    let expected = current.is_some_and(|it| it.number == ticket && it.state == TicketState::Issued);
    if expected {
        let expires_at = deciding.now().plus_seconds(TICKET_ARMED_SECONDS);
        let armed = DisplayArmed { ticket, expires_at, ports };
        deciding.fact(session, SessionFact::DisplayArmed(armed));
    }
}

pub(crate) fn ticket_spent(
    deciding: &mut Deciding<'_>,
    session: SessionId,
    ticket: u32,
    cause: SpentBy,
) {
    let current = deciding.fleet.sessions.get(session).map(|session| session.ticket);
    if current.is_some_and(|it| it.number == ticket && it.state.is_unspent()) {
        deciding.fact(session, SessionFact::TicketSpent(TicketSpent { ticket, cause }));
    }
}
