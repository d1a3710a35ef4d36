//! What can stand in the way of a command about a machine.

use std::collections::BTreeSet;

use super::rejection::Rejection as Refused;
use super::{Machine, PauseReason, Reason, State, Task, Wish};
use crate::fleet::Fleet;
use crate::hypervisor::{Hypervisor, Reason as HostReason};
use crate::ids::HypervisorId;
use crate::image::{FileWork, file_work_on};
use crate::rejection::Rejection;
use crate::version::latest::display::Policy;

impl State {
    /// In words that go on from "it is".
    pub fn words(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused(PauseReason::Command) => "suspended",
            Self::Paused(PauseReason::Io) => "paused by an error of its disk",
            Self::Paused(PauseReason::Foreign) => "paused by somebody past Carrel",
            Self::Asleep => "asleep",
            Self::Stopping => "stopping",
            Self::Crashed => "off after a crash",
            Self::Unknown => "unknown: its host is silent",
        }
    }
}

impl Machine {
    /// Nothing else is being done with it that this would disturb.
    pub(crate) fn is_left_alone(&self, fleet: &Fleet) -> Result<(), Rejection> {
        self.is_at_most_read(fleet)?;
        let copies = fleet.copies_of(self.id).count();
        if copies > 0 {
            return Err(Refused::BeingCopied { machine: self.name.clone(), copies }.into());
        }
        Ok(())
    }

    /// As [`Self::is_left_alone`], for what only reads its disks, as copies of it do.
    pub(crate) fn is_at_most_read(&self, fleet: &Fleet) -> Result<(), Rejection> {
        self.is_not_going()?;
        let machine = self.name.clone();
        if self.may_run_unseen() {
            return Err(Refused::NotYetSeen { machine }.into());
        }
        match file_work_on(fleet, self.id) {
            Some(FileWork::Copying) => return Err(Refused::Copying { machine }.into()),
            Some(FileWork::Sealing) => return Err(Refused::Sealing { machine }.into()),
            Some(FileWork::CopiedFrom) | None => {}
        }
        if let Some(Task::Migrating { .. }) = self.task {
            return Err(Refused::Migrating { machine }.into());
        }
        self.is_not_being_renewed()
    }

    pub(crate) fn is_not_going(&self) -> Result<(), Rejection> {
        if self.deleting {
            return Err(Refused::Deleting { machine: self.name.clone() }.into());
        }
        Ok(())
    }

    pub(crate) fn is_not_being_renewed(&self) -> Result<(), Rejection> {
        if self.being_renewed() {
            return Err(Refused::BeingRenewed { machine: self.name.clone() }.into());
        }
        Ok(())
    }

    pub(crate) fn is_not_locked(&self) -> Result<(), Rejection> {
        if self.locked {
            return Err(Refused::Locked { machine: self.name.clone() }.into());
        }
        Ok(())
    }

    pub(crate) fn is_not_external(&self) -> Result<(), Rejection> {
        if self.is_external() {
            return Err(Refused::External { machine: self.name.clone() }.into());
        }
        Ok(())
    }

    /// Off, with nothing on its way to change that, and known to be so: its files can be touched.
    pub(crate) fn is_off(&self) -> Result<(), Rejection> {
        if self.is_known_off() {
            return Ok(());
        }
        let state = if self.at_rest() {
            "about to be off: its host has yet to say that it is"
        } else if self.observed.state.is_off() {
            // What went off without being asked to is going to be started again.
            State::Starting.words()
        } else {
            self.observed.state.words()
        };
        Err(Refused::NotOff { machine: self.name.clone(), state }.into())
    }

    /// Its files may be worked on: it is off, or runs.
    pub(crate) fn files_can_change(&self, fleet: &Fleet) -> Result<(), Rejection> {
        self.is_not_external()?;
        self.is_left_alone(fleet)?;
        self.is_not_locked()?;
        if self.at_rest() {
            return self.is_off();
        }
        host_answers(fleet, self)?;
        self.is_running()
    }

    /// Running, and meant to be.
    pub(crate) fn is_running(&self) -> Result<(), Rejection> {
        let state = match (self.power.wish, self.observed.state) {
            (Wish::On, State::Running) => return Ok(()),
            (Wish::Suspended, State::Running) => "about to be suspended",
            (Wish::Off(_), State::Running) => State::Stopping.words(),
            (Wish::On | Wish::Suspended | Wish::Off(_), state) => state.words(),
        };
        Err(Refused::NotRunning { machine: self.name.clone(), state }.into())
    }
}

/// What is said to the machine's host is heard, and what it does is known.
pub(crate) fn host_answers(fleet: &Fleet, machine: &Machine) -> Result<(), Rejection> {
    let Some(host) = machine.place.and_then(|host| fleet.hypervisors.get(host)) else {
        return Ok(());
    };
    if fleet.is_silent(host.id) {
        let (machine, host) = (machine.name.clone(), host.name.clone());
        return Err(Refused::HostSilent { machine, host }.into());
    }
    Ok(())
}

impl Fleet {
    /// What viewers may do on a machine that is started now.
    pub(crate) fn policy_of(&self, machine: &Machine) -> Policy {
        let pool = machine.pool.and_then(|pool| self.pools.get(pool));
        pool.map(|pool| pool.settings.display.clone()).unwrap_or_default()
    }

    /// Why it is not given to people: its own reasons, and that its host is being drained.
    ///
    /// A drain is its host's, so it is not noted with each machine: it is over for a machine as
    /// soon as that has left, and for all that are still there when it is taken back. Nobody is
    /// disturbed by it: who has a machine keeps it, and who owns one may go on using it until it
    /// has left.
    pub fn maintenance_of(&self, machine: &Machine) -> BTreeSet<Reason> {
        let host = machine.place.and_then(|host| self.hypervisors.get(host));
        let drained = host.is_some_and(|host| host.maintenance.contains(&HostReason::Drain));
        let own = machine.maintenance.iter().copied();
        own.chain(drained.then_some(Reason::Drain)).collect()
    }

    /// Something that was set reaches the guest, or its viewers, with the next power cycle.
    pub fn has_pending(&self, machine: &Machine) -> bool {
        let display = machine.allows.as_ref().is_some_and(|now| *now != self.policy_of(machine));
        display || machine.has_pending_settings()
    }

    /// It gets new machines.
    pub fn is_enabled(&self, host: HypervisorId) -> bool {
        self.hypervisors.get(host).is_some_and(Hypervisor::enabled)
    }

    /// Its worker has not been heard for too long.
    pub fn is_silent(&self, host: HypervisorId) -> bool {
        self.hypervisors
            .get(host)
            .is_some_and(|host| host.maintenance.contains(&HostReason::Silent))
    }

    /// What a machine is, for all that is known: what was last observed, unless its host is silent.
    ///
    /// A silent host is one fact and not one for each of its machines, of which there may be
    /// thousands; so that they are unknown is concluded here. A machine that was off stays off:
    /// nobody but its own host would have started it.
    pub fn state_of(&self, machine: &Machine) -> State {
        match machine.place {
            Some(host) if !machine.at_rest() && self.is_silent(host) => State::Unknown,
            Some(_) | None => machine.observed.state,
        }
    }
}
