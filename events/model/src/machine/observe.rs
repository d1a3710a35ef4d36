//! What becomes of a host's report about a machine.
//!
//! Reports may be late, repeated, contradict each other, or come from a host that has nothing to do
//! with the machine. What changes nothing decides nothing.

use super::adopt::keep_running;
use super::outcome::Outcome;
use super::power::POWER_OFF_SECONDS;
use super::{
    FAILURES_MAX, Machine, PauseReason, Ready, Reason, RenewalStep, Rest, SnapshotState, State,
    StopCause, StopManner, Task, Wish,
};
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::ids::{HypervisorId, MachineId, SnapshotId};
use crate::operation::Cause;
use crate::session::{EndCause, TicketState};
use crate::version::latest::machine::{
    Applied, Deleted, FilesGone, MaintenanceChanged, Migrated, MigrationFailed, OfSnapshot, Paused,
    Ready as WasReady, Released, ReleasedBy, SnapshotFailed, StartFailed, Started, StopRequested,
    Stopped, WorkFailed,
};
use crate::version::latest::operation::Failure;
use crate::version::latest::{Nothing, Switch};
use crate::{image, session};

/// Hears a report, if it comes from a host that has a say.
pub(super) fn hear(
    deciding: &mut Deciding<'_>,
    (host, generation): (HypervisorId, u64),
    id: MachineId,
    outcome: &Outcome,
) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    if generation > machine.generation {
        // It was given by a Carrel that knew more than this one.
        return;
    }
    if machine.leaving == Some(host) {
        if *outcome == Outcome::Released && generation >= machine.leaving_since {
            released(deciding, id, (host, ReleasedBy::Host));
        }
        if let Outcome::Failed { failure } = outcome {
            work_failed(deciding, &machine, generation, failure);
        }
        return;
    }
    if machine.place == Some(host) {
        of_its_host(deciding, &machine, generation, outcome);
        return;
    }
    let is_target = machine.task == Some(Task::Migrating { to: host });
    if is_target && *outcome == Outcome::Migrated {
        migrated(deciding, &machine, generation);
    }
}

fn of_its_host(deciding: &mut Deciding<'_>, machine: &Machine, generation: u64, outcome: &Outcome) {
    let id = machine.id;
    let about_task = generation >= machine.task_since;
    let about_power = generation >= machine.power.since;
    match outcome {
        Outcome::Applied => applied(deciding, machine, generation),
        Outcome::Absent if machine.deleting => {
            deciding.fact(id, Fact::Deleted(Deleted { files: FilesGone::Removed }));
        }
        // It was not asked to let go or to forget it.
        Outcome::Released | Outcome::Absent => {}
        Outcome::Failed { failure } => failed(deciding, machine, generation, failure),
        Outcome::Started { boot_epoch } => started(deciding, machine, generation, *boot_epoch),
        Outcome::Ready { boot_epoch } => ready(deciding, machine, *boot_epoch),
        Outcome::Stopping { boot_epoch } => {
            if *boot_epoch == machine.power.boot_epoch && machine.observed.state == State::Running {
                deciding.fact(id, Fact::StopBegun(Nothing {}));
            }
        }
        Outcome::Stopped { boot_epoch, cause } => stopped(deciding, machine, *boot_epoch, *cause),
        Outcome::Paused { reason } if about_power => paused(deciding, machine, *reason),
        Outcome::Asleep if about_power && machine.observed.state == State::Running => {
            deciding.fact(id, Fact::PmSuspended(Nothing {}));
        }
        Outcome::Resumed if about_power => resumed(deciding, machine),
        Outcome::FirstBootEnded { boot_epoch } => first_boot_ended(deciding, machine, *boot_epoch),
        Outcome::Copied if about_task => image::outcome::copied(deciding, id),
        Outcome::Sealed { stat } if about_task => {
            image::outcome::sealed(deciding, id, *stat);
        }
        Outcome::SnapshotTaken { snapshot } => {
            of_snapshot(deciding, machine, (*snapshot, SnapshotState::Taking));
        }
        Outcome::SnapshotReverted { snapshot } => {
            of_snapshot(deciding, machine, (*snapshot, SnapshotState::Reverting));
        }
        Outcome::SnapshotDeleted { snapshot } => {
            of_snapshot(deciding, machine, (*snapshot, SnapshotState::Deleting));
        }
        Outcome::SnapshotFailed { snapshot, failure } => {
            snapshot_failed(deciding, machine, (*snapshot, failure));
        }
        Outcome::Migrated => migrated(deciding, machine, generation),
        Outcome::MigrationFailed { failure } => {
            if let Some(Task::Migrating { to }) = machine.task
                && about_task
            {
                migration_failed(deciding, id, (to, failure.clone()));
            }
        }
        Outcome::DisplayArmed { session, ticket, ports } => {
            if is_ticket_of(deciding, machine, *session, *ticket) {
                session::follow::display_armed(deciding, *session, (*ticket, *ports));
            }
        }
        Outcome::TicketSpent { session, ticket, by } => {
            if is_ticket_of(deciding, machine, *session, *ticket) {
                session::follow::ticket_spent(deciding, *session, *ticket, *by);
            }
        }
        // Somebody who has logged off has left, whoever came after them hasn't.
        Outcome::LoggedOff { session } => {
            if machine.leases.contains(session) {
                session::end(deciding, *session, EndCause::Guest);
            }
        }
        // They are late.
        Outcome::Paused { .. }
        | Outcome::Asleep
        | Outcome::Resumed
        | Outcome::Copied
        | Outcome::Sealed { .. } => {}
    }
}

fn applied(deciding: &mut Deciding<'_>, machine: &Machine, generation: u64) {
    if generation <= machine.applied {
        return;
    }
    deciding.fact(machine.id, Fact::Applied(Applied { generation }));
    // Power that is cut is off, also if it was cut before anything ran, or nobody said so.
    let is_cut = machine.power.wish == Wish::Off(StopManner::Hard);
    if is_cut && generation >= machine.power.since && !machine.observed.state.is_off() {
        let (boot_epoch, cause) = (machine.power.boot_epoch, StopCause::Command);
        deciding.fact(machine.id, Fact::Stopped(Stopped { boot_epoch, cause }));
    }
}

/// What could not be done is the newest thing that was asked for: file work, a start, or anything
/// else.
fn failed(deciding: &mut Deciding<'_>, machine: &Machine, generation: u64, failure: &Failure) {
    let id = machine.id;
    match machine.task {
        Some(Task::Copying { .. } | Task::Sealing { .. }) if generation >= machine.task_since => {
            // Whoever was told something newer meanwhile tries once more, and says how that went.
            if generation == machine.generation {
                image::outcome::task_failed(deciding, id, failure);
            }
            return;
        }
        Some(Task::Migrating { to }) if generation >= machine.task_since => {
            migration_failed(deciding, id, (to, failure.clone()));
            return;
        }
        Some(_) | None => {}
    }
    // If it was told to go off meanwhile, it is off with that.
    let newest = generation >= machine.power.since || machine.power.wish.is_off();
    if machine.observed.state == State::Starting && newest {
        start_failed(deciding, machine, failure.clone(), Rest::Confirmed);
    } else {
        work_failed(deciding, machine, generation, failure);
    }
}

/// Once for each generation.
fn work_failed(deciding: &mut Deciding<'_>, machine: &Machine, generation: u64, failure: &Failure) {
    if generation > machine.applied.max(machine.failed) {
        let failure = failure.clone();
        deciding.fact(machine.id, Fact::WorkFailed(WorkFailed { generation, failure }));
    }
}

/// It is off, as far as it ever was on; the third time within ten minutes it is put aside.
pub(super) fn start_failed(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    failure: Failure,
    rest: Rest,
) {
    let (boot_epoch, at) = (machine.power.boot_epoch, deciding.now());
    let failed = StartFailed { boot_epoch, at, failure, rest };
    deciding.fact(machine.id, Fact::StartFailed(failed));
    put_aside_if_it_fails_often(deciding, machine.id);
}

pub(super) fn put_aside_if_it_fails_often(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.get(id) else { return };
    let often = machine.failures.len() >= FAILURES_MAX;
    if often && !machine.maintenance.contains(&Reason::Quarantine) {
        let (reason, switch) = (Reason::Quarantine, Switch::On);
        deciding.fact(id, Fact::MaintenanceChanged(MaintenanceChanged { reason, switch }));
    }
}

/// It runs. If it shall be off and its host knew that, somebody started it past Carrel, or an
/// outcome was lost: what is wished wins, and it is told to go off. Of a domain that was found
/// there nothing is wished yet.
fn started(deciding: &mut Deciding<'_>, machine: &Machine, generation: u64, boot_epoch: u64) {
    let left_alone = image::file_work_on(&deciding.fleet, machine.id).is_none();
    let found = machine.is_as_found() && !machine.deleting && left_alone;
    let is_news = match machine.observed.state {
        State::Starting => boot_epoch == machine.power.boot_epoch,
        State::Running | State::Paused(_) | State::Asleep | State::Stopping | State::Unknown => {
            boot_epoch == machine.power.boot_epoch && boot_epoch > machine.observed.boot_epoch
        }
        State::Off | State::Crashed => generation == machine.generation && !machine.deleting,
    };
    if !is_news && !found {
        return;
    }
    if found {
        keep_running(deciding, machine);
    }
    let past_carrel = machine.at_rest() && !found;
    let at = deciding.now();
    let ready_by = at.plus_seconds(machine.settings.readiness.timeout_seconds);
    let boot_epoch = boot_epoch.min(machine.power.boot_epoch);
    deciding.fact(machine.id, Fact::Started(Started { boot_epoch, at, ready_by }));
    if past_carrel {
        let deadline = deciding.now().plus_seconds(POWER_OFF_SECONDS);
        let stop = StopRequested { manner: StopManner::Hard, deadline };
        deciding.fact(machine.id, Fact::StopRequested(stop));
    }
}

/// Late is better than never: a desktop that took too long can be used all the same.
fn ready(deciding: &mut Deciding<'_>, machine: &Machine, boot_epoch: u64) {
    let runs = machine.observed.state == State::Running;
    let this_epoch = boot_epoch == machine.power.boot_epoch || machine.runs_as_before();
    let this_time = boot_epoch == machine.observed.boot_epoch && this_epoch;
    if runs && this_time && machine.observed.ready != Ready::Yes {
        deciding.fact(machine.id, Fact::BecameReady(WasReady { boot_epoch }));
    }
}

/// Of an earlier epoch it is no news: the machine has been told to run again since. But one that
/// ignored that runs in the earlier one, and going off is then the end of it. While it migrates,
/// its old host can't tell an end from a departure; what became of it is known with the end of the
/// migration.
fn stopped(deciding: &mut Deciding<'_>, machine: &Machine, boot_epoch: u64, cause: StopCause) {
    if let Some(Task::Migrating { .. }) = machine.task {
        return;
    }
    if machine.ends_with(boot_epoch) && !machine.observed.state.is_off() {
        deciding.fact(machine.id, Fact::Stopped(Stopped { boot_epoch, cause }));
    }
}

impl Machine {
    /// It is off when it has gone off in this epoch.
    pub(crate) fn ends_with(&self, boot_epoch: u64) -> bool {
        let awaited = self.power.wish == Wish::On && self.power.deadline.is_some();
        let runs_on = self.runs_as_before() && !awaited;
        boot_epoch == self.power.boot_epoch || runs_on && boot_epoch == self.observed.boot_epoch
    }
}

fn paused(deciding: &mut Deciding<'_>, machine: &Machine, reason: PauseReason) {
    match machine.observed.state {
        State::Paused(before) if before == reason => {}
        State::Running | State::Stopping | State::Asleep | State::Paused(_) => {
            deciding.fact(machine.id, Fact::Paused(Paused { reason }));
        }
        State::Off | State::Crashed | State::Starting | State::Unknown => {}
    }
}

fn resumed(deciding: &mut Deciding<'_>, machine: &Machine) {
    if let State::Paused(_) | State::Asleep = machine.observed.state {
        deciding.fact(machine.id, Fact::Resumed(Nothing {}));
    }
}

fn first_boot_ended(deciding: &mut Deciding<'_>, machine: &Machine, boot_epoch: u64) {
    let step = machine.renewal.as_ref().map(|renewing| renewing.step);
    if step == Some(RenewalStep::FirstBoot) && boot_epoch == machine.power.boot_epoch {
        deciding.fact(machine.id, Fact::FirstBootEnded(Nothing {}));
    }
}

fn migrated(deciding: &mut Deciding<'_>, machine: &Machine, generation: u64) {
    let (Some(Task::Migrating { to }), Some(from)) = (machine.task, machine.place) else { return };
    if generation >= machine.task_since {
        deciding.fact(machine.id, Fact::Migrated(Migrated { from, to }));
    }
}

fn migration_failed(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    (to, failure): (HypervisorId, Failure),
) {
    deciding.fact(id, Fact::MigrationFailed(MigrationFailed { to, failure }));
}

fn released(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    (hypervisor, cause): (HypervisorId, ReleasedBy),
) {
    deciding.fact(id, Fact::Released(Released { hypervisor, cause }));
}

/// Each step of a snapshot ends once, whatever else is said about it.
fn of_snapshot(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    (snapshot, ends): (SnapshotId, SnapshotState),
) {
    if machine.find_snapshot(snapshot).map(|it| it.state) != Some(ends) {
        return;
    }
    let of = OfSnapshot { snapshot };
    let fact = match ends {
        SnapshotState::Taking => Fact::SnapshotTaken(of),
        SnapshotState::Reverting => Fact::SnapshotReverted(of),
        SnapshotState::Deleting => Fact::SnapshotDeleted(of),
        SnapshotState::Taken => return,
    };
    deciding.fact(machine.id, fact);
}

fn snapshot_failed(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    (snapshot, failure): (SnapshotId, &Failure),
) {
    let found = machine.find_snapshot(snapshot);
    if found.is_some_and(|it| it.state != SnapshotState::Taken) {
        let failure = failure.clone();
        deciding.fact(machine.id, Fact::SnapshotFailed(SnapshotFailed { snapshot, failure }));
    }
}

/// The session is a lease on this very machine, and the ticket its newest.
fn is_ticket_of(
    deciding: &Deciding<'_>,
    machine: &Machine,
    session: crate::ids::SessionId,
    ticket: u32,
) -> bool {
    let session = machine.leases.iter().find(|it| **it == session);
    let session = session.and_then(|id| deciding.fleet.sessions.get(*id));
    session.is_some_and(|session| {
        session.ticket.number == ticket
            && matches!(session.ticket.state, TicketState::Issued | TicketState::Armed)
    })
}

/// What a host that is gone can no longer say about a machine.
pub(crate) fn host_lost(deciding: &mut Deciding<'_>, id: MachineId, host: HypervisorId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    let failure = || Failure::because(Cause::HostLost, "its host is lost");
    match machine.task {
        Some(Task::Migrating { to }) if to == host => {
            migration_failed(deciding, id, (to, failure()));
        }
        // It may have arrived, and nobody is left to say so: whatever is there of it belongs to the
        // other host, which turns it off before it starts anywhere.
        Some(Task::Migrating { to }) if machine.place == Some(host) => {
            deciding.fact(id, Fact::Migrated(Migrated { from: host, to }));
        }
        Some(Task::Copying { .. } | Task::Sealing { .. }) if machine.place == Some(host) => {
            image::outcome::task_failed(deciding, id, &failure());
        }
        Some(_) | None => {}
    }
    let at_work = machine.snapshots.iter().find(|it| it.state != SnapshotState::Taken);
    if let Some(snapshot) = at_work.filter(|_| machine.place == Some(host)) {
        snapshot_failed(deciding, &machine, (snapshot.id, &failure()));
    }
    // An external machine got a packet from it, and that was all.
    let ran_there = machine.place == Some(host) && !machine.is_external();
    if ran_there && !machine.observed.state.is_off() {
        let (boot_epoch, cause) = (machine.power.boot_epoch, StopCause::HostLost);
        deciding.fact(id, Fact::Stopped(Stopped { boot_epoch, cause }));
    }
    let Some(machine) = deciding.fleet.machines.get(id) else { return };
    if machine.place == Some(host) || machine.leaving == Some(host) {
        released(deciding, id, (host, ReleasedBy::HostLost));
    }
}
