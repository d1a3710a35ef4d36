//! How what is seen of a machine changes.

use std::sync::Arc;

use super::power::wished;
use super::{FAILURES_MAX, FAILURES_WINDOW_SECONDS};
use crate::machine::{Machine, Observed, Ready, Rest, State, StopCause, StopManner, Wish};
use crate::record::Timestamp;
use crate::version::latest::machine::{StartFailed, Started, Stopped};

pub(super) fn started(machine: &mut Machine, started: &Started) {
    machine.observed = Observed {
        state: State::Running,
        boot_epoch: started.boot_epoch,
        started: Some(started.at),
        ready: Ready::By(started.ready_by),
        ignored_shutdown: false,
    };
    if machine.power.wish == Wish::On {
        machine.power.deadline = None;
    }
    machine.running_with.get_or_insert_with(|| Arc::clone(&machine.settings));
}

pub(super) fn start_failed(machine: &mut Machine, failed: &StartFailed) {
    machine.failed = machine.generation;
    went_off(machine, State::Off, failed.rest);
    machine.trouble = Some(Arc::new(failed.failure.clone()));
    failed_at(machine, failed.at);
}

pub(super) fn stopped(machine: &mut Machine, stopped: &Stopped) {
    let (state, rest) = match stopped.cause {
        StopCause::Crash => (State::Crashed, Rest::Confirmed),
        StopCause::Guest | StopCause::Command => (State::Off, Rest::Confirmed),
        // A lost host says nothing, and another one may have the machine by now.
        StopCause::HostLost => (State::Off, Rest::Presumed),
    };
    went_off(machine, state, rest);
}

pub(super) fn ready(machine: &mut Machine) {
    machine.observed.ready = Ready::Yes;
    machine.failures.clear();
    proved_itself(machine);
}

pub(super) fn not_ready(machine: &mut Machine, at: Timestamp) {
    machine.observed.ready = Ready::No;
    failed_at(machine, at);
}

/// A desktop that can be used needs no disk to go back to, unless more is being done with it.
fn proved_itself(machine: &mut Machine) {
    if !machine.being_renewed() && !machine.half_made && machine.disk_before.take().is_some() {
        machine.generation += 1;
    }
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
