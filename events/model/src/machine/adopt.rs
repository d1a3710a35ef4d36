//! A domain that was there before Carrel becomes a machine.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::draft::{Draft, NETWORKS_MAX, changed};
use super::new::{DISKS_MAX, Platform, hostname, serial};
use super::rejection::Rejection as Refused;
use super::{
    Created, Disk, DiskRole, DiskSource, Format, Identity, Kind, Machine, Reservation, Rest,
    Settings,
};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::hypervisor::Hypervisor;
use crate::ids::{DiskId, HypervisorId, MachineId, StorageId};
use crate::mac::Mac;
use crate::name::{FilePath, Hostname, Name, PlatformName};
use crate::reference::{Patch, Ref};
use crate::rejection::{Rejection, general};
use crate::storage::{OWN_FOLDERS, Storage};
use crate::template::check_disk;
use crate::text::Text;
use crate::version::latest::machine::{FoundFile, Placed, Placement, StartRequested};

/// The deepest chain that anybody should have.
const BACKING_MAX: usize = 16;

/// A disk of the domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptedDisk {
    pub storage: Ref<StorageId>,
    /// Where its file is below the storage's path. It stays there.
    pub file: FilePath,
    /// The files that it stands on, the nearest first, as `qemu-img info --backing-chain` shows
    /// them: all in the same storage. They stay what they are, and can be no machine's disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backing: Vec<FilePath>,
    /// How the file holds the disk. It is not guessed.
    pub format: Format,
    pub size_gib: u32,
}

/// Makes a domain that a host has already a machine of the kind `simple`, as it is. Its host keeps
/// its files where they are, and says whether it runs. If it does, it goes on running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptMachine {
    pub hypervisor: Ref<HypervisorId>,
    /// The machine's name from now on.
    pub name: Name,
    /// The domain's UUID, as `virsh domuuid` shows it.
    pub uuid: Uuid,
    /// Of its first network card.
    pub mac: Mac,
    /// Of further ones, in turn, as far as they are to keep theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_macs: Vec<Mac>,
    /// What its guest calls itself; made from the name if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<PlatformName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<PlatformName>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// The first is the system disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<AdoptedDisk>,
}

impl Decide for AdoptMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (host, adopting) = deciding.find::<Hypervisor>(&self.hypervisor)?;
        if deciding.fleet.is_silent(host) {
            let (machine, host) = (self.name.clone(), adopting.name.clone());
            return Err(Refused::HostSilent { machine, host }.into());
        }
        deciding.name_is_free::<MachineId>(self.name.as_str(), None)?;
        self.is_not_known(deciding)?;
        let settings = changed(deciding, &self.settings, &Settings::default())?;
        let created = Created {
            name: self.name.clone(),
            kind: Kind::Simple,
            identity: self.identity(),
            disks: self.disks(deciding, host)?,
            settings: Some(settings),
            adopted_from: Some(host),
        };
        let id: MachineId = deciding.fresh();
        deciding.fact(id, Fact::Created(created));
        Ok(())
    }
}

impl AdoptMachine {
    /// Adopting is rare, so all machines may be looked at for the UUID.
    fn is_not_known(&self, deciding: &Deciding<'_>) -> Result<(), Rejection> {
        let most = NETWORKS_MAX - 1;
        if self.further_macs.len() > most {
            let given = self.further_macs.len();
            return Err(general::Rejection::TooMany { given, most }.into());
        }
        let fleet = &deciding.fleet;
        let own: BTreeSet<Mac> = self.further_macs.iter().copied().chain([self.mac]).collect();
        let twice = own.len() <= self.further_macs.len();
        let of_a_mac = own.iter().find_map(|mac| fleet.index.macs.get(mac));
        let of_a_mac = of_a_mac.and_then(|id| fleet.machines.get(*id));
        let mut machines = fleet.machines.iter().map(|(_, machine)| machine);
        let known = of_a_mac.or_else(|| machines.find(|it| it.identity.uuid == self.uuid));
        match known.map(|it| &it.name).or(twice.then_some(&self.name)) {
            Some(machine) => Err(Refused::AlreadyKnown { machine: machine.clone() }.into()),
            None => Ok(()),
        }
    }

    fn identity(&self) -> Identity {
        let platform = Platform::default();
        Identity {
            uuid: self.uuid,
            mac: self.mac,
            further_macs: self.further_macs.clone().into(),
            serial: serial(self.uuid),
            hostname: self.hostname.clone().unwrap_or_else(|| hostname(&self.name)),
            machine_type: self.machine_type.clone().unwrap_or(platform.machine_type),
            cpu_model: self.cpu_model.clone().unwrap_or(platform.cpu_model),
        }
    }

    /// They are there already, so it doesn't matter how much room is left.
    fn disks(
        &self,
        deciding: &mut Deciding<'_>,
        host: HypervisorId,
    ) -> Result<Vec<Disk>, Rejection> {
        if self.disks.len() > DISKS_MAX {
            let (given, most) = (self.disks.len(), DISKS_MAX);
            return Err(general::Rejection::TooMany { given, most }.into());
        }
        let mut disks = Vec::with_capacity(self.disks.len());
        for (at, disk) in self.disks.iter().enumerate() {
            check_disk(disk.size_gib)?;
            let (id, storage) = deciding.find::<Storage>(&disk.storage)?;
            if !storage.settings.hosts.contains_key(&host) {
                let (storage, why) = (storage.name.clone(), "the domain's host doesn't see it");
                return Err(Refused::WrongStorage { storage, why }.into());
            }
            self.has_its_files_to_itself(deciding, id, at)?;
            disks.push(Disk {
                id: deciding.fresh::<DiskId>(),
                role: if at == 0 { DiskRole::System } else { DiskRole::Data },
                storage: id,
                source: DiskSource::Blank,
                size_gib: disk.size_gib,
                overlay_generation: 0,
                format: disk.format,
                file: Some(Box::new(disk.found())),
            });
        }
        Ok(disks)
    }

    /// Two machines that write one file would ruin it, and so would one that writes what another's
    /// file stands on. Many files may stand on one.
    fn has_its_files_to_itself(
        &self,
        deciding: &Deciding<'_>,
        storage: StorageId,
        at: usize,
    ) -> Result<(), Rejection> {
        let Some(disk) = self.disks.get(at) else { return Ok(()) };
        disk.check_backing()?;
        disk.is_not_ours()?;
        let found = disk.found();
        let clashing = |disk: &Disk| {
            let file = disk.file.as_deref().filter(|_| disk.storage == storage);
            file.and_then(|file| clash(&found, file).cloned())
        };
        let mut machines = deciding.fleet.machines.iter().map(|(_, machine)| machine);
        let other = machines.find_map(|machine| {
            let file = machine.disks.iter().find_map(clashing)?;
            Some((file, machine.name.clone()))
        });
        let same_storage = |disk: &&AdoptedDisk| {
            deciding.find::<Storage>(&disk.storage).is_ok_and(|it| it.0 == storage)
        };
        let mut before = self.disks.iter().take(at).filter(same_storage);
        let own = || {
            let file = before.find_map(|it| clash(&found, &it.found()).cloned())?;
            Some((file, self.name.clone()))
        };
        match other.or_else(own) {
            Some((file, machine)) => Err(Refused::FileTaken { file, machine }.into()),
            None => Ok(()),
        }
    }
}

impl AdoptedDisk {
    fn found(&self) -> FoundFile {
        FoundFile { path: self.file.clone(), backing: self.backing.clone() }
    }

    /// Whatever else a file there is, one machine's delete would take it from another.
    fn is_not_ours(&self) -> Result<(), Rejection> {
        let ours = |file: &&FilePath| {
            let folder = file.as_str().split_once('/').map_or("", |(folder, _)| folder);
            OWN_FOLDERS.contains(&folder)
        };
        match self.backing.iter().chain([&self.file]).find(ours) {
            Some(file) => Err(Refused::OwnFile { file: file.clone() }.into()),
            None => Ok(()),
        }
    }

    fn check_backing(&self) -> Result<(), Rejection> {
        let given = self.backing.len();
        if given > BACKING_MAX {
            return Err(general::Rejection::TooMany { given, most: BACKING_MAX }.into());
        }
        if given > 0 && self.format == Format::Raw {
            return Err(Refused::RawStandsAlone { file: self.file.clone() }.into());
        }
        if self.backing.contains(&self.file) {
            return Err(Refused::StandsOnItself { file: self.file.clone() }.into());
        }
        Ok(())
    }
}

/// A file that one writes and the other writes or stands on.
fn clash<'a>(one: &'a FoundFile, other: &'a FoundFile) -> Option<&'a FilePath> {
    if one.path == other.path || other.backing.contains(&one.path) {
        return Some(&one.path);
    }
    one.backing.contains(&other.path).then_some(&other.path)
}

/// Its host says that it runs. What it needs there it has already, so nothing is asked of the host,
/// but it counts. It goes on in the epoch in which it was found, so that nothing starts it again.
pub(super) fn keep_running(deciding: &mut Deciding<'_>, machine: &Machine) {
    let Some(host) = machine.place else { return };
    let hardware = &machine.settings.hardware;
    let reserved = Reservation {
        memory_mib: hardware.memory_mib.into(),
        vcpus: hardware.cpu.vcpus(),
        counters: hardware.counters.clone(),
        volatile: None,
    };
    let placement = Placement {
        policy: crate::placement::adopted(),
        chosen_for: Text::new("it runs there already").unwrap_or_default(),
        considered: 1,
        refused: Default::default(),
    };
    deciding.fact(machine.id, Fact::Placed(Placed { hypervisor: host, reserved, placement }));
    let boot_epoch = machine.power.boot_epoch;
    let start = StartRequested { boot_epoch, deadline: None, persistent_once: false };
    deciding.fact(machine.id, Fact::StartRequested(start));
}

impl Machine {
    /// It was a domain before, and nobody has asked anything of its power yet. Its host is told
    /// nothing about it, so that nothing is cut off that runs.
    pub fn is_as_found(&self) -> bool {
        self.adopted_from.is_some() && self.power.since == AS_FOUND
    }

    /// Its host has yet to say whether it runs.
    pub(crate) fn may_run_unseen(&self) -> bool {
        self.is_as_found() && self.power.rest == Rest::Presumed
    }
}

/// The generation of what is wished of the power of a machine that was just made.
const AS_FOUND: u64 = 1;
