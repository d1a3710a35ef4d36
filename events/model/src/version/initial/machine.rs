//! Facts about machines.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Switch;
pub use super::disk::{
    Base, CopyRequested, DeleteRequested, Deleted, Disk, DiskResized, DiskRole, DiskSource, Failed,
    FilesGone, Format, FoundFile, OfMedia, OfSnapshot, OnReboot, Rebased, SealRequested, Sealed,
    SnapshotFailed, SnapshotRequested, VirtualSnapshot,
};
use super::display::Protocol;
pub use super::hardware::{
    BootDevice, Cpu, Devices, DiskBus, Firmware, Hardware, NetworkCard, Os, Probe, Readiness,
    Settings, Tpm,
};
use super::operation::Failure;
pub use super::place::{Migrated, MigrationFailed, MigrationRequested, Released, ReleasedBy};
use super::session::Subject;
use super::{all_required, present};
use crate::ids::{HypervisorId, MachineId, MessageId, PoolId, StorageId};
use crate::mac::Mac;
use crate::name::{Counter, HostAddress, Hostname, Name, PlatformName};
use crate::record::Timestamp;
use crate::text::Text;

/// What a machine is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// Not part of VDI.
    Simple,
    /// A golden installation.
    Source,
    /// A full copy of a source, prepared for many. One that was imported has no source yet.
    Initial {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<MachineId>,
    },
    /// A child of an initial.
    Vdi { initial: MachineId },
    /// A physical computer or a terminal server.
    External(Box<External>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct External {
    pub address: HostAddress,
    pub protocols: BTreeSet<Protocol>,
    /// Where to send the packet that wakes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_on_lan: Option<Mac>,
    /// How many people can use it at once.
    #[serde(default = "one_seat")]
    pub seats: u16,
}

const fn one_seat() -> u16 {
    1
}

/// What stays the same for as long as a machine lives, whatever its disks hold, so that a guest's
/// licence, its domain membership and its DHCP lease survive a new disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Identity {
    /// The SMBIOS UUID, also the domain's UUID.
    pub uuid: Uuid,
    /// Of the first network card.
    pub mac: Mac,
    /// Of further cards, in turn, if they had some before Carrel. All others follow from the first.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub further_macs: Box<[Mac]>,
    /// The SMBIOS serial number.
    pub serial: PlatformName,
    pub hostname: Hostname,
    pub machine_type: PlatformName,
    pub cpu_model: PlatformName,
}

fn is_empty(macs: &[Mac]) -> bool {
    macs.is_empty()
}

impl Identity {
    /// Of a network card, the first of which is 0.
    pub fn mac_of(&self, card: u8) -> Mac {
        let mut known = [self.mac].into_iter().chain(self.further_macs.iter().copied());
        known.nth(card.into()).unwrap_or_else(|| self.mac.of_card(card))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Created {
    pub name: Name,
    pub kind: Kind,
    pub identity: Identity,
    /// A child has those of its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Set when it is a domain that was there already; that host has its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_from: Option<HypervisorId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Updated {
    pub name: Name,
    pub settings: Settings,
}

/// Why a machine is not given to people. None takes another away; whoever takes a machine out of
/// maintenance clears `admin` and `quarantine`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Admin,
    Populate,
    /// Its host is being drained. That follows from the host, so no fact says it of a machine.
    Drain,
    Quarantine,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct MaintenanceChanged {
    pub reason: Reason,
    pub switch: Switch,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(transform = all_required)]
pub struct VirtualSnapshotChanged {
    /// None switches it off.
    #[serde(deserialize_with = "present")]
    pub setting: Option<VirtualSnapshot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(transform = all_required)]
pub struct PoolChanged {
    /// None takes it out.
    #[serde(deserialize_with = "present")]
    pub pool: Option<PoolId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Assigned {
    pub subject: Subject,
}

/// Whoever gets it finds what somebody else wrote, because whoever assigned it said so. From now on
/// these are the traces of the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct HandedOn {
    pub from: Subject,
    pub to: Subject,
}

/// Its host could not bring about what it shall be, and will not by trying again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct WorkFailed {
    pub generation: u64,
    pub failure: Failure,
}

/// It shall run. A worker acts once for each epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct StartRequested {
    pub boot_epoch: u64,
    /// It has to run by then. None: it runs already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What is written is kept, although it has a virtual snapshot.
    #[serde(default)]
    pub persistent_once: bool,
}

/// How a machine is brought to rest.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StopManner {
    /// The guest is asked by ACPI, once, and may ignore it.
    Acpi,
    /// The power is cut.
    Hard,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct StopRequested {
    pub manner: StopManner,
    /// It has to be off by then.
    pub deadline: Timestamp,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RestartManner {
    /// The guest is asked to reboot.
    Reboot,
    /// The reset button.
    Reset,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct RestartRequested {
    pub boot_epoch: u64,
    /// It has to run again by then.
    pub deadline: Timestamp,
    pub manner: RestartManner,
}

/// Why this host and no other, for people to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Placement {
    /// The policy that chose.
    pub policy: PlatformName,
    /// What the chosen one had over the others.
    pub chosen_for: Text,
    /// How many hosts were considered, and how many fell out for each reason.
    pub considered: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<PlatformName, u32>,
}

/// What a host keeps for a machine for as long as it is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Reservation {
    pub memory_mib: u64,
    pub vcpus: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<Counter, u32>,
    /// Where the throwaway overlay goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volatile: Option<Volatile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Volatile {
    pub storage: StorageId,
    pub size_mib: u64,
}

/// A host is responsible for it from now on, and what it needs is reserved there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Placed {
    pub hypervisor: HypervisorId,
    #[serde(default)]
    pub reserved: Reservation,
    pub placement: Placement,
}

/// The host has brought about everything up to this generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Applied {
    pub generation: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Started {
    pub boot_epoch: u64,
    pub at: Timestamp,
    /// Its probe has to answer by then.
    pub ready_by: Timestamp,
}

/// Whether a machine that is off for all that is known is known to be off.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// Its host has said so, or no host ever had it.
    Confirmed,
    /// A start took too long, or who could tell is lost. Its host turns it off, and says so; until
    /// then a start is in order, because the host does one after the other, but nobody else touches
    /// its files.
    Presumed,
}

/// It did not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct StartFailed {
    pub boot_epoch: u64,
    pub at: Timestamp,
    pub failure: Failure,
    pub rest: Rest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Ready {
    pub boot_epoch: u64,
}

/// Its probe did not answer in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct NotReady {
    pub boot_epoch: u64,
    pub at: Timestamp,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// The guest powered itself off.
    Guest,
    /// It was asked for.
    Command,
    Crash,
    HostLost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Stopped {
    pub boot_epoch: u64,
    pub cause: StopCause,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// It was asked for.
    Command,
    /// A disk had an error, or its storage is full.
    Io,
    /// Somebody paused it past Carrel.
    Foreign,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Paused {
    pub reason: PauseReason,
}

/// Words for whoever sits in front of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct MessageSent {
    pub message: MessageId,
    pub text: Text,
}
