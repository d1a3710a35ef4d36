//! Which machine somebody gets.
//!
//! Those who own one get that one. Everybody else gets the first free one of the pool: one that is
//! ready, or else one that runs, or else one that can be started.

use uuid::Uuid;

use super::claim::{Claim, own_in, protocols};
use super::{Subject, Target};
use crate::deciding::Deciding;
use crate::event::MachineFact;
use crate::fleet::{Fleet, Free, Rank};
use crate::hypervisor::{Hypervisor, Reason};
use crate::ids::{HypervisorId, MachineId, PoolId, StorageId};
use crate::machine::{Machine, PauseReason, State, Wish, power};
use crate::pool::{Mode, Pool, Reset};
use crate::rejection::Rejection;
use crate::renewal;
use crate::spare;
use crate::version::latest::Nothing;
use crate::version::latest::display::Protocol;

/// So many free machines are looked at for one person: all that is wrong with a whole host or
/// storage is passed over in one look, so only machines without the protocol use this up.
const LOOKED_AT_MAX: usize = 64;
/// Machines of one storage are mostly alike: when no host could take three, none will take a fourth.
const STARTS_TRIED_MAX: usize = 3;

/// What became of looking for a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// It runs, or was told to.
    Machine(MachineId),
    /// Their own machine can't be had yet.
    OwnIsBusy,
    /// Machines are free, but none that can be seen in the way that they want.
    OtherProtocol,
    NothingFree,
}

/// The machine that a claim gets now; it is started if it is off.
pub(super) fn choose(deciding: &mut Deciding<'_>, claim: &Claim) -> Chosen {
    match claim.target {
        Target::Machine(machine) => own(deciding, claim, &[machine]),
        Target::Pool(id) => {
            let Some(pool) = deciding.fleet.pools.shared(id) else { return Chosen::NothingFree };
            let owned: Vec<_> = own_in(&deciding.fleet, claim.subject, id).collect();
            match pool.settings.mode {
                _ if !owned.is_empty() => own(deciding, claim, &owned),
                Mode::Dedicated => Chosen::OwnIsBusy,
                Mode::Floating | Mode::Sticky => free(deciding, id, claim.protocol, None),
            }
        }
    }
}

fn own(deciding: &mut Deciding<'_>, claim: &Claim, owned: &[MachineId]) -> Chosen {
    let mut refused = None;
    for id in owned {
        match take_own(deciding, claim.subject, *id) {
            Tried::On => return Chosen::Machine(*id),
            Tried::Refused(why) => refused = refused.or(Some((*id, why))),
            Tried::NotNow => {}
        }
    }
    if let Some((id, why)) = refused {
        spare::make_way(deciding, id, &why);
    }
    Chosen::OwnIsBusy
}

/// What became of turning on somebody's own machine.
enum Tried {
    On,
    /// It can't be started now, maybe for want of room.
    Refused(Rejection),
    NotNow,
}

/// Makes somebody's own machine ready for them, if it can be had. One that is made clean for each
/// use is made clean first, and can be had after that.
fn take_own(deciding: &mut Deciding<'_>, subject: Subject, id: MachineId) -> Tried {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Tried::NotNow };
    let unfit = machine.half_made || machine.being_renewed();
    if machine.is_busy() || unfit || !machine.maintenance.is_empty() {
        return Tried::NotNow;
    }
    if machine.leases.len() >= machine.seats() {
        return Tried::NotNow;
    }
    if machine.written.is_some() && reset_of(&deciding.fleet, &machine) == Reset::OnAssign {
        renewal::reset(deciding, id);
        return Tried::NotNow;
    }
    if machine.written.is_some_and(|by| by != subject) {
        return Tried::NotNow;
    }
    turn_on(deciding, &machine)
}

/// An external one is woken when they have it: nobody knows whether it is on. Nor does anybody know
/// of what a silent or lost host had, and that can't be had before the host is heard or its machines
/// are given up. On a host that only gets no further machines, it goes on.
fn turn_on(deciding: &mut Deciding<'_>, machine: &Machine) -> Tried {
    if machine.is_external() {
        return Tried::On;
    }
    let host = machine.place.filter(|_| !machine.at_rest());
    let host = host.and_then(|host| deciding.fleet.hypervisors.get(host));
    if host.is_some_and(|host| host.maintenance.contains(&Reason::Lost)) {
        return Tried::NotNow;
    }
    match deciding.fleet.state_of(machine) {
        State::Off | State::Crashed => match power::turn_on(deciding, machine.id, false) {
            Ok(_) => Tried::On,
            Err(why) => Tried::Refused(why),
        },
        State::Starting | State::Running if machine.power.wish == Wish::On => Tried::On,
        State::Asleep | State::Paused(PauseReason::Command) if !machine.power.wish.is_off() => {
            deciding.fact(machine.id, MachineFact::ResumeRequested(Nothing {}));
            Tried::On
        }
        State::Starting
        | State::Running
        | State::Asleep
        | State::Paused(PauseReason::Command | PauseReason::Io | PauseReason::Foreign)
        | State::Stopping
        | State::Unknown => Tried::NotNow,
    }
}

/// When a machine is made clean. Without a pool it is its owner's alone.
pub(super) fn reset_of(fleet: &Fleet, machine: &Machine) -> Reset {
    let pool = machine.pool.and_then(|pool| fleet.pools.get(pool));
    pool.map_or(Reset::Never, Pool::reset)
}

/// The best free machine of a pool, other than the one that somebody is to be moved away from. What
/// it costs doesn't grow with the pool.
pub(super) fn free(
    deciding: &mut Deciding<'_>,
    pool: PoolId,
    protocol: Protocol,
    except: Option<MachineId>,
) -> Chosen {
    let mut after = None;
    let mut failed_starts = 0;
    let mut refused = None;
    let mut unchosen = Chosen::NothingFree;
    for _ in 0..LOOKED_AT_MAX {
        let next = deciding.fleet.next_free(pool, after);
        let Some(next) = next.filter(|next| next.rank != Rank::Written) else { break };
        if Some(next.machine) == except {
            after = Some(next);
            continue;
        }
        after = Some(match fit(&deciding.fleet, &next, protocol) {
            Fit::Yes if next.rank != Rank::Stopped => return Chosen::Machine(next.machine),
            Fit::Yes => match power::turn_on(deciding, next.machine, false) {
                Ok(_) => return Chosen::Machine(next.machine),
                Err(why) => {
                    refused = refused.or(Some((next.machine, why)));
                    failed_starts = (failed_starts + 1) % STARTS_TRIED_MAX;
                    if failed_starts == 0 { last_near(next) } else { next }
                }
            },
            Fit::OtherProtocol => {
                unchosen = Chosen::OtherProtocol;
                next
            }
            Fit::NoneNearby => last_near(next),
        });
    }
    if let Some((id, why)) = refused {
        spare::make_way(deciding, id, &why);
    }
    unchosen
}

enum Fit {
    Yes,
    OtherProtocol,
    /// Nor is any other on the same host, or on the same storage.
    NoneNearby,
}

fn fit(fleet: &Fleet, free: &Free, protocol: Protocol) -> Fit {
    let Some(machine) = fleet.machines.get(free.machine) else { return Fit::OtherProtocol };
    if !machine.is_external() && !is_reachable(fleet, free.rank, free.near) {
        return Fit::NoneNearby;
    }
    if protocols(machine).contains(&protocol) { Fit::Yes } else { Fit::OtherProtocol }
}

/// The host is enabled, or an enabled host sees the storage. A machine without a disk needs none.
fn is_reachable(fleet: &Fleet, rank: Rank, near: Uuid) -> bool {
    let enabled = |host: HypervisorId| fleet.hypervisors.get(host).is_some_and(Hypervisor::enabled);
    match rank {
        Rank::Ready | Rank::Running => enabled(HypervisorId::new(near)),
        Rank::Stopped | Rank::Written => {
            let storage = fleet.storages.get(StorageId::new(near));
            let seen = storage.is_some_and(|it| it.settings.hosts.keys().any(|it| enabled(*it)));
            near.is_nil() || seen
        }
    }
}

/// Behind all that share what is wrong with this one.
fn last_near(free: Free) -> Free {
    Free { machine: MachineId::from_bytes([0xff; 16]), ..free }
}

/// Used machines of a pool that can be made clean, so many at most.
pub(super) fn used(fleet: &Fleet, pool: PoolId, most: usize) -> Vec<MachineId> {
    let mut after = Free::before(Rank::Written);
    let mut found = Vec::new();
    for _ in 0..LOOKED_AT_MAX {
        let Some(next) = fleet.next_free(pool, Some(after)).filter(|_| found.len() < most) else {
            break;
        };
        if is_reachable(fleet, next.rank, next.near) {
            found.push(next.machine);
            after = next;
        } else {
            after = last_near(next);
        }
    }
    found
}

/// Starts one more machine of a pool for those who come next.
pub(super) fn start_one(deciding: &mut Deciding<'_>, pool: PoolId) -> bool {
    let mut after = Free::before(Rank::Stopped);
    for _ in 0..STARTS_TRIED_MAX {
        let next = deciding.fleet.next_free(pool, Some(after));
        let Some(next) = next.filter(|next| next.rank == Rank::Stopped) else { return false };
        let reachable = is_reachable(&deciding.fleet, next.rank, next.near);
        if reachable && spare::start(deciding, next.machine).is_ok() {
            return true;
        }
        after = if reachable { next } else { last_near(next) };
    }
    false
}
