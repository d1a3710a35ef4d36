//! Small machines as a worker would have them defined: by an overlay on one file, with 64 MiB, a
//! SPICE and a VNC display, and everything else as it is by default.

use carrel_driver::{DefinedDisk, Definition, Doing, Place, Root, Step};
use carrel_model::ids::{DiskId, MachineId, StorageId};
use carrel_model::machine::Format;
use carrel_model::name::HostPath;
use carrel_model::work::Thing;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Host;
use crate::Failure;

pub(super) const DISK_GIB: u32 = 1;
const MEMORY_MIB: u32 = 64;
/// Far enough from those of others that nobody takes one for theirs.
const IDS: u128 = 0xca44_e100_0000_7000_8000_0000_0000_0000;
const UUIDS: u128 = 0xca44_e100_0000_4000_8000_0000_0000_0000;
const STORAGE: StorageId = StorageId::new(Uuid::from_u128(1));

pub(super) struct Machine {
    pub(super) id: MachineId,
    pub(super) name: String,
    pub(super) overlay: Place,
    pub(super) base: Place,
    number: u128,
}

/// The least that a machine has.
pub(super) fn hardware() -> Value {
    json!({
        "firmware": "bios", "memory_mib": MEMORY_MIB,
        "cpu": { "sockets": 1, "cores": 1, "threads": 1 },
    })
}

pub(super) fn root(host: &Host) -> Result<Root, Failure> {
    let path = host.storage.path().to_str().ok_or("the storage's path is not UTF-8")?;
    Ok(Root { storage: STORAGE, path: HostPath::new(path)? })
}

pub(super) fn place(root: &Root, file: &str) -> Result<Place, Failure> {
    Place::new(root, file).ok_or_else(|| format!("{file} is no path").into())
}

impl Machine {
    pub(super) fn new(root: &Root, number: usize, base: &Place) -> Result<Self, Failure> {
        let nth = u128::try_from(number)?;
        let id = MachineId::new(Uuid::from_u128(IDS + nth));
        let overlay = place(root, &format!("machines/{id}/{}-0.qcow2", disk(nth)))?;
        let name = format!("carrel-load-{number:03}");
        Ok(Self { id, name, overlay, base: base.clone(), number: nth })
    }

    pub(super) fn doing(&self) -> Doing {
        Doing { thing: Thing::Machine(self.id), generation: 1, boot_epoch: 1 }
    }

    pub(super) fn make_disk(&self) -> Step {
        Step::MakeDisk {
            file: self.overlay.clone(),
            format: Format::Qcow2,
            size_gib: DISK_GIB,
            on: Some((self.base.clone(), Format::Qcow2)),
        }
    }

    pub(super) fn define(&self) -> Result<Step, Failure> {
        let number = self.number;
        let identity = json!({
            "uuid": Uuid::from_u128(UUIDS + number), "mac": format!("52:54:00:00:00:{number:02x}"),
            "serial": format!("C-{number}"), "hostname": self.name,
            "machine_type": "q35", "cpu_model": "host-model",
        });
        Ok(Step::Define(Box::new(Definition {
            machine: self.id,
            name: self.name.parse()?,
            identity: serde_json::from_value(identity)?,
            generation: 1,
            boot_epoch: 1,
            settings: serde_json::from_value(json!({ "hardware": hardware() }))?,
            disks: vec![DefinedDisk {
                id: disk(number),
                file: self.overlay.clone(),
                format: Format::Qcow2,
                throwaway: None,
                below: None,
            }],
            system_disk: self.overlay.name().to_owned(),
            media: Vec::new(),
            networks: Vec::new(),
            display: Default::default(),
            properties: Default::default(),
            people: Vec::new(),
            first_boot: None,
        })))
    }
}

fn disk(number: u128) -> DiskId {
    DiskId::new(Uuid::from_u128((1 << 64) + number))
}
