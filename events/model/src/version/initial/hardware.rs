//! What a guest finds, and what else people set on a machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::display::Display;
use super::{Labels, Properties};
use crate::ids::NetworkId;
use crate::name::{Counter, Label};
use crate::text::Text;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum Os {
    #[default]
    Linux,
    Windows,
    Other,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum Firmware {
    Bios,
    #[default]
    Uefi,
    UefiSecureBoot,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum Tpm {
    #[default]
    None,
    /// TPM 2.0 by swtpm.
    V2,
}

/// How processors are shown to the guest; their product is the number of vCPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Cpu {
    pub sockets: u16,
    pub cores: u16,
    pub threads: u16,
}

impl Cpu {
    pub fn vcpus(&self) -> u32 {
        let cores = u32::from(self.sockets) * u32::from(self.cores);
        cores.saturating_mul(self.threads.into())
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self { sockets: 1, cores: 2, threads: 1 }
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum NetworkCard {
    #[default]
    Virtio,
    E1000e,
    Rtl8139,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum DiskBus {
    #[default]
    Virtio,
    Scsi,
    Sata,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Devices {
    #[serde(default)]
    pub network_card: NetworkCard,
    #[serde(default)]
    pub disk_bus: DiskBus,
    #[serde(default = "yes")]
    pub sound: bool,
    /// How many USB devices a viewer can pass through at once.
    #[serde(default = "four")]
    pub usb_redirections: u8,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            network_card: NetworkCard::default(),
            disk_bus: DiskBus::default(),
            sound: true,
            usb_redirections: four(),
        }
    }
}

const fn yes() -> bool {
    true
}

const fn four() -> u8 {
    4
}

/// What a system can be started from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BootDevice {
    /// The system disk.
    Disk,
    /// The first attached medium that is an image of a CD.
    Cdrom,
    /// A server on the first network (PXE).
    Network,
}

/// What a guest finds. It is sealed together with an image, so that a system meets the devices that
/// it was installed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[serde(default)]
pub struct Hardware {
    pub os: Os,
    pub firmware: Firmware,
    pub tpm: Tpm,
    pub cpu: Cpu,
    pub memory_mib: u32,
    pub devices: Devices,
    /// What is tried in turn: a disk that nothing was installed on yet is passed over.
    pub boot: Vec<BootDevice>,
    /// What it takes of a host's counters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<Counter, u32>,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            os: Os::default(),
            firmware: Firmware::default(),
            tpm: Tpm::default(),
            cpu: Cpu::default(),
            memory_mib: 2048,
            devices: Devices::default(),
            boot: vec![BootDevice::Disk, BootDevice::Cdrom],
            counters: BTreeMap::new(),
        }
    }
}

/// How one learns that a desktop can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// Its display is there.
    Display,
    /// The QEMU guest agent answers.
    Agent,
    /// Something listens on a TCP port of the guest.
    Tcp { port: u16 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Readiness {
    pub probe: Probe,
    pub timeout_seconds: u32,
}

impl Default for Readiness {
    /// Three minutes: a cold Windows on a busy host takes two.
    fn default() -> Self {
        Self { probe: Probe::Display, timeout_seconds: 180 }
    }
}

/// What people set on a machine. Most of it reaches a running guest with the next power cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[serde(default)]
pub struct Settings {
    pub hardware: Hardware,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkId>,
    pub display: Display,
    pub readiness: Readiness,
    /// Only hosts with all of these labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub host_labels: Labels,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

impl Settings {
    pub fn label(&self, key: &Label) -> Option<&Text> {
        self.labels.get(key)
    }
}
