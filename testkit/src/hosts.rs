//! Hosts as the model may rely on them: they do what their work says, in one step, and report it.
//!
//! It is no simulator of libvirt. It says what a host would say when nothing goes wrong; what can
//! go wrong instead is in `hosts/mishaps.rs`, and whoever carries the reports says when it does.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::hash::Digest;
use carrel_model::ids::{HypervisorId, ImageId, MachineId, SessionId, SnapshotId};
use carrel_model::image;
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::machine::{Base, Outcome, PauseReason, Reported, StopCause};
use carrel_model::media::Kind;
use carrel_model::version::latest::image::Stat;
use carrel_model::work::{
    FileTask, ImageSpec, MachineSpec, PowerSpec, Shall, SnapshotShall, Thing, Work,
};

mod files;
mod inventory;
mod mishaps;

use crate::site::BEGINNING;
use files::Files;
pub use files::Standing;

/// All hosts of a site, and what runs on them.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    domains: BTreeMap<(HypervisorId, MachineId), Domain>,
    files: Files,
    /// Somebody has seen that they are off. They hear nothing.
    lost: BTreeSet<HypervisorId>,
}

/// What a host knows of one machine: its ledger and what it sees.
#[derive(Clone, Debug, Default)]
struct Domain {
    generation: u64,
    boot_epoch: u64,
    running: bool,
    paused: bool,
    snapshots: BTreeSet<SnapshotId>,
    tickets: BTreeMap<SessionId, u32>,
    /// How its power is has been reported.
    told: bool,
    /// It has not been let go of.
    defined: bool,
}

impl Hosts {
    /// Does the work, and answers what is to be reported, in order.
    ///
    /// # Panics
    /// If a machine runs on two hosts with that: they write to the same files.
    pub fn take(&mut self, work: &Work) -> Vec<ReportOutcome> {
        if self.lost.contains(&work.hypervisor) {
            return Vec::new();
        }
        let said: Vec<Reported> = match (work.thing, &work.shall) {
            (Thing::Image(id), Shall::Files(spec)) => {
                files(spec).into_iter().map(|outcome| Reported::Image { id, outcome }).collect()
            }
            (Thing::Image(_), _) => Vec::new(),
            (Thing::Machine(id), shall) => {
                let outcomes = self.machine(work, id, shall).into_iter();
                let on: Vec<_> = self.running().filter(|(_, machine)| *machine == id).collect();
                assert!(on.len() <= 1, "{id} runs twice: {on:?} after {work:?}");
                outcomes.map(|outcome| Reported::Machine { id, outcome }).collect()
            }
        };
        let (hypervisor, generation) = (work.hypervisor, work.generation);
        let report = |thing| ReportOutcome { hypervisor, generation, thing };
        said.into_iter().map(report).collect()
    }

    fn machine(&mut self, work: &Work, machine: MachineId, shall: &Shall) -> Vec<Outcome> {
        let key = (work.hypervisor, machine);
        let domain = self.domains.entry(key).or_default();
        if work.generation < domain.generation {
            return Vec::new();
        }
        domain.generation = work.generation;
        domain.defined = matches!(shall, Shall::Present(_));
        if let Shall::Present(spec) = shall {
            self.files.are(machine, spec, domain.runs_on(spec));
        }
        match shall {
            Shall::Present(spec) => match &spec.task {
                Some(FileTask::Migrating { to, .. }) => {
                    let moved = domain.clone();
                    if std::mem::replace(&mut domain.running, false) {
                        self.domains.insert((*to, machine), moved);
                    }
                    vec![Outcome::Migrated]
                }
                Some(
                    FileTask::Copying { .. }
                    | FileTask::Sealing { .. }
                    | FileTask::Importing { .. },
                )
                | None => domain.be(spec),
            },
            Shall::Released => {
                domain.running = false;
                vec![Outcome::Released]
            }
            Shall::Absent { .. } => {
                domain.running = false;
                vec![Outcome::Absent]
            }
            Shall::Woken { .. } | Shall::Files(_) => vec![Outcome::Applied],
        }
    }

    /// All is reported again that work asks for: what was said before may have been lost.
    pub fn forget_reports(&mut self) {
        self.domains.values_mut().for_each(Domain::forget_reports);
    }

    /// A host is off, with everything that ran there.
    pub fn is_lost(&mut self, host: HypervisorId) {
        self.lost.insert(host);
        for (_, domain) in self.domains.iter_mut().filter(|((on, _), _)| *on == host) {
            domain.running = false;
            domain.told = false;
        }
    }

    /// It is taken in again.
    pub fn is_back(&mut self, host: HypervisorId) {
        self.lost.remove(&host);
    }

    /// Files that are there and stand on a file of a version.
    pub fn standing_on(&self, image: ImageId, file: u16) -> impl Iterator<Item = Standing> {
        self.files.standing_on(Base { image, file })
    }

    /// What runs on a host.
    pub fn running(&self) -> impl Iterator<Item = (HypervisorId, MachineId)> {
        self.domains.iter().filter(|(_, domain)| domain.running).map(|(key, _)| *key)
    }

    /// A guest goes off by itself.
    pub fn goes_off(
        &mut self,
        (host, machine): (HypervisorId, MachineId),
        cause: StopCause,
    ) -> Option<ReportOutcome> {
        let domain = self.domains.get_mut(&(host, machine)).filter(|domain| domain.running)?;
        domain.running = false;
        Some(ReportOutcome {
            hypervisor: host,
            generation: domain.generation,
            thing: Reported::Machine {
                id: machine,
                outcome: Outcome::Stopped { boot_epoch: domain.boot_epoch, cause },
            },
        })
    }
}

impl Domain {
    fn forget_reports(&mut self) {
        self.snapshots.clear();
        self.tickets.clear();
        self.told = false;
    }

    fn be(&mut self, spec: &MachineSpec) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        match &spec.task {
            Some(FileTask::Copying { .. }) => outcomes.push(Outcome::Copied),
            Some(FileTask::Importing { medium, .. }) => {
                assert_eq!(medium.kind, Kind::Disk, "only a disk becomes a version");
                outcomes.push(Outcome::Sealed { stat: STAT });
            }
            Some(FileTask::Sealing { .. }) => {
                assert!(!spec.disks.is_empty(), "a disk becomes the version");
                outcomes.push(Outcome::Sealed { stat: STAT });
            }
            // It has nothing else to do meanwhile.
            Some(FileTask::Migrating { .. }) => return outcomes,
            None => {}
        }
        self.power(spec, &mut outcomes);
        self.snapshots(spec, &mut outcomes);
        self.tickets(spec, &mut outcomes);
        outcomes.push(Outcome::Applied);
        outcomes
    }

    fn power(&mut self, spec: &MachineSpec, outcomes: &mut Vec<Outcome>) {
        match spec.power {
            PowerSpec::On { boot_epoch, .. } => {
                if boot_epoch > self.boot_epoch {
                    self.boot_epoch = boot_epoch;
                    self.running = true;
                    self.paused = false;
                    self.told = false;
                }
                if self.running && self.paused {
                    self.paused = false;
                    outcomes.push(Outcome::Resumed);
                }
                self.tell(spec, outcomes);
            }
            // Some of the domains that were there before run.
            PowerSpec::AsFound => {
                self.running |= !self.told && spec.identity.uuid.as_bytes()[0] % 2 == 1;
                self.tell(spec, outcomes);
            }
            PowerSpec::Suspended { .. } => {
                if self.running && !self.paused {
                    self.paused = true;
                    outcomes.push(Outcome::Paused { reason: PauseReason::Command });
                }
            }
            PowerSpec::Off { .. } => {
                if self.running {
                    self.running = false;
                    self.told = false;
                }
                self.tell(spec, outcomes);
            }
        }
    }

    /// It is on, and stays so as it is.
    fn runs_on(&self, spec: &MachineSpec) -> bool {
        let stays = match spec.power {
            PowerSpec::On { boot_epoch, restart } => {
                restart.is_some() || boot_epoch <= self.boot_epoch
            }
            PowerSpec::Suspended { .. } | PowerSpec::AsFound => true,
            PowerSpec::Off { .. } => false,
        };
        self.running && stays
    }

    fn tell(&mut self, spec: &MachineSpec, outcomes: &mut Vec<Outcome>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let boot_epoch = self.boot_epoch;
        if !self.running {
            outcomes.push(Outcome::Stopped { boot_epoch, cause: StopCause::Command });
            return;
        }
        outcomes.push(Outcome::Started { boot_epoch });
        outcomes.push(match &spec.first_boot {
            Some(_) => Outcome::FirstBootEnded { boot_epoch },
            None => Outcome::Ready { boot_epoch },
        });
    }

    fn snapshots(&mut self, spec: &MachineSpec, outcomes: &mut Vec<Outcome>) {
        for it in &spec.snapshots {
            let snapshot = it.id;
            match it.shall {
                SnapshotShall::BeThere | SnapshotShall::BeThereQuiesced => {
                    if self.snapshots.insert(snapshot) {
                        outcomes.push(Outcome::SnapshotTaken { snapshot });
                    }
                }
                SnapshotShall::BeRevertedTo => {
                    outcomes.push(Outcome::SnapshotReverted { snapshot });
                }
                SnapshotShall::BeGone => {
                    self.snapshots.remove(&snapshot);
                    outcomes.push(Outcome::SnapshotDeleted { snapshot });
                }
            }
        }
    }

    fn tickets(&mut self, spec: &MachineSpec, outcomes: &mut Vec<Outcome>) {
        for ticket in &spec.tickets {
            let (session, number) = (ticket.session, ticket.number);
            let may = ticket.arm && self.running;
            if may && self.tickets.insert(session, number) != Some(number) {
                let ports = Default::default();
                outcomes.push(Outcome::DisplayArmed { session, ticket: number, ports });
            }
        }
    }
}

/// Nothing here changes a file.
pub(crate) const STAT: Stat = Stat { size_bytes: 8 << 30, modified: BEGINNING, inode: 1 };
/// The same for all files of a version, as it would be.
const CONTENT: Digest = Digest([5; 32]);

fn files(spec: &ImageSpec) -> Vec<image::Outcome> {
    let digest = spec.digest.unwrap_or(CONTENT);
    let verified = spec.verify.first().map(|_| image::Outcome::Verified { digest });
    let made = spec.make.iter().map(|new| image::Outcome::FileMade {
        file: new.file.file,
        digest,
        stat: STAT,
    });
    let removed = spec.remove.iter().map(|old| image::Outcome::FileRemoved { file: old.file.file });
    verified.into_iter().chain(made).chain(removed).collect()
}
