//! How a machine's power and its place change.

use std::sync::Arc;

use super::{FAILURES_MAX, FAILURES_WINDOW_SECONDS};
use crate::ids::HypervisorId;
use crate::machine::{Machine, Ready, Rest, State, StopManner, Wish};
use crate::record::Timestamp;

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

/// The host learns of it with the generation that follows.
pub(super) fn leave(machine: &mut Machine, host: Option<HypervisorId>) {
    machine.leaving = host;
    machine.leaving_since = machine.generation + 1;
}

/// What it had of its host it has no longer; whatever was to be on is off.
pub(super) fn went_off(machine: &mut Machine, state: State, rest: Rest) {
    machine.power.rest = rest;
    machine.observed.state = state;
    machine.observed.started = None;
    machine.observed.ready = Ready::No;
    machine.power.wish = Wish::Off(StopManner::Hard);
    machine.power.persistent_once = false;
    machine.power.deadline = None;
    machine.power.restart = None;
    machine.running_with = None;
    machine.allows = None;
    wished(machine);
}

pub(super) fn failed_at(machine: &mut Machine, at: Timestamp) {
    machine.failures.retain(|earlier| at < earlier.plus_seconds(FAILURES_WINDOW_SECONDS));
    if machine.failures.len() < FAILURES_MAX {
        machine.failures.push(at);
    }
}
