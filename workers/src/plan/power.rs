//! On and off. What is done in an epoch is done once, also when an order comes twice.
//!
//! A start, a reset and the end of a run are seen together with their epoch, so they are found. A
//! guest that is asked by ACPI to go off or to boot anew may not do so for a long time, so that it
//! was asked is remembered before it is asked: at most once.

use std::collections::BTreeSet;

use carrel_driver::place::throwaway_file;
use carrel_driver::{DefinedDisk, Definition, Domain, DomainState, End, Place, Step};
use carrel_model::machine::{Format, Outcome, PauseReason, RestartManner, StopCause, StopManner};
use carrel_model::work::{DiskSpec, FileTask, PowerSpec};
use uuid::Uuid;

use super::{Case, Next, doable, files, step, unseen};
use crate::entry::{Act, ToldState};
use crate::plan::Then;

pub(crate) const fn cause(ended: Option<End>) -> StopCause {
    match ended {
        Some(End::Guest) => StopCause::Guest,
        Some(End::Crash | End::Unknown) => StopCause::Crash,
        Some(End::Cut) | None => StopCause::Command,
    }
}

impl Case<'_> {
    /// What runs and shall not, or not in that epoch, makes way before anything else is done.
    pub(super) fn makes_way(&self) -> Option<Next> {
        let domain = self.seen.domain.as_ref().filter(|domain| domain.state.is_on())?;
        match self.spec.power {
            PowerSpec::Off { manner: StopManner::Hard, .. } => Some(step(Step::Destroy)),
            PowerSpec::Off { manner: StopManner::Acpi, boot_epoch } => {
                self.ask_to_stop(domain, boot_epoch)
            }
            // Whoever thought that it was off has told it to start.
            PowerSpec::On { boot_epoch, restart: None } if domain.boot_epoch < boot_epoch => {
                Some(step(Step::Destroy))
            }
            PowerSpec::On { .. } | PowerSpec::Suspended { .. } | PowerSpec::AsFound => None,
        }
    }

    fn ask_to_stop(&self, domain: &Domain, boot_epoch: u64) -> Option<Next> {
        if self.entry.acted.shutdown != Some(boot_epoch) {
            let act = Some(Act::Shutdown(boot_epoch));
            return Some(doable(Step::Shutdown, |it| it.act = act));
        }
        let boot_epoch = domain.boot_epoch;
        self.say_once(Outcome::Stopping { boot_epoch })
    }

    pub(super) fn power(&self) -> Option<Next> {
        match self.spec.power {
            PowerSpec::On { boot_epoch, restart } => match &self.seen.domain {
                Some(domain) if domain.state.is_on() => self.on(domain, boot_epoch, restart),
                domain => self.start(domain.as_ref(), boot_epoch),
            },
            PowerSpec::Suspended { .. } => self.suspend(),
            PowerSpec::Off { boot_epoch, manner } => self.off(boot_epoch, manner),
            PowerSpec::AsFound => self.as_found(),
        }
    }

    fn on(&self, domain: &Domain, epoch: u64, restart: Option<RestartManner>) -> Option<Next> {
        if domain.boot_epoch < epoch {
            return match restart {
                Some(RestartManner::Reset) => Some(step(Step::Reset { boot_epoch: epoch })),
                Some(RestartManner::Reboot) => self.ask_to_reboot(epoch),
                None => None,
            };
        }
        if let Some(next) = self.tell_on(domain) {
            return Some(next);
        }
        let again = match domain.state {
            DomainState::Paused(_) => Step::Resume,
            DomainState::Asleep => Step::Wake,
            DomainState::Running | DomainState::Off { .. } => return None,
        };
        let generation = self.order.work.generation;
        (self.entry.acted.resumed != Some(generation)).then(|| {
            doable(again, |it| {
                it.act = Some(Act::Resumed(generation));
                it.then = Then::Say(self.reported(Outcome::Resumed));
            })
        })
    }

    fn ask_to_reboot(&self, epoch: u64) -> Option<Next> {
        let asked = self.entry.acted.reboot.is_some_and(|asked| asked >= epoch);
        let act = Some(Act::Reboot(epoch));
        (!asked).then(|| doable(Step::Reboot { boot_epoch: epoch }, |it| it.act = act))
    }

    /// That it runs in its epoch is said once.
    fn tell_on(&self, domain: &Domain) -> Option<Next> {
        let boot_epoch = domain.boot_epoch;
        let told = self.entry.told.power;
        let is_told = told.is_some_and(|it| it.boot_epoch == boot_epoch && it.is != ToldState::Off);
        (!is_told).then(|| self.say(Outcome::Started { boot_epoch }))
    }

    fn start(&self, domain: Option<&Domain>, boot_epoch: u64) -> Option<Next> {
        if let Some(over) = self.is_over(domain, boot_epoch) {
            return over;
        }
        self.changed_below()
            .or_else(|| self.throwaway(boot_epoch))
            .or_else(|| self.define_for(domain, boot_epoch))
            .or_else(|| {
                let started = self.reported(Outcome::Started { boot_epoch });
                Some(doable(Step::Start { boot_epoch }, |it| it.then = Then::Say(started)))
            })
    }

    /// It ran in this epoch, and went off. That is said, and it is not started again.
    #[expect(clippy::option_option, reason = "it is over, and there may be something to say")]
    fn is_over(&self, domain: Option<&Domain>, boot_epoch: u64) -> Option<Option<Next>> {
        let ended =
            domain.filter(|domain| domain.boot_epoch >= boot_epoch).and_then(|domain| match domain
                .state
            {
                DomainState::Off { ended } => ended,
                DomainState::Running | DomainState::Paused(_) | DomainState::Asleep => None,
            });
        let told = self.entry.told.power.filter(|told| told.boot_epoch >= boot_epoch);
        match (ended, told.map(|told| told.is)) {
            (_, Some(ToldState::Off)) => Some(None),
            // It was quicker than anybody could look. That it ended is news then.
            (Some(_), None) => Some(Some(self.say(Outcome::Started { boot_epoch }))),
            // It was said to run, and nothing is there of it.
            (_, Some(ToldState::On | ToldState::Paused(_) | ToldState::Asleep)) => {
                let cause = StopCause::Crash;
                Some(Some(self.say(Outcome::Stopped { boot_epoch, cause })))
            }
            (None, None) => None,
        }
    }

    /// Only the system disk is covered: what is on others is somebody's to keep.
    fn throwaway_of(&self, disk: &DiskSpec, boot_epoch: u64) -> Option<Option<Place>> {
        let of = self.spec.throwaway.as_ref()?;
        let covered = self.system_disk().is_some_and(|system| system.id == disk.id);
        covered.then(|| throwaway_file(self.machine, disk.id, of, boot_epoch))
    }

    fn throwaway(&self, boot_epoch: u64) -> Option<Next> {
        let disk = self.system_disk()?;
        let Some(file) = self.throwaway_of(disk, boot_epoch)? else {
            return Some(unseen("what is thrown away"));
        };
        if self.seen.has(&file) {
            return None;
        }
        let on = files::place(self.machine, disk)?;
        let (format, size_gib) = (Format::Qcow2, disk.size_gib);
        Some(step(Step::MakeDisk { file, format, size_gib, on: Some((on, disk.format)) }))
    }

    /// What was thrown away of earlier epochs goes as soon as nothing writes to it.
    pub(super) fn thrown_away(&self) -> Option<Next> {
        if self.is_on() {
            return None;
        }
        let spared = match self.spec.power {
            PowerSpec::On { boot_epoch, .. }
                if self.is_over(self.seen.domain.as_ref(), boot_epoch).is_none() =>
            {
                self.system_disk().and_then(|disk| self.throwaway_of(disk, boot_epoch)).flatten()
            }
            PowerSpec::On { .. }
            | PowerSpec::Suspended { .. }
            | PowerSpec::Off { .. }
            | PowerSpec::AsFound => None,
        };
        let gone = super::gone::thrown_away(self.machine, self.seen, spared.as_ref());
        (!gone.is_empty()).then(|| step(Step::RemoveFiles { files: gone }))
    }

    /// A domain is there also while it is off, so that people on the host find it.
    pub(super) fn definition(&self) -> Option<Next> {
        let boot_epoch = match self.spec.power {
            PowerSpec::Off { boot_epoch, .. } | PowerSpec::Suspended { boot_epoch } => boot_epoch,
            PowerSpec::On { .. } | PowerSpec::AsFound => return None,
        };
        if self.seen.domain.is_some() || self.spec.task.is_some() {
            return None;
        }
        self.define(boot_epoch)
    }

    /// As the newest order says, unless it has run like that.
    fn define_for(&self, domain: Option<&Domain>, boot_epoch: u64) -> Option<Next> {
        let generation = self.order.work.generation;
        let is_so = domain.is_some_and(|domain| {
            (domain.boot_epoch, domain.generation) == (boot_epoch, generation)
                && domain.state == DomainState::Off { ended: None }
        });
        if is_so { None } else { self.define(boot_epoch) }
    }

    /// Nobody reads of somebody who is gone, and whoever comes next not either: their display is
    /// armed after that. What starts is defined anew, and its CD made with that.
    pub(super) fn config(&self) -> Option<Next> {
        let domain = self.seen.domain.as_ref()?;
        let starts = matches!(self.spec.power, PowerSpec::On { .. }) && !domain.state.is_on();
        let people = self.people();
        let is_stale = domain.people.iter().any(|person| !people.contains(person));
        if starts || !is_stale {
            return None;
        }
        Some(match self.definition_for(domain.boot_epoch) {
            Ok(definition) => step(Step::PutConfig(Box::new(definition))),
            Err(unseen) => unseen,
        })
    }

    /// Whose properties the guest may read.
    fn people(&self) -> Vec<Uuid> {
        if self.order.personal.is_empty() {
            return Vec::new();
        }
        let people: BTreeSet<Uuid> = self.spec.personal.values().map(|it| it.key).collect();
        people.into_iter().collect()
    }

    fn define(&self, boot_epoch: u64) -> Option<Next> {
        Some(match self.definition_for(boot_epoch) {
            Ok(definition) => step(Step::Define(Box::new(definition))),
            Err(unseen) => unseen,
        })
    }

    fn definition_for(&self, boot_epoch: u64) -> Result<Definition, Next> {
        let mut disks = Vec::with_capacity(self.spec.disks.len());
        for disk in &self.spec.disks {
            let covered = self.throwaway_of(disk, boot_epoch).flatten();
            let throwaway = self.spec.throwaway.as_ref().filter(|_| covered.is_some());
            let throwaway = throwaway.map(|it| it.on_reboot);
            let format = if covered.is_some() { Format::Qcow2 } else { disk.format };
            let Some(own) = files::place(self.machine, disk) else {
                return Err(unseen(&format!("disk {}", disk.id)));
            };
            let (file, below) = match covered {
                Some(file) => (file, Some(own)),
                None => (own, None),
            };
            disks.push(DefinedDisk { id: disk.id, file, format, throwaway, below });
        }
        let mut properties = self.spec.properties.clone();
        properties.extend(self.order.personal.clone());
        let first = self.spec.disks.first().and_then(|disk| files::place(self.machine, disk));
        Ok(Definition {
            machine: self.machine,
            name: self.spec.name.clone(),
            identity: self.spec.identity.clone(),
            generation: self.order.work.generation,
            boot_epoch,
            settings: self.spec.settings.clone(),
            disks,
            system_disk: first.map(|file| file.name().to_owned()).unwrap_or_default(),
            media: self.spec.media.clone(),
            networks: self.spec.networks.clone(),
            display: self.spec.display.clone(),
            properties,
            people: self.people(),
            first_boot: self.spec.first_boot.clone(),
        })
    }

    fn suspend(&self) -> Option<Next> {
        let domain = self.seen.domain.as_ref().filter(|domain| domain.state.is_on())?;
        if let Some(next) = self.tell_on(domain) {
            return Some(next);
        }
        let reason = match domain.state {
            // An error of its disk came before, and is what people have to see to.
            DomainState::Paused(PauseReason::Io) => PauseReason::Io,
            DomainState::Paused(PauseReason::Command | PauseReason::Foreign) => {
                PauseReason::Command
            }
            DomainState::Running | DomainState::Asleep | DomainState::Off { .. } => {
                return Some(step(Step::Suspend));
            }
        };
        // What was said of it for an older order may have been lost.
        self.say_once(Outcome::Paused { reason })
    }

    /// Who asks for it to be off waits to hear that it is.
    fn off(&self, boot_epoch: u64, manner: StopManner) -> Option<Next> {
        let domain = self.seen.domain.as_ref();
        if domain.is_some_and(|domain| domain.state.is_on()) {
            return None;
        }
        let told = self.entry.told.power;
        if told.is_some_and(|told| told.boot_epoch >= boot_epoch && told.is == ToldState::Off) {
            return None;
        }
        // Nobody ever said that it was on, and that it is off is said with everything else.
        let never = told.is_none() && boot_epoch == 0 && manner == StopManner::Hard;
        let ended = domain.and_then(|domain| match domain.state {
            DomainState::Off { ended } if domain.boot_epoch >= boot_epoch => ended,
            DomainState::Off { .. }
            | DomainState::Running
            | DomainState::Paused(_)
            | DomainState::Asleep => None,
        });
        let cause = match cause(ended) {
            // It was to go off anyway.
            StopCause::Guest if manner == StopManner::Acpi => StopCause::Command,
            cause @ (StopCause::Guest
            | StopCause::Command
            | StopCause::Crash
            | StopCause::HostLost) => cause,
        };
        (!never).then(|| self.say(Outcome::Stopped { boot_epoch, cause }))
    }

    /// That it runs is said before anything else.
    fn as_found(&self) -> Option<Next> {
        let told = self.entry.told.power.map(|told| told.is);
        match self.seen.domain.as_ref().filter(|domain| domain.state.is_on()) {
            Some(domain) => self.tell_on(domain),
            None if told == Some(ToldState::Off) => None,
            None => {
                let (boot_epoch, cause) = (0, StopCause::Command);
                Some(self.say(Outcome::Stopped { boot_epoch, cause }))
            }
        }
    }

    /// While it moves, it has nothing else to do.
    pub(super) fn migrating(&self) -> Option<Next> {
        let Some(FileTask::Migrating { to, address }) = &self.spec.task else { return None };
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::MigrationFailed { .. });
        let over = self.entry.said().any(|said| match &said.what {
            carrel_model::machine::Reported::Machine { outcome, .. } => {
                *outcome == Outcome::Migrated || failed(outcome)
            }
            carrel_model::machine::Reported::Image { .. } => false,
        });
        if over {
            return None;
        }
        if self.is_on() {
            let (to, address) = (*to, address.clone());
            return Some(doable(Step::Migrate { to, address }, |it| {
                it.act = Some(Act::Migrated(self.order.work.generation));
                it.then = Then::Say(self.reported(Outcome::Migrated));
                it.fails = super::Fails::Migration;
            }));
        }
        // It may have been begun for an older order, which wanted the same.
        if self.entry.acted.migrated.is_some() && self.seen.domain.is_none() {
            return Some(self.say(Outcome::Migrated));
        }
        let failure = carrel_model::operation::Failure::new("migrate", "it does not run here");
        Some(self.say(Outcome::MigrationFailed { failure }))
    }
}
