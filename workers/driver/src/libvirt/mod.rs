//! A real host: libvirt runs the machines, and qemu-img works on their files.
//!
//! ```text
//!   LibvirtHost: Hypervisor
//!        |
//!        +-- describe   a definition becomes a domain; disk_io: how its files are opened
//!        +-- adopted    one that others have written stays as it is, but for little
//!        +-- config     and a CD by which its guest learns who it is
//!        +-- kept       what its firmware and its TPM keep, which belongs to its disk
//!        +-- files      steps on files, by carrel-images
//!        +-- storages   whether one is mounted before anything is put there
//!        +-- power      steps on domains, by carrel-libvirt
//!        +-- people     whose ticket is armed, who looks, and who has logged off
//!        |     tickets, logins: what follows from what was seen
//!        +-- see        what there is becomes what a worker knows
//!        +-- foreign    domains of others
//!        +-- space      what machines take on their storages
//!        +-- rounds     what takes a guest or its QEMU to answer, in the background
//!        +-- ears       what libvirt tells, so that nobody has to wait for the next look
//! ```
//!
//! What outlives this process stands in the domain's metadata and in files: of tickets, who came
//! in last by each display. Which ticket was armed and not used does not. The displays of a domain
//! that was running before are closed soon after it is first listed, so that such a ticket lets
//! nobody in any more: one that was said to be armed is never armed again and expires in its time,
//! any other is armed by whoever wants it. Whoever looks there stays.

mod adopted;
mod config;
mod describe;
mod disk_io;
mod ears;
mod files;
mod foreign;
mod kept;
mod logins;
mod people;
mod power;
mod probes;
mod rounds;
mod see;
mod space;
mod storages;
mod tickets;

use std::fmt::{self, Debug};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_domain::{HostFile, Listen, Virtualization};
use carrel_images::Images;
use carrel_libvirt::{DiskError, Host, Target};
use carrel_model::contract::{Guest, Taken};
use carrel_model::foreign::ForeignDomain;
use carrel_model::ids::MachineId;
use carrel_model::name::HostPath;
use carrel_model::text::Text;
use carrel_model::work::Thing;

use self::ears::Ears;
use self::people::People;
use self::rounds::{Between, Rounds};
pub use self::storages::{Storages, Unready, make_folder};
use crate::cancel::Cancel;
use crate::hypervisor::{Advance, Doing, Hypervisor, Listener, Look};
use crate::place::Root;
use crate::seen::{Listing, Seen};
use crate::step::{Done, Step};
use crate::told::Told;
use crate::trouble::{Hope, Trouble};

/// Once released it stays the same.
const SNAPSHOT_WHILE_ON: &str = "snapshot_while_on";
const ONLY_WHILE_OFF: &str = "this host takes snapshots of machines that are off: shut it down, \
                              and take it then";

/// Seconds since 1970.
pub type Clock = dyn Fn() -> u64 + Send + Sync;

/// What is true of a host and of all domains on it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Found out by trying, not by what the host says of itself.
    pub virtualization: Virtualization,
    pub emulator: HostFile,
    pub uefi: Option<Uefi>,
    pub uefi_secure: Option<Uefi>,
    pub spice: Listen,
    /// Where guests' consoles are written to, a file each.
    pub consoles: PathBuf,
    /// Where libvirt keeps what TPMs hold, by the UUIDs of their domains.
    pub tpms: PathBuf,
    /// By which other hosts' libvirtds are reached: `tls` between hosts that know each other.
    pub transport: String,
}

/// Firmware that is on the host.
#[derive(Clone, Debug)]
pub struct Uefi {
    pub loader: HostFile,
    pub template: HostFile,
}

pub struct LibvirtHost {
    host: Arc<Host>,
    images: Arc<Images>,
    storages: Arc<Storages>,
    facts: Facts,
    people: Arc<People>,
    rounds: Rounds,
    clock: Arc<Clock>,
    told: Told,
    _ears: Ears,
}

impl Debug for LibvirtHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LibvirtHost").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl LibvirtHost {
    /// # Errors
    ///
    /// libvirt's events can't be heard, or there are no threads.
    pub fn new(
        host: Arc<Host>,
        images: impl Into<Arc<Images>>,
        facts: Facts,
        clock: Box<Clock>,
    ) -> Result<Self, Trouble> {
        let (people, told, clock) = (Arc::<People>::default(), Told::default(), Arc::from(clock));
        let between = Between {
            host: Arc::clone(&host),
            people: Arc::clone(&people),
            told: told.clone(),
            clock: Arc::clone(&clock),
        };
        let rounds = Rounds::new(&between)?;
        let ears = Ears::new(host.watch()?, rounds.asking(), told.clone())?;
        let (images, storages) = (images.into(), Arc::default());
        Ok(Self { host, images, storages, facts, people, rounds, clock, told, _ears: ears })
    }

    /// What is known of storages that were used before.
    #[must_use]
    pub fn on(mut self, storages: Arc<Storages>) -> Self {
        self.storages = storages;
        self
    }

    /// Nothing: it has no domain here.
    fn find(&self, machine: MachineId) -> Result<Option<Target>, Trouble> {
        let uuid = self.host.find_machine(machine.uuid())?;
        Ok(uuid.map(|uuid| Target { uuid, machine: machine.uuid() }))
    }

    fn is_on(&self, machine: MachineId) -> Result<bool, Trouble> {
        let Some(target) = self.find(machine)? else { return Ok(false) };
        Ok(self.host.observe(target.uuid)?.is_some_and(|observed| observed.state.is_on()))
    }

    fn why_it_stands(&self, error: &DiskError) -> Text {
        let file = error.file.as_deref();
        let free = file.and_then(|file| self.images.free_mib(Path::new(file).parent()?).ok());
        let file = file.unwrap_or(&error.device);
        Text::cut(&match (error.is_full, free) {
            (true, Some(free)) => {
                format!("{file} can't grow: its storage is full, with {free} MiB left for it")
            }
            (true, None) => format!("{file} can't grow: its storage is full"),
            (false, _) => format!(
                "{file} could not be read or written: the host's kernel log says why; ResumeMachine \
                 has the guest try again"
            ),
        })
    }

    fn target(&self, machine: MachineId) -> Result<Target, Trouble> {
        let found = self.find(machine)?;
        found.ok_or_else(|| Trouble::never("no_domain", "the machine has no domain here"))
    }
}

impl From<carrel_libvirt::Trouble> for Trouble {
    fn from(trouble: carrel_libvirt::Trouble) -> Self {
        let hope = match trouble.hope {
            carrel_libvirt::Hope::Never => Hope::Never,
            carrel_libvirt::Hope::Again => Hope::Again,
            carrel_libvirt::Hope::Unreachable => Hope::Unreachable,
        };
        Self::new(hope, trouble.code, &trouble.detail)
    }
}

impl From<carrel_images::Failed> for Trouble {
    fn from(failed: carrel_images::Failed) -> Self {
        let hope = match failed.hope() {
            carrel_images::Hope::Never => Hope::Never,
            carrel_images::Hope::Again => Hope::Again,
            carrel_images::Hope::Cancelled => return Self::cancelled(),
        };
        Self::new(hope, failed.code(), &failed.to_string())
    }
}

impl Hypervisor for LibvirtHost {
    fn observe(&self, look: &Look) -> Result<Seen, Trouble> {
        see::observe(self, look)
    }

    fn list(&self) -> Result<Listing, Trouble> {
        see::list(self)
    }

    fn step(
        &self,
        doing: &Doing,
        step: &Step,
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble> {
        if cancel.is_cancelled() {
            return Err(Trouble::cancelled());
        }
        for root in storages::written(step) {
            self.storages.ready(root.path.as_str().as_ref())?;
        }
        if let (Thing::Machine(machine), Step::TakeSnapshot { quiesced, disks, .. }) =
            (doing.thing, step)
        {
            if *quiesced && self.is_on(machine)? {
                return Err(Trouble::never(SNAPSHOT_WHILE_ON, ONLY_WHILE_OFF));
            }
            kept::snapshot(self, machine, disks)?;
        }
        if let (Thing::Machine(machine), Step::Resize { file, size_gib, .. }) = (doing.thing, step)
            && let Some(target) = self.find(machine)?
            && self.host.grow(target, &file.path(), files::bytes(*size_gib))?
        {
            return Ok(Done::So);
        }
        if let Some(done) = files::step(&self.images, step, (advance, cancel)) {
            let done = done?;
            if let (Thing::Machine(machine), Step::RevertSnapshot { disks, .. }) =
                (doing.thing, step)
            {
                kept::revert(self, machine, disks)?;
            }
            return Ok(done);
        }
        let Thing::Machine(machine) = doing.thing else {
            return Err(Trouble::never("no_machine", "only a machine has a domain"));
        };
        power::step(self, machine, step).map(|()| Done::So)
    }

    fn tells(&self, listener: Listener) {
        self.told.is(listener);
    }

    fn screenshot(&self, machine: MachineId) -> Result<Vec<u8>, Trouble> {
        Ok(self.host.screenshot(self.target(machine)?)?)
    }

    fn guest(&self, machine: MachineId) -> Result<Guest, Trouble> {
        let target = self.target(machine)?;
        let errors = self.host.disk_errors(target)?;
        if !errors.is_empty() {
            let disk_errors = errors.iter().map(|error| self.why_it_stands(error)).collect();
            return Ok(Guest { disk_errors, ..Guest::default() });
        }
        let said = self.host.inside(target)?;
        Ok(Guest {
            disk_errors: Vec::new(),
            agent: said.version.as_deref().map(Text::cut),
            hostname: said.hostname.as_deref().map(Text::cut),
            addresses: said.addresses,
            users: said.users.iter().map(|user| Text::cut(user)).collect(),
        })
    }

    fn foreign(&self) -> Result<Vec<ForeignDomain>, Trouble> {
        Ok(self.host.list_foreign()?.iter().map(foreign::told).collect())
    }

    fn taken(&self, machines: &[MachineId], storages: &[HostPath]) -> Result<Vec<Taken>, Trouble> {
        space::taken(machines, storages)
    }

    fn free_mib(&self, storage: &Root) -> Result<u64, Trouble> {
        Ok(self.images.free_mib(storage.path.as_str().as_ref())?)
    }
}
