//! How it changes whether a machine shall run.

use std::sync::Arc;

use crate::machine::{Machine, Ready, RestartManner, State, StopManner, Wish};
use crate::record::Timestamp;
use crate::version::latest::machine::{Failed, RestartRequested, StartRequested, StopRequested};

/// It shall run in an epoch of its own, with the settings that it has now.
pub(super) fn shall_run(
    machine: &mut Machine,
    boot_epoch: u64,
    persistent_once: bool,
    deadline: Option<Timestamp>,
) {
    machine.power.wish = Wish::On;
    machine.power.boot_epoch = boot_epoch;
    machine.power.persistent_once = persistent_once;
    machine.power.writes = machine.writes_if_started(persistent_once);
    if machine.keeps_writes() && !machine.leases.is_empty() {
        machine.kept = machine.written;
    }
    machine.power.deadline = deadline;
    machine.power.restart = None;
    machine.observed.state = State::Starting;
    machine.observed.ready = Ready::No;
    machine.running_with = Some(Arc::clone(&machine.settings));
    wished(machine);
}

pub(super) fn wished(machine: &mut Machine) {
    machine.generation += 1;
    machine.power.since = machine.generation;
}

pub(super) fn start_requested(machine: &mut Machine, start: &StartRequested) {
    machine.unsealed |= machine.seals();
    machine.upkeep |= start.persistent_once && machine.leases.is_empty();
    shall_run(machine, start.boot_epoch, start.persistent_once, start.deadline);
}

pub(super) fn stop_requested(machine: &mut Machine, stop: &StopRequested) {
    // Power is told to be cut once more only when it was not cut in time.
    let again = machine.power.wish == Wish::Off(StopManner::Hard);
    machine.power.overdue = again && machine.power.deadline.is_some();
    machine.power.wish = Wish::Off(stop.manner);
    machine.power.deadline = Some(stop.deadline);
    wished(machine);
}

pub(super) fn restart_requested(machine: &mut Machine, restart: &RestartRequested) {
    machine.power.boot_epoch = restart.boot_epoch;
    machine.power.deadline = Some(restart.deadline);
    machine.power.restart = Some(restart.manner);
    // A guest that is asked may ignore it, and then can be used as before.
    match restart.manner {
        RestartManner::Reboot => {}
        RestartManner::Reset => machine.observed.ready = Ready::No,
    }
    wished(machine);
}

pub(super) fn shutdown_ignored(machine: &mut Machine, ignored: &Failed) {
    machine.power.wish = Wish::On;
    machine.power.deadline = None;
    machine.observed.ignored_shutdown = true;
    if machine.observed.state == State::Stopping {
        machine.observed.state = State::Running;
    }
    machine.trouble = Some(Arc::new(ignored.failure.clone()));
    wished(machine);
}

/// Its epoch stays: the guest was asked in it, and may come to it late.
pub(super) fn restart_ignored(machine: &mut Machine, ignored: &Failed) {
    machine.power.deadline = None;
    if machine.observed.state == State::Stopping {
        machine.observed.state = State::Running;
    }
    machine.trouble = Some(Arc::new(ignored.failure.clone()));
    wished(machine);
}

pub(super) fn suspend_requested(machine: &mut Machine) {
    machine.power.wish = Wish::Suspended;
    machine.power.deadline = None;
    wished(machine);
}

pub(super) fn resume_requested(machine: &mut Machine) {
    machine.power.wish = Wish::On;
    wished(machine);
}
