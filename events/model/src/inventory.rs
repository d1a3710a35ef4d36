//! What a host says that it has, beside what the fleet says of it: what differs was lost on its
//! way.
//!
//! ```text
//!   the host has not heard of it, or not the newest ------> it is ordered again
//!   it has settled everything, and something is awaited --> it is ordered again: a host answers
//!                                                           what it has settled by saying again
//!                                                           what became of it
//!   it runs or doesn't run, and that is news -------------> it is reported
//!   it has what is not its own ---------------------------> somebody has to look at it
//! ```
//!
//! What a host is still at work on is left alone. A host that has settled everything, and of which
//! everything was heard, differs in nothing.

use std::collections::BTreeMap;

use crate::contract::{Held, HeldPower, Inventory};
use crate::fleet::Fleet;
use crate::hypervisor::Reason;
use crate::ids::{HypervisorId, MachineId};
use crate::image::{FileState, Image, State as Content};
use crate::machine::commands::ReportOutcome;
use crate::machine::{
    Machine, Outcome, PauseReason, Ready, RenewalStep, Reported, State, StopCause, Wish,
};
use crate::session::TicketState;
use crate::work::{Shall, Thing, Work, work};

/// Something that a host and the fleet don't agree on.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// The host is to be told once more what shall be.
    Order(Thing),
    /// The host sees something that nobody has said.
    Outcome(ReportOutcome),
    /// A domain of a machine that is not this host's, or that is gone. Nobody touches it: what runs
    /// there may be somebody's, and may write to files that another host writes to.
    Astray(MachineId),
    /// So many domains that are none of Carrel's.
    Foreign(u32),
}

/// What differs, in the order of things. The inventory is of the fleet's own incarnation.
pub fn compare(fleet: &Fleet, inventory: &Inventory) -> Vec<Difference> {
    let host = inventory.hypervisor;
    let held: BTreeMap<Thing, Held> = inventory.things.iter().map(|it| (it.thing, *it)).collect();
    let foreign = (inventory.foreign > 0).then_some(Difference::Foreign(inventory.foreign));
    let astray = held.values().filter_map(|held| astray(fleet, host, held));
    // Whoever is lost has no say, and is told nothing, until somebody takes it in again.
    if !listens(fleet, host) {
        return astray.chain(foreign).collect();
    }
    let machines = fleet.machines_on(host).filter_map(|id| fleet.machines.get(id));
    let machines = machines.flat_map(|machine| {
        let held = held.get(&Thing::Machine(machine.id));
        let again =
            orders_again(fleet, host, Thing::Machine(machine.id), held, |_| awaits(fleet, machine));
        let seen = held.and_then(|held| seen(fleet, host, machine, held));
        again.into_iter().chain(seen.map(Difference::Outcome))
    });
    let images = fleet.images.iter().filter(|(_, image)| may_have_work(image));
    let images = images.filter_map(|(id, _)| {
        let held = held.get(&Thing::Image(id));
        orders_again(fleet, host, Thing::Image(id), held, awaits_files)
    });
    machines.chain(images).chain(astray).chain(foreign).collect()
}

fn listens(fleet: &Fleet, host: HypervisorId) -> bool {
    let host = fleet.hypervisors.get(host);
    host.is_some_and(|host| !host.maintenance.contains(&Reason::Lost))
}

/// A domain of a machine that has nothing to do with the host. One without a domain runs nothing:
/// what the host remembers of it harms nobody.
fn astray(fleet: &Fleet, host: HypervisorId, held: &Held) -> Option<Difference> {
    let Thing::Machine(id) = held.thing else { return None };
    held.power?;
    let is_its_own = fleet.index.on_host.contains(host, &id);
    (!is_its_own).then_some(Difference::Astray(id))
}

fn orders_again(
    fleet: &Fleet,
    host: HypervisorId,
    thing: Thing,
    held: Option<&Held>,
    awaits: impl FnOnce(&Work) -> bool,
) -> Option<Difference> {
    let work = work(fleet, thing).filter(|work| work.hypervisor == host)?;
    let again = match held {
        // A host keeps nothing of what it has woken, and of what has no files left to make.
        None => keeps_something(&work.shall) || awaits(&work),
        Some(held) if held.generation < work.generation => {
            keeps_something(&work.shall) || awaits(&work)
        }
        Some(held) => held.settled && awaits(&work),
    };
    again.then_some(Difference::Order(thing))
}

/// A host that has done this has something from then on, and says so.
fn keeps_something(shall: &Shall) -> bool {
    match shall {
        Shall::Present(_) => true,
        Shall::Released | Shall::Absent { .. } | Shall::Woken { .. } | Shall::Files(_) => false,
    }
}

/// Something has yet to be said of a machine by the host that is told what it shall be. That it
/// could not be done is not the end of it: a host that is told again may try again.
pub fn awaits(fleet: &Fleet, machine: &Machine) -> bool {
    if machine.leaving.is_some() || machine.deleting || machine.applied < machine.generation {
        return true;
    }
    !machine.is_external()
        && (machine.task.is_some()
            || machine.snapshot_at_work().is_some()
            || machine.observed.state == State::Starting
            || awaits_pause(machine)
            || awaits_ticket(fleet, machine)
            || awaits_guest(machine))
}

/// It shall be paused, or go on.
fn awaits_pause(machine: &Machine) -> bool {
    let state = machine.observed.state;
    match machine.power.wish {
        Wish::On => state == State::Paused(PauseReason::Command),
        // Its host may have paused it before, for an error of its disk, and that is what it says.
        Wish::Suspended => !matches!(state, State::Paused(_)) && !state.is_off(),
        Wish::Off(_) => false,
    }
}

/// The display of a machine that runs is to take a password.
fn awaits_ticket(fleet: &Fleet, machine: &Machine) -> bool {
    let mut sessions = machine.leases.iter().filter_map(|id| fleet.sessions.get(*id));
    machine.observed.state == State::Running
        && sessions.any(|session| session.ticket.state == TicketState::Issued)
}

/// A guest that runs is to say that it can be used, or that its first boot is done.
fn awaits_guest(machine: &Machine) -> bool {
    let boots_first =
        machine.renewal.as_ref().is_some_and(|renewing| renewing.step == RenewalStep::FirstBoot);
    let ready_by = matches!(machine.observed.ready, Ready::By(_));
    machine.observed.state == State::Running && (ready_by || boots_first)
}

fn may_have_work(image: &Image) -> bool {
    let is_at_work = |state: FileState| match state {
        FileState::Making { hypervisor } => hypervisor.is_some(),
        FileState::Retired => true,
        FileState::Unverified(_) | FileState::There => false,
    };
    image.state == Content::Sealed || image.files.iter().any(|file| is_at_work(file.state))
}

fn awaits_files(work: &Work) -> bool {
    match &work.shall {
        Shall::Files(spec) => {
            !spec.verify.is_empty() || !spec.make.is_empty() || !spec.remove.is_empty()
        }
        Shall::Present(_) | Shall::Woken { .. } | Shall::Released | Shall::Absent { .. } => false,
    }
}

/// Whether the machine runs, if the host knows everything that was wished, has nothing more to do
/// for it, and sees something else than is known.
fn seen(
    fleet: &Fleet,
    host: HypervisorId,
    machine: &Machine,
    held: &Held,
) -> Option<ReportOutcome> {
    let is_told = machine.place == Some(host) && machine.leaving.is_none();
    let is_newest = held.settled && held.generation == machine.generation;
    // While it migrates, or its files are worked on, its host says how that ended.
    let is_quiet = !machine.is_external() && !machine.deleting && machine.task.is_none();
    if !is_told || !is_newest || !is_quiet {
        return None;
    }
    let outcome = match held.power {
        Some(HeldPower { boot_epoch, runs: true }) => runs(fleet, machine, boot_epoch),
        Some(HeldPower { boot_epoch, runs: false }) => runs_no_more(machine, boot_epoch),
        None => runs_no_more(machine, machine.power.boot_epoch),
    };
    let thing = Reported::Machine { id: machine.id, outcome: outcome? };
    Some(ReportOutcome { hypervisor: host, generation: held.generation, thing })
}

fn runs(fleet: &Fleet, machine: &Machine, boot_epoch: u64) -> Option<Outcome> {
    let is_news = match machine.observed.state {
        // A copy of its disks is made, for which it stays off.
        State::Off | State::Crashed => crate::image::file_work_on(fleet, machine.id).is_none(),
        State::Starting => boot_epoch == machine.power.boot_epoch,
        State::Running | State::Paused(_) | State::Asleep | State::Stopping | State::Unknown => {
            boot_epoch == machine.power.boot_epoch && boot_epoch > machine.observed.boot_epoch
        }
    };
    is_news.then_some(Outcome::Started { boot_epoch })
}

/// How a start ended that has not begun to run is for its host to say: it may have failed.
fn runs_no_more(machine: &Machine, boot_epoch: u64) -> Option<Outcome> {
    let is_news = match machine.observed.state {
        State::Off | State::Crashed | State::Starting => false,
        State::Running | State::Paused(_) | State::Asleep | State::Stopping | State::Unknown => {
            machine.ends_with(boot_epoch)
        }
    };
    let cause = if machine.power.wish.is_off() { StopCause::Command } else { StopCause::Guest };
    is_news.then_some(Outcome::Stopped { boot_epoch, cause })
}

#[cfg(test)]
mod tests;
