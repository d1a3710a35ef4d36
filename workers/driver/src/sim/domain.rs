//! A simulated domain and its guest.

use std::time::Duration;

use carrel_model::ids::{MachineId, MediaId, SessionId};
use carrel_model::machine::{OnReboot, PauseReason, Probe};
use carrel_model::version::latest::renewal::FirstBootDone;
use carrel_model::version::latest::session::Ports;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::place::Place;
use crate::seen::{Armed, Domain, DomainState, End, TicketUse, Viewer};
use crate::step::{DefinedDisk, Definition};

use super::pace::{Pace, Random};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SimDomain {
    pub(super) generation: u64,
    pub(super) boot_epoch: u64,
    pub(super) disks: Vec<DefinedDisk>,
    pub(super) media: Vec<MediaId>,
    #[serde(default)]
    pub(super) people: Vec<Uuid>,
    probe: Probe,
    first_boot: Option<FirstBootDone>,
    pub(super) life: Life,
    pub(super) armed: Vec<(Armed, Duration)>,
    pub(super) viewers: Vec<Viewer>,
    pub(super) logged_off: Vec<SessionId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Life {
    Off { ended: Option<End> },
    On(Run),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    ready_at: Duration,
    /// When the guest has done what its first boot is for.
    through_at: Duration,
    pub(super) paused: Option<PauseReason>,
    pub(super) asleep: bool,
    /// When the guest goes off by itself.
    ends: Option<Duration>,
    /// When it boots anew, and in which epoch it is then.
    reboots: Option<(Duration, u64)>,
}

impl SimDomain {
    pub(super) fn defined(definition: &Definition) -> Self {
        Self {
            generation: definition.generation,
            boot_epoch: definition.boot_epoch,
            disks: definition.disks.clone(),
            media: definition.media.iter().map(|medium| medium.medium).collect(),
            people: definition.people.clone(),
            probe: definition.settings.readiness.probe.clone(),
            first_boot: definition.first_boot.as_ref().map(|first| first.done.clone()),
            life: Life::Off { ended: None },
            armed: Vec::new(),
            viewers: Vec::new(),
            logged_off: Vec::new(),
        }
    }

    /// One that nobody here has made.
    pub(super) fn found(life: Life) -> Self {
        Self {
            generation: 0,
            boot_epoch: 0,
            disks: Vec::new(),
            media: Vec::new(),
            people: Vec::new(),
            probe: Probe::Display,
            first_boot: None,
            life,
            armed: Vec::new(),
            viewers: Vec::new(),
            logged_off: Vec::new(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(self.life, Life::On(_))
    }

    pub(super) fn run(&mut self) -> Option<&mut Run> {
        match &mut self.life {
            Life::On(run) => Some(run),
            Life::Off { .. } => None,
        }
    }

    pub(super) fn starts(&mut self, now: Duration, pace: &Pace, random: &mut Random) {
        let through_at = now + pace.first_boot.draw(random);
        let goes_off = self.first_boot == Some(FirstBootDone::GuestPoweroff);
        self.life = Life::On(Run {
            ready_at: now + pace.ready.draw(random),
            through_at,
            paused: None,
            asleep: false,
            ends: goes_off.then_some(through_at),
            reboots: None,
        });
    }

    pub(super) fn ends(&mut self, how: End) {
        self.life = Life::Off { ended: Some(how) };
        self.armed.clear();
        self.viewers.clear();
        self.logged_off.clear();
    }

    /// The guest does what it was asked, after a while.
    pub(super) fn goes_off_at(&mut self, then: Duration) {
        if let Some(run) = self.run() {
            run.ends = Some(run.ends.map_or(then, |before| before.min(then)));
        }
    }

    pub(super) fn reboots_at(&mut self, then: Duration, boot_epoch: u64) {
        if let Some(run) = self.run() {
            run.reboots = Some((then, boot_epoch));
        }
    }

    /// Something of it has changed by now.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let expires =
            |(armed, until): &(Armed, Duration)| armed.is == TicketUse::Open && *until <= now;
        let Life::On(run) = &self.life else { return self.armed.iter().any(expires) };
        let goes = run.paused.is_none() && !run.asleep;
        let over = |then: Duration| goes && then <= now;
        self.armed.iter().any(expires)
            || run.ends.is_some_and(over)
            || run.reboots.is_some_and(|(then, _)| over(then))
    }

    /// What has happened by now. Whose throwaway overlays are renewed is answered.
    pub(super) fn tick(&mut self, now: Duration, pace: &Pace, random: &mut Random) -> Vec<Place> {
        for (armed, until) in &mut self.armed {
            if armed.is == TicketUse::Open && *until <= now {
                armed.is = TicketUse::Expired;
            }
        }
        let Some(run) = self.run() else { return Vec::new() };
        if run.paused.is_some() || run.asleep {
            return Vec::new();
        }
        if run.ends.is_some_and(|then| then <= now) {
            self.ends(End::Guest);
            return Vec::new();
        }
        if let Some((then, boot_epoch)) = run.reboots
            && then <= now
        {
            self.boot_epoch = boot_epoch;
            self.starts(then, pace, random);
            return self.renewed();
        }
        Vec::new()
    }

    /// What a boot of the guest throws away.
    pub(super) fn renewed(&self) -> Vec<Place> {
        let renewed = self.disks.iter().filter(|it| it.throwaway == Some(OnReboot::Renew));
        renewed.map(|disk| disk.file.clone()).collect()
    }

    pub(super) fn see(&self, machine: MachineId, now: Duration) -> Domain {
        let (state, answers) = match &self.life {
            Life::Off { ended } => (DomainState::Off { ended: *ended }, Vec::new()),
            Life::On(run) => (run.state(), self.answers(run, now)),
        };
        Domain {
            machine,
            generation: self.generation,
            boot_epoch: self.boot_epoch,
            state,
            disks: self.disks.iter().map(|disk| disk.file.clone()).collect(),
            media: self.media.clone(),
            people: self.people.clone(),
            answers,
            armed: self.armed.iter().map(|(armed, _)| *armed).collect(),
            ports: if self.is_on() { ports(machine) } else { Ports::default() },
            viewers: self.viewers.clone(),
            logged_off: self.logged_off.clone(),
        }
    }

    fn answers(&self, run: &Run, now: Duration) -> Vec<Probe> {
        let mut answers = Vec::new();
        if run.paused.is_some() || run.asleep {
            return answers;
        }
        if run.ready_at <= now {
            answers.push(self.probe.clone());
        }
        if run.through_at <= now {
            match self.first_boot {
                Some(FirstBootDone::Agent) => answers.push(Probe::Agent),
                Some(FirstBootDone::Tcp { port }) => answers.push(Probe::Tcp { port }),
                Some(FirstBootDone::GuestPoweroff) | None => {}
            }
        }
        answers
    }
}

/// Where SPICE displays usually are. Nobody listens there, and no two machines have to differ.
const PORT_FIRST: u16 = 5_900;
const PORTS: u128 = 10_000;

/// By its id, so that whoever asks twice hears the same.
pub fn ports(machine: MachineId) -> Ports {
    let offset = u16::try_from(machine.uuid().as_u128() % PORTS).unwrap_or_default();
    Ports { port: Some(PORT_FIRST + offset), tls_port: None }
}

impl Run {
    fn state(&self) -> DomainState {
        match self.paused {
            Some(reason) => DomainState::Paused(reason),
            None if self.asleep => DomainState::Asleep,
            None => DomainState::Running,
        }
    }
}
