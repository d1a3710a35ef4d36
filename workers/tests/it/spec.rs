//! Work, as short as can be.

use carrel_model::ids::{HypervisorId, ImageId, MachineId, SessionId, StorageId};
use carrel_model::work::{Shall, Thing};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const HOST: HypervisorId = HypervisorId::new(Uuid::from_u128(0xa1));
pub(crate) const OTHER: HypervisorId = HypervisorId::new(Uuid::from_u128(0xa2));
pub(crate) const STORAGE: StorageId = StorageId::new(Uuid::from_u128(0xb1));
pub(crate) const VOLATILE: StorageId = StorageId::new(Uuid::from_u128(0xb2));
pub(crate) const MACHINE: MachineId = MachineId::new(Uuid::from_u128(0xc1));
pub(crate) const INITIAL: MachineId = MachineId::new(Uuid::from_u128(0xc2));
pub(crate) const IMAGE: ImageId = ImageId::new(Uuid::from_u128(0xd1));
pub(crate) const SESSION: SessionId = SessionId::new(Uuid::from_u128(0xe1));

pub(crate) const fn machine(id: MachineId) -> Thing {
    Thing::Machine(id)
}

/// A blank system disk, the n-th file of it.
pub(crate) fn disk(overlay_generation: u32) -> Value {
    json!({
        "id": Uuid::from_u128(0xf1), "role": "system", "storage": STORAGE, "path": "/srv/disks",
        "overlay_generation": overlay_generation, "size_gib": 20, "format": "qcow2",
    })
}

/// A file of the image, which is the initial's.
pub(crate) fn image_file(file: u16, stat: Option<&Value>) -> Value {
    let mut it = json!({
        "image": IMAGE, "initial": INITIAL, "version": 1, "file": file, "storage": STORAGE,
        "path": "/srv/disks", "format": "qcow2", "depth": 1,
    });
    if let Some(stat) = stat {
        it["stat"] = stat.clone();
    }
    it
}

/// The same disk as an overlay.
pub(crate) fn overlay(overlay_generation: u32, on: &[Value]) -> Value {
    let mut disk = disk(overlay_generation);
    disk["backing"] = json!(on);
    disk
}

pub(crate) fn on(boot_epoch: u64) -> Value {
    json!({ "on": { "boot_epoch": boot_epoch } })
}

pub(crate) fn restart(boot_epoch: u64, manner: &str) -> Value {
    json!({ "on": { "boot_epoch": boot_epoch, "restart": manner } })
}

pub(crate) fn off(boot_epoch: u64, manner: &str) -> Value {
    json!({ "off": { "boot_epoch": boot_epoch, "manner": manner } })
}

/// A machine that shall be there, with whatever else is to be said of it.
pub(crate) fn present(power: &Value, disks: &[Value], with: &Value) -> Shall {
    let mut spec = json!({
        "name": "m",
        "identity": {
            "uuid": Uuid::from_u128(0x71), "mac": "52:54:00:00:00:01", "serial": "s",
            "hostname": "m-1", "machine_type": "q35", "cpu_model": "host-model",
        },
        "settings": {},
        "power": power,
        "disks": disks,
    });
    for (key, value) in with.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    Shall::Present(serde_json::from_value(spec).expect("a machine's work"))
}

pub(crate) fn files(spec: Value) -> Shall {
    Shall::Files(serde_json::from_value(spec).expect("an image's work"))
}

pub(crate) fn absent(disks: &[Value]) -> Shall {
    let disks = disks.iter().map(|disk| serde_json::from_value(disk.clone()).expect("a disk"));
    Shall::Absent { disks: disks.collect() }
}
