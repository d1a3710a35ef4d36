//! Which machine somebody gets.
//!
//! Those who own one get that one. Everybody else gets the first free one of the pool: one that is
//! ready, or else one that runs, or else one that can be started.

use super::claim::{Claim, own_in, protocols};
use super::lease::reset;
use super::{Subject, Target};
use crate::deciding::Deciding;
use crate::event::MachineFact;
use crate::fleet::{Fleet, Free, Rank};
use crate::hypervisor::Reason;
use crate::ids::{HypervisorId, MachineId, PoolId, StorageId};
use crate::lab;
use crate::machine::rejection::Rejection as Refused;
use crate::machine::{Machine, PauseReason, State, Wish, power};
use crate::pool::{Mode, Pool, Reset};
use crate::rejection::Rejection;
use crate::renewal::is_about_to_begin;
use crate::spare::{self, Way};
use crate::version::latest::Nothing;
use crate::version::latest::display::Protocol;

/// So many free machines are looked at for one person. All that is wrong with a storage, with what
/// a machine needs, or with the host that it was on last is passed over in one look, so that this
/// is used up only where so many hosts are silent, or so many kinds of machines unfit. A look is a
/// step in an index.
const LOOKED_AT_MAX: usize = 512;
/// So many machines of different needs are asked for a host. That costs most where none has room,
/// and machines of one pool are mostly of one kind, or of two while it is rolled out anew.
const NEEDS_ASKED_MAX: usize = 8;

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
        reset(deciding, id);
        return Tried::NotNow;
    }
    if machine.written.is_some_and(|by| by != subject)
        || is_about_to_begin(&machine, deciding.now())
    {
        return Tried::NotNow;
    }
    turn_on(deciding, &machine)
}

/// An external one is woken when they have it: nobody knows whether it is on. Nor does anybody know
/// of what a silent or lost host had, and that can't be had before the host is heard or its
/// machines are given up. On a host that only gets no further machines, it goes on.
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
    let mut refused = Vec::new();
    let mut unchosen = Chosen::NothingFree;
    for _ in 0..LOOKED_AT_MAX {
        let next = deciding.fleet.next_free(pool, after);
        let Some(next) = next.filter(|next| next.rank != Rank::Written) else { break };
        if Some(next.machine) == except {
            after = Some(next);
            continue;
        }
        let past = match fit(deciding, &next, protocol) {
            Fit::Yes if next.rank != Rank::Stopped => return Chosen::Machine(next.machine),
            Fit::Yes => match power::turn_on(deciding, next.machine, false) {
                Ok(_) => return Chosen::Machine(next.machine),
                Err(why) => past(&deciding.fleet, next, why, &mut refused),
            },
            Fit::OtherProtocol => {
                unchosen = Chosen::OtherProtocol;
                Some(next.last_alike())
            }
            Fit::NotThere(past) => Some(past),
        };
        let Some(past) = past else { break };
        after = Some(past);
    }
    make_way(deciding, &refused);
    unchosen
}

/// Behind all that this refusal stands for, which may be the whole pool. What is wrong with a
/// machine itself stands for no other. Refusals that others may make way for are kept.
fn past(
    fleet: &Fleet,
    free: Free,
    why: Rejection,
    refused: &mut Vec<(MachineId, Rejection)>,
) -> Option<Free> {
    let leaves = fleet.machines.get(free.machine).is_some_and(|it| it.leaving.is_some());
    let past = if let Rejection::Lab(lab::rejection::Rejection::Full { .. }) = why {
        None
    } else if let Rejection::Machine(Refused::NoHost { .. }) = why
        && !leaves
    {
        Some(free.last_alike()).filter(|_| refused.len() + 1 < NEEDS_ASKED_MAX)
    } else {
        return Some(free);
    };
    refused.push((free.machine, why));
    past
}

/// For the first of those that somebody could have if others made way.
fn make_way(deciding: &mut Deciding<'_>, refused: &[(MachineId, Rejection)]) {
    for (machine, why) in refused {
        if spare::make_way(deciding, *machine, why) == Way::Coming {
            return;
        }
    }
}

enum Fit {
    Yes,
    OtherProtocol,
    /// Nobody can have it now, nor any other up to this one.
    NotThere(Free),
}

fn fit(deciding: &Deciding<'_>, free: &Free, protocol: Protocol) -> Fit {
    let fleet = &deciding.fleet;
    let Some(machine) = fleet.machines.get(free.machine) else { return Fit::OtherProtocol };
    if !machine.is_external()
        && let Some(past) = out_of_reach(fleet, free)
    {
        return Fit::NotThere(past);
    }
    if is_about_to_begin(machine, deciding.now()) {
        return Fit::NotThere(*free);
    }
    if protocols(machine).contains(&protocol) { Fit::Yes } else { Fit::OtherProtocol }
}

/// Where those end that can't be reached for the same reason. None: the host is enabled, or an
/// enabled host sees the storage, and the one that it was on last answers. A machine without a disk
/// needs no storage.
fn out_of_reach(fleet: &Fleet, free: &Free) -> Option<Free> {
    let near = free.near;
    match free.rank {
        Rank::Ready | Rank::Running => {
            (!fleet.is_enabled(HypervisorId::new(near))).then(|| free.last_near())
        }
        Rank::Stopped | Rank::Written => {
            let storage = fleet.storages.get(StorageId::new(near));
            let seen =
                storage.is_some_and(|it| it.settings.hosts.keys().any(|it| fleet.is_enabled(*it)));
            if !near.is_nil() && !seen {
                return Some(free.last_near());
            }
            fleet.is_silent(HypervisorId::new(free.on)).then(|| free.last_on())
        }
    }
}

/// The next machine of a rank that can be reached.
fn next_in_reach(fleet: &Fleet, pool: PoolId, after: Free) -> Option<Free> {
    let rank = after.rank;
    let mut after = after;
    for _ in 0..LOOKED_AT_MAX {
        let next = fleet.next_free(pool, Some(after)).filter(|next| next.rank == rank)?;
        let Some(past) = out_of_reach(fleet, &next) else { return Some(next) };
        after = past;
    }
    None
}

/// The first machine of a pool that somebody would get if a host had room for it.
pub(super) fn first_stopped(fleet: &Fleet, pool: PoolId) -> Option<MachineId> {
    next_in_reach(fleet, pool, Free::before(Rank::Stopped)).map(|free| free.machine)
}

/// Used machines of a pool that can be made clean, so many at most.
pub(super) fn used(fleet: &Fleet, pool: PoolId, most: usize) -> Vec<MachineId> {
    let mut after = Free::before(Rank::Written);
    let next = || {
        after = next_in_reach(fleet, pool, after)?;
        Some(after.machine)
    };
    std::iter::from_fn(next).take(most).collect()
}

/// Starts one more machine of a pool for those who come next.
pub(crate) fn start_one(deciding: &mut Deciding<'_>, pool: PoolId) -> bool {
    let mut after = Free::before(Rank::Stopped);
    let mut refused = Vec::new();
    for _ in 0..LOOKED_AT_MAX {
        let Some(next) = next_in_reach(&deciding.fleet, pool, after) else { return false };
        let Err(why) = spare::start(deciding, next.machine) else { return true };
        let Some(past) = past(&deciding.fleet, next, why, &mut refused) else { return false };
        after = past;
    }
    false
}
