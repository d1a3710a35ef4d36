//! Where files lie: everything follows from ids and from which of a thing's files it is.
//!
//! ```text
//!   <storage>/machines/<machine>/<disk>-<overlay generation>.qcow2     what a guest writes
//!                               /<snapshot>.<disk>.qcow2               what it had written then
//!                               /config.iso                            what it is told of itself
//!                               /adopted.xml                           how others have defined it
//!                               /firmware.nvram                        what its firmware keeps
//!                               /firmware.of                           with which of its disks
//!                               /<disk>-<overlay generation>.nvram     what it kept with that one
//!                                                           .tpm       and its TPM
//!                               /<snapshot>.<disk>.nvram, .tpm         and with that snapshot
//!            /images/<initial>/<version>-<file>.qcow2                  never written again
//!            /throwaway/<machine>/<disk>-<boot epoch>.qcow2            gone with the power
//!            /media/<medium>.iso                                    or ends as its format does
//! ```
//!
//! But for disks that were there before Carrel: those have names of their own.

use std::fmt;

use carrel_model::ids::{DiskId, FromUuid, MachineId, MediaId, SnapshotId, StorageId};
use carrel_model::machine::Format;
use carrel_model::media::{Format as MediumFormat, Kind};
use carrel_model::name::{FilePath, HostPath};
use carrel_model::work::{DiskSpec, ImageFile, MediumSpec, Throwaway};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
const BESIDE_DISKS: [&str; 4] = [ADOPTED, CONFIG_DISC, FIRMWARE, FIRMWARE_OF];
pub const ADOPTED: &str = "adopted.xml";
const CONFIG_DISC: &str = "config.iso";
pub const FIRMWARE: &str = "firmware.nvram";
pub const FIRMWARE_OF: &str = "firmware.of";

/// What is kept of a guest beside its first disk, as the endings of files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The variables of its firmware.
    Firmware,
    Tpm,
}

impl Beside {
    pub const ALL: [Self; 2] = [Self::Firmware, Self::Tpm];

    const fn ending(self) -> &'static str {
        match self {
            Self::Firmware => "nvram",
            Self::Tpm => "tpm",
        }
    }
}

/// The CD by which a guest learns who it is, on the storage of its first disk.
pub fn config_disc(machine: MachineId, disk: &Place) -> Option<Place> {
    Place::new(&disk.root, &format!("{}{CONFIG_DISC}", machine_folder(machine)))
}

/// Whether it is that CD, on whichever storage.
pub fn is_config_disc(machine: MachineId, path: &str) -> bool {
    let folder = path.strip_suffix(CONFIG_DISC);
    folder.is_some_and(|it| it.ends_with(&format!("/{}", machine_folder(machine))))
}

/// How somebody else has defined it, while no host has it.
pub fn adopted_file(machine: MachineId, disk: &Place) -> Option<Place> {
    Place::new(&disk.root, &format!("{}{ADOPTED}", machine_folder(machine)))
}

/// What a guest's firmware keeps while it runs, on the storage of its first disk.
pub fn firmware_file(machine: MachineId, disk: &Place) -> Option<Place> {
    Place::new(&disk.root, &format!("{}{FIRMWARE}", machine_folder(machine)))
}

/// With which disk it was kept, and the TPM with it.
pub fn firmware_of_file(machine: MachineId, disk: &Place) -> Option<Place> {
    Place::new(&disk.root, &format!("{}{FIRMWARE_OF}", machine_folder(machine)))
}

/// What was kept with a disk or with a snapshot, in the machine's folder wherever that disk is.
pub fn beside_file(machine: MachineId, disk: &Place, what: Beside) -> Option<Place> {
    let name = beside_name(stem(disk), what);
    Place::new(&disk.root, &format!("{}{name}", machine_folder(machine)))
}

/// In the machine's folder, by the name of the disk's file without its ending.
pub fn beside_name(disk: &str, what: Beside) -> String {
    format!("{disk}.{}", what.ending())
}

/// A file's name without its ending.
pub fn stem(place: &Place) -> &str {
    let name = place.file.as_str().rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Whether a file is what was kept with one of these disks.
pub fn is_kept_with(machine: MachineId, place: &Place, disks: &[Place]) -> bool {
    let folder = machine_folder(machine);
    let name = place.file.as_str().strip_prefix(&folder);
    let is_kept = name
        .and_then(|name| name.rsplit_once('.'))
        .is_some_and(|(_, ending)| Beside::ALL.iter().any(|what| what.ending() == ending));
    is_kept && disks.iter().any(|disk| stem(disk) == stem(place))
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
    medium_named(&root, medium.medium, (medium.kind, medium.format))
}

/// In there is what was uploaded, and nothing else.
pub const MEDIA_FOLDER: &str = "media";
const MEDIUM_ENDINGS: [&str; 6] = ["iso", "raw", "qcow2", "vmdk", "vhd", "vhdx"];

/// A medium of this kind, in this format.
pub fn medium_named(
    root: &Root,
    medium: MediaId,
    (kind, format): (Kind, MediumFormat),
) -> Option<Place> {
    let ending = match (kind, format) {
        (Kind::Iso, _) => "iso",
        (Kind::Drivers | Kind::Disk, MediumFormat::Raw) => "raw",
        (Kind::Drivers | Kind::Disk, MediumFormat::Qcow2) => "qcow2",
        (Kind::Drivers | Kind::Disk, MediumFormat::Vmdk) => "vmdk",
        (Kind::Drivers | Kind::Disk, MediumFormat::Vhd) => "vhd",
        (Kind::Drivers | Kind::Disk, MediumFormat::Vhdx) => "vhdx",
    };
    Place::new(root, &format!("{MEDIA_FOLDER}/{medium}.{ending}"))
}

/// Whose file it is, by the name that media have.
pub fn medium_of(path: &str) -> Option<MediaId> {
    let (folder, name) = path.rsplit_once('/')?;
    let (id, ending) = name.split_once('.')?;
    let is_media = folder.rsplit('/').next() == Some(MEDIA_FOLDER);
    let medium = Uuid::try_parse(id).ok().map(MediaId::from_uuid)?;
    // An id can be written in several ways, of which one is a name.
    let is_named = medium.to_string() == id && MEDIUM_ENDINGS.contains(&ending);
    (is_media && is_named).then_some(medium)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_medium_is_known_by_the_name_that_it_has() {
        let uuid = Uuid::from_u128(0xabc);
        let (id, path) = (MediaId::from_uuid(uuid), HostPath::new("/srv").expect("a path"));
        let root = Root { storage: StorageId::from_uuid(uuid), path };
        let formats = [
            MediumFormat::Raw,
            MediumFormat::Qcow2,
            MediumFormat::Vmdk,
            MediumFormat::Vhd,
            MediumFormat::Vhdx,
        ];
        for kind in [Kind::Iso, Kind::Drivers, Kind::Disk] {
            for format in formats {
                let place = medium_named(&root, id, (kind, format)).expect("a place");
                assert_eq!(medium_of(&place.path()), Some(id), "{place}");
            }
        }
        for other in [
            format!("/srv/else/{id}.iso"),
            format!("/srv/xmedia/{id}.iso"),
            format!("/srv/media/{id}.iso.part"),
            format!("/srv/media/{}.iso", uuid.simple()),
            "/srv/media/else.iso".to_owned(),
        ] {
            assert_eq!(medium_of(&other), None, "{other}");
        }
    }
}
