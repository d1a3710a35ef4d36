//! Who may have which desktop, and how many at once.

use std::collections::BTreeSet;

use super::{Session, Subject, Target};
use crate::fleet::{Counted, Fleet};
use crate::group::Group;
use crate::ids::{GroupId, MachineId, PoolId};
use crate::machine::{Kind, Machine};
use crate::pool::Holder;
use crate::version::latest::display::Protocol;

/// Who wants what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) subject: Subject,
    pub(crate) target: Target,
    pub(crate) protocol: Protocol,
}

impl Session {
    pub(crate) fn claim(&self) -> Claim {
        Claim { subject: self.subject, target: self.target, protocol: self.protocol }
    }
}

/// A machine is for those it was assigned to; a pool for its holders, for the terminals of the labs
/// where it is offered, and for those who own one of its machines. Nothing is for whoever is
/// blocked.
pub(crate) fn is_entitled(fleet: &Fleet, subject: Subject, target: Target) -> bool {
    if let Subject::Client(client) = subject
        && fleet.clients.get(client).is_none_or(|client| client.blocked)
    {
        return false;
    }
    match target {
        Target::Machine(machine) => {
            fleet.machines.get(machine).is_some_and(|machine| machine.owners.contains(&subject))
        }
        Target::Pool(pool) => {
            holds(fleet, subject, pool) || own_in(fleet, subject, pool).next().is_some()
        }
    }
}

fn holds(fleet: &Fleet, subject: Subject, pool: PoolId) -> bool {
    match subject {
        Subject::Client(client) => {
            let Some(pool) = fleet.pools.get(pool) else { return false };
            pool.holders.contains(&Holder::Client(client))
                || pool.holders.iter().any(|holder| match holder {
                    Holder::Group(group) => is_member(fleet, subject, *group),
                    Holder::Client(_) => false,
                })
        }
        Subject::Terminal(terminal) => {
            let terminal = fleet.terminals.get(terminal);
            let lab = terminal.and_then(|terminal| fleet.labs.get(terminal.settings.lab));
            lab.is_some_and(|lab| lab.settings.pools.contains(&pool))
        }
    }
}

/// By hand, or by what the directory said at the last sign-in.
fn is_member(fleet: &Fleet, subject: Subject, group: GroupId) -> bool {
    let Subject::Client(client) = subject else { return false };
    let by_hand = |group: &Group| group.members.contains(&client);
    let by_directory = || fleet.clients.get(client).is_some_and(|it| it.groups.contains(&group));
    fleet.groups.get(group).is_some_and(|group| by_hand(group) || by_directory())
}

/// The machines of a pool that were assigned to somebody.
pub(crate) fn own_in(
    fleet: &Fleet,
    subject: Subject,
    pool: PoolId,
) -> impl Iterator<Item = MachineId> {
    fleet
        .owned_by(subject)
        .filter(move |id| fleet.machines.get(*id).is_some_and(|it| it.pool == Some(pool)))
}

/// The groups of somebody that may have only so many desktops at once.
pub(super) fn limited_groups(fleet: &Fleet, subject: Subject) -> Vec<GroupId> {
    let limited = fleet.groups.iter().filter(|(_, group)| group.settings.sessions_max.is_some());
    limited.map(|(id, _)| id).filter(|id| is_member(fleet, subject, *id)).collect()
}

/// One more desktop is within what the person, their groups and the pool may have at once.
pub(super) fn is_within_limits(fleet: &Fleet, claim: &Claim) -> bool {
    has_pool_room(fleet, claim.target) && is_within_own_limits(fleet, claim)
}

/// One more desktop is within what a pool may give at once.
pub(super) fn has_pool_room(fleet: &Fleet, target: Target) -> bool {
    let Target::Pool(id) = target else { return true };
    let Some(pool) = fleet.pools.get(id) else { return false };
    let count = fleet.index.leases.get(&Counted::Pool(id)).copied().unwrap_or_default();
    !is_reached(pool.settings.limits.sessions_max, count as usize)
}

/// One more desktop is within what the person and their groups may have at once.
pub(super) fn is_within_own_limits(fleet: &Fleet, claim: &Claim) -> bool {
    let leased =
        |id: &crate::ids::SessionId| fleet.sessions.get(*id).filter(|session| !session.is_queued());
    let of_subject: Vec<&Session> =
        fleet.sessions_of(claim.subject).filter_map(|id| leased(&id)).collect();
    if let Subject::Client(client) = claim.subject {
        let most = fleet.clients.get(client).and_then(|client| client.sessions_max);
        if is_reached(most, of_subject.len()) {
            return false;
        }
    }
    let count = |counted| fleet.index.leases.get(&counted).copied().unwrap_or_default() as usize;
    let groups = limited_groups(fleet, claim.subject);
    let full = groups.into_iter().any(|id| {
        let most = fleet.groups.get(id).and_then(|group| group.settings.sessions_max);
        is_reached(most, count(Counted::Group(id)))
    });
    if full {
        return false;
    }
    let Target::Pool(id) = claim.target else { return true };
    let Some(pool) = fleet.pools.get(id) else { return false };
    let of_both = of_subject.iter().filter(|session| session.target == claim.target).count();
    !is_reached(pool.settings.limits.sessions_max_per_client, of_both)
}

fn is_reached(most: Option<u32>, count: usize) -> bool {
    most.is_some_and(|most| count >= most as usize)
}

/// How a machine can be seen.
pub(super) fn protocols(machine: &Machine) -> &BTreeSet<Protocol> {
    match &machine.kind {
        Kind::External(external) => &external.protocols,
        Kind::Simple | Kind::Source | Kind::Initial { .. } | Kind::Vdi { .. } => {
            &machine.settings.display.protocols
        }
    }
}
