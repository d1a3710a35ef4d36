//! What a site has on the storages of a host: by that a storage of before is known again, and a
//! mount that is missing is found out.

use std::path::PathBuf;

use carrel_driver::place::{Place, Root, machine_folder, version_file};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{HypervisorId, MachineId};

/// As far as the host has said that it is there.
pub(super) fn on(fleet: &Fleet, host: HypervisorId) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let storages = fleet.storages.iter().filter_map(|(id, storage)| {
        let root = Root { storage: id, path: storage.settings.hosts.get(&host)?.clone() };
        let versions = fleet.images.iter().flat_map(|(_, image)| {
            let files = image.files.iter().filter(|file| file.stat.is_some());
            let on_it = files.filter(|file| file.storage == id);
            on_it.filter_map(|file| {
                let number = (image.number, file.number);
                version_file(&root, image.initial, number, file.format)
            })
        });
        let machines = fleet.machines.iter().filter(|(_, machine)| machine.has_files);
        let disks = machines.flat_map(|(machine, it)| it.disks.iter().map(move |it| (machine, it)));
        let disks = disks.filter(|(_, disk)| disk.storage == id);
        let disks = disks.filter_map(|(machine, disk)| match disk.file.as_deref() {
            // It was there before Carrel.
            Some(found) => Some(Place { root: root.clone(), file: found.path.clone() }),
            None => Place::new(&root, &folder(machine)),
        });
        let files = versions.chain(disks).map(|place| place.path().into()).collect();
        Some((PathBuf::from(root.path.as_str()), files))
    });
    storages.collect()
}

fn folder(machine: MachineId) -> String {
    machine_folder(machine).trim_end_matches('/').to_owned()
}
