//! Nobody waits for what only an administrator could bring about: whoever waits is told so as soon
//! as the last machine that they could get is out, as whoever comes then is.

use super::Target;
use super::claim::{Claim, own_in};
use super::lease::leave;
use super::serve::ROOM_TO_SERVE;
use crate::deciding::Deciding;
use crate::fleet::Fleet;
use crate::ids::{MachineId, PoolId};
use crate::machine::{Machine, Reason};
use crate::session::LeaveCause;
use crate::version::latest::renewal::Why;

/// Everything that they could get is out.
pub(super) fn in_vain(fleet: &Fleet, claim: &Claim) -> bool {
    let own: Vec<MachineId> = match claim.target {
        Target::Machine(machine) => vec![machine],
        Target::Pool(pool) => own_in(fleet, claim.subject, pool).collect(),
    };
    match claim.target {
        Target::Pool(pool) if own.is_empty() => pool_in_vain(fleet, pool),
        Target::Pool(_) | Target::Machine(_) => own.iter().all(|id| is_out(fleet, *id)),
    }
}

/// The same for those who own nothing in a pool. Its machines are looked at only if all of them are
/// in maintenance, and then up to the first that comes back by itself.
fn pool_in_vain(fleet: &Fleet, pool: PoolId) -> bool {
    let tally = fleet.tally(pool);
    let maintained = tally.total() > 0 && tally.total() == tally.maintenance;
    maintained && fleet.in_pool_after(pool, None).all(|id| is_out(fleet, id))
}

fn is_out(fleet: &Fleet, id: MachineId) -> bool {
    fleet.machines.get(id).is_some_and(|machine| {
        machine.maintenance.iter().any(|reason| match reason {
            Reason::Admin => true,
            // Populate ends it.
            Reason::Quarantine => !is_populated(machine),
            Reason::Populate | Reason::Drain => false,
        })
    })
}

fn is_populated(machine: &Machine) -> bool {
    let why = machine.renewal.as_ref().map(|renewing| &renewing.renewal.why);
    matches!(why, Some(Why::Populate { .. }))
}

/// Where nobody can be served those who wait are told, as many as fit into a decision. The next
/// [`super::commands::ServePool`] tells the others.
pub(super) fn send_away(deciding: &mut Deciding<'_>, pool: PoolId) {
    while deciding.room() >= ROOM_TO_SERVE {
        let first = deciding.fleet.queue(Target::Pool(pool)).next();
        let Some(first) = first.filter(|_| pool_in_vain(&deciding.fleet, pool)) else { return };
        leave(deciding, first, LeaveCause::Maintenance);
    }
}
