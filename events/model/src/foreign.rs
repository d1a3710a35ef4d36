//! A domain that Carrel has not made and does not know, as its host tells of it.
//!
//! It is what others have written, and nothing depends on it being true.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::mac::Mac;
use crate::machine::Format;
use crate::text::Text;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignDomain {
    /// As `virsh domuuid` shows it.
    pub uuid: Uuid,
    pub name: Text,
    pub state: ForeignState,
    pub memory_mib: u32,
    pub sockets: u16,
    pub cores: u16,
    pub threads: u16,
    pub uefi: bool,
    pub tpm: bool,
    /// Its clock is local time, as Windows has it.
    pub clock_is_local: bool,
    /// What runs it: often somebody's own wrapper of QEMU.
    pub emulator: Option<Text>,
    /// Of its network cards, in turn.
    pub macs: Vec<Mac>,
    /// What its first network card is: `virtio`.
    pub card_model: Option<Text>,
    /// What it has beside CDs and floppies.
    pub disks: Vec<ForeignDisk>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForeignState {
    Running,
    Paused,
    Off,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignDisk {
    /// What the guest sees: `vda`.
    pub target: Text,
    /// Which way the guest sees it: `virtio`.
    pub bus: Text,
    /// Nothing: it is no file.
    pub file: Option<Text>,
    /// Nothing: nobody has said, or it is one that Carrel doesn't run from.
    pub format: Option<Format>,
    /// What the guest sees of it; nothing if libvirt can't say.
    pub size_bytes: Option<u64>,
    /// The files that it stands on, the nearest first, as far as libvirt knows them.
    pub backing: Vec<Text>,
}
