//! Where files lie: everything follows from ids and from which of a thing's files it is.
//!
//! ```text
//!   <storage>/machines/<machine>/<disk>-<overlay generation>.qcow2     what a guest writes
//!                               /<snapshot>.<disk>.qcow2               what it had written then
//!                               /config.iso                            what it is told of itself
//!                               /firmware.nvram                        what its firmware keeps
//!            /images/<initial>/<version>-<file>.qcow2                  never written again
//!            /throwaway/<machine>/<disk>-<boot epoch>.qcow2            gone with the power
//!            /media/<medium>.iso
//! ```
//!
//! But for disks that were there before Carrel: those have names of their own. What the firmware of
//! a guest keeps whose first disk is thrown away goes with that.

use std::fmt;

use carrel_model::ids::{DiskId, MachineId, SnapshotId, StorageId};
use carrel_model::machine::Format;
use carrel_model::media::Kind;
use carrel_model::name::{FilePath, HostPath};
use carrel_model::work::{DiskSpec, ImageFile, MediumSpec, Throwaway};
use serde::{Deserialize, Serialize};

/// A storage, and where this host has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Root {
    pub storage: StorageId,
    pub path: HostPath,
}

/// A file on a storage.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub root: Root,
    pub file: FilePath,
}

impl Place {
    /// Nothing if the path is none, which ids and numbers never make.
    pub fn new(root: &Root, file: &str) -> Option<Self> {
        Some(Self { root: root.clone(), file: FilePath::new(file).ok()? })
    }

    /// Without its folder.
    pub fn name(&self) -> &str {
        let file = self.file.as_str();
        file.rsplit_once('/').map_or(file, |(_, name)| name)
    }

    /// As the host knows it.
    pub fn path(&self) -> String {
        format!("{}/{}", self.root.path.as_str().trim_end_matches('/'), self.file)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path.as_str())
    }
}

const fn ending(format: Format) -> &'static str {
    match format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
    }
}

fn root(storage: StorageId, path: Option<&HostPath>) -> Option<Root> {
    Some(Root { storage, path: path?.clone() })
}

/// Where a storage is for its disk. Nothing: this host doesn't see it.
pub fn root_of(disk: &DiskSpec) -> Option<Root> {
    root(disk.storage, disk.path.as_ref())
}

/// Everything in there is the machine's.
pub fn machine_folder(machine: MachineId) -> String {
    format!("machines/{machine}/")
}

/// The same of what is thrown away.
pub fn throwaway_folder(machine: MachineId) -> String {
    format!("throwaway/{machine}/")
}

/// What stands in a machine's folder beside its disks, and stays there for as long as it lives.
const BESIDE_DISKS: [&str; 2] = [CONFIG_DISC, FIRMWARE];
const CONFIG_DISC: &str = "config.iso";
const FIRMWARE: &str = "firmware.nvram";

/// The CD by which a guest learns who it is, on the storage of its first disk.
pub fn config_disc(machine: MachineId, disk: &Place) -> Option<Place> {
    Place::new(&disk.root, &format!("{}{CONFIG_DISC}", machine_folder(machine)))
}

/// Whether it is that CD, on whichever storage.
pub fn is_config_disc(machine: MachineId, path: &str) -> bool {
    let folder = path.strip_suffix(CONFIG_DISC);
    folder.is_some_and(|it| it.ends_with(&format!("/{}", machine_folder(machine))))
}

/// What a guest's firmware keeps goes with its first disk: thrown away with that if that is.
pub fn firmware_file(machine: MachineId, disk: &Place, is_thrown_away: bool) -> Option<Place> {
    let folder = if is_thrown_away { throwaway_folder(machine) } else { machine_folder(machine) };
    Place::new(&disk.root, &format!("{folder}{FIRMWARE}"))
}

/// Whether it is none of a machine's disks.
pub fn is_beside_disks(machine: MachineId, place: &Place) -> bool {
    let name = place.file.as_str().strip_prefix(&machine_folder(machine));
    name.is_some_and(|name| BESIDE_DISKS.contains(&name))
}

pub fn disk_file(machine: MachineId, disk: &DiskSpec) -> Option<Place> {
    let root = root_of(disk)?;
    if let Some(found) = &disk.file {
        return Some(Place { root, file: found.path.clone() });
    }
    let (id, number) = (disk.id, disk.overlay_generation);
    let ending = ending(disk.format);
    Place::new(&root, &format!("{}{id}-{number}.{ending}", machine_folder(machine)))
}

/// What a disk held when the snapshot was taken.
pub fn snapshot_file(machine: MachineId, disk: &DiskSpec, snapshot: SnapshotId) -> Option<Place> {
    let name = format!("{}{snapshot}.{}.qcow2", machine_folder(machine), disk.id);
    Place::new(&root_of(disk)?, &name)
}

pub fn throwaway_file(
    machine: MachineId,
    disk: DiskId,
    of: &Throwaway,
    boot_epoch: u64,
) -> Option<Place> {
    let root = root(of.storage, of.path.as_ref())?;
    Place::new(&root, &format!("{}{disk}-{boot_epoch}.qcow2", throwaway_folder(machine)))
}

pub fn image_file(file: &ImageFile) -> Option<Place> {
    let root = root(file.storage, file.path.as_ref())?;
    version_file(&root, file.initial, (file.version, file.file), file.format)
}

/// The file that sealing makes is a version's first.
pub const FIRST_FILE: u16 = 0;

pub fn version_file(
    root: &Root,
    initial: MachineId,
    (version, file): (u32, u16),
    format: Format,
) -> Option<Place> {
    Place::new(root, &format!("images/{initial}/{version}-{file}.{}", ending(format)))
}

/// Nothing: this host doesn't see it, and fetches it.
pub fn medium_file(medium: &MediumSpec) -> Option<Place> {
    let root = root(medium.storage, medium.path.as_ref())?;
    let ending = match medium.kind {
        Kind::Iso => "iso",
        Kind::Drivers | Kind::Disk => ending(medium.format),
    };
    Place::new(&root, &format!("media/{}.{ending}", medium.medium))
}
