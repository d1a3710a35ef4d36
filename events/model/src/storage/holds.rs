//! Who needs a storage.

use super::rejection::Rejection as Refused;
use super::{Role, Storage};
use crate::fleet::Fleet;
use crate::ids::{HypervisorId, StorageId};
use crate::image::{FileState, Image, ImageName};
use crate::machine::Machine;

/// Nothing of the kind is there. Looks at every machine or version, which is done so rarely that an
/// index would cost more.
pub(super) fn nothing(fleet: &Fleet, storage: &Storage, role: Role) -> Result<(), Refused> {
    let holder = match role {
        Role::Images => {
            image_on(fleet, storage.id).map(|image| ImageName::of(fleet, image).to_string())
        }
        Role::Disks => machine_with(fleet, |machine| has_disk(machine, storage.id)),
        Role::Volatile => machine_with(fleet, |machine| has_throwaway(machine, storage.id)),
        Role::Media => {
            let media = fleet.media.iter().find(|(_, media)| media.storage == storage.id);
            media.map(|(_, media)| media.name.to_string())
        }
    };
    holder.map_or(Ok(()), |of| {
        Err(Refused::StillHolds { storage: storage.name.clone(), files: word(role), of })
    })
}

/// Nothing that a host is responsible for has files there.
pub(super) fn nothing_for(
    fleet: &Fleet,
    storage: &Storage,
    host: HypervisorId,
) -> Result<(), Refused> {
    let machine = fleet
        .machines_on(host)
        .filter_map(|id| fleet.machines.get(id))
        .find(|machine| needs(fleet, machine, storage.id))
        .map(|machine| machine.name.to_string());
    let made = || {
        let making = FileState::Making { hypervisor: Some(host) };
        let is_made = |image: &Image| {
            image.files.iter().any(|file| file.storage == storage.id && file.state == making)
        };
        let image = fleet.images.iter().find(|(_, image)| is_made(image));
        image.map(|(_, image)| ImageName::of(fleet, image).to_string())
    };
    machine.or_else(made).map_or(Ok(()), |what| {
        let host = fleet.hypervisors.get(host).map(|host| host.name.clone());
        let host = host.unwrap_or_else(|| storage.name.clone());
        Err(Refused::HostNeedsStorage { storage: storage.name.clone(), host, what })
    })
}

/// Its disks, what they stand on, its throwaway overlay, or what is in its drive.
fn needs(fleet: &Fleet, machine: &Machine, storage: StorageId) -> bool {
    let stands_on = |image: &Image| image.files.iter().any(|file| file.storage == storage);
    has_disk(machine, storage)
        || has_throwaway(machine, storage)
        || machine.image().and_then(|image| fleet.images.get(image)).is_some_and(stands_on)
        || machine
            .media
            .iter()
            .any(|media| fleet.media.get(*media).is_some_and(|media| media.storage == storage))
}

fn has_disk(machine: &Machine, storage: StorageId) -> bool {
    machine.disks.iter().any(|disk| disk.storage == storage)
}

fn has_throwaway(machine: &Machine, storage: StorageId) -> bool {
    let reserved = machine.reserved.volatile.as_ref();
    machine.uses_host() && reserved.is_some_and(|volatile| volatile.storage == storage)
}

fn machine_with(fleet: &Fleet, wanted: impl Fn(&Machine) -> bool) -> Option<String> {
    let machine = fleet.machines.iter().find(|(_, machine)| wanted(machine));
    machine.map(|(_, machine)| machine.name.to_string())
}

fn image_on(fleet: &Fleet, storage: StorageId) -> Option<&Image> {
    let on = |image: &Image| image.files.iter().any(|file| file.storage == storage);
    fleet.images.iter().find(|(_, image)| on(image)).map(|(_, image)| image)
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Images => "images",
        Role::Disks => "disks",
        Role::Volatile => "throwaway overlays",
        Role::Media => "media",
    }
}
