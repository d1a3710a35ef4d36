//! Machines.

use std::collections::BTreeSet;

use carrel_model::ids::{
    CommandId, DiskId, HypervisorId, ImageId, MachineId, MediaId, NetworkId, PoolId, SessionId,
    SnapshotId, StorageId,
};
use carrel_model::mac::Mac;
use carrel_model::name::{HostAddress, Hostname, Name, PlatformName};
use carrel_model::record::{Timestamp, Version};
use carrel_model::version::latest::display::{Display, Policy, Protocol};
use carrel_model::version::latest::machine::{
    DiskRole, Format, FoundFile, Hardware, OnReboot, Os, PauseReason, Readiness, Reason,
};
use carrel_model::version::latest::operation::Failure;
use carrel_model::version::latest::{Labels, Properties};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MachineKind {
    Simple,
    Source,
    Initial,
    Vdi,
    External,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    Off,
    Starting,
    Running,
    Paused,
    /// The guest put itself to sleep.
    Asleep,
    Stopping,
    Crashed,
    /// Its host is silent.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PowerWish {
    On,
    Suspended,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    Client,
    Terminal,
}

/// Whoever it is assigned to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Owner {
    pub kind: OwnerKind,
    pub id: Uuid,
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MachineDisk {
    pub id: DiskId,
    pub role: DiskRole,
    pub storage: StorageId,
    pub size_gib: u32,
    pub format: Format,
    pub overlay_generation: u32,
    /// The version that it stands on.
    pub image: Option<ImageId>,
    /// Of one that was there before Carrel: where it is and what it stands on.
    pub file: Option<FoundFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotState {
    Taking,
    Taken,
    Reverting,
    Deleting,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MachineSnapshot {
    pub id: SnapshotId,
    pub name: Name,
    pub parent: Option<SnapshotId>,
    pub quiesced: bool,
    pub state: SnapshotState,
    /// Its disks stand on this one now.
    pub current: bool,
}

/// File work that keeps it from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    Copying,
    Sealing,
    Migrating,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RenewalStep {
    Pending,
    Stopping,
    Overlaying,
    FirstBoot,
    Finishing,
}

/// Fresh disks that it will get or is getting.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RenewalState {
    pub step: RenewalStep,
    pub image: ImageId,
    pub image_name: Option<String>,
    /// The operation that asked for it; none: it is made clean after use.
    pub operation: Option<CommandId>,
    /// When it begins, as people are told.
    pub announced: Option<Timestamp>,
    /// When this step has to be over.
    pub deadline: Option<Timestamp>,
}

/// A desktop or a server.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Machine")]
pub struct Machine {
    pub id: MachineId,
    pub name: Name,
    pub version: Version,
    pub kind: MachineKind,
    pub state: MachineState,
    /// Of one that is paused.
    pub paused_for: Option<PauseReason>,
    /// Its probe has answered since it was started.
    pub ready: bool,
    /// What its power shall be.
    pub power: PowerWish,
    pub boot_epoch: u64,
    pub started_at: Option<Timestamp>,
    pub generation: u64,
    /// The last generation that its host has brought about.
    pub applied: u64,
    /// The host that is responsible for it.
    pub hypervisor: Option<HypervisorId>,
    pub hypervisor_name: Option<Name>,
    pub pool: Option<PoolId>,
    pub pool_name: Option<Name>,
    /// Of a child.
    pub initial: Option<MachineId>,
    pub initial_name: Option<Name>,
    /// Of an initial.
    pub source: Option<MachineId>,
    pub source_name: Option<Name>,
    /// The version that its system disk stands on.
    pub image: Option<ImageId>,
    /// As in `win11@3`.
    pub image_name: Option<String>,
    pub owners: Vec<Owner>,
    pub sessions: Vec<SessionId>,
    /// Somebody has it now.
    pub in_use: bool,
    pub maintenance: BTreeSet<Reason>,
    pub locked: bool,
    pub deleting: bool,
    pub virtual_snapshot: bool,
    pub on_reboot: Option<OnReboot>,
    pub task: Option<TaskKind>,
    pub renewal: Option<RenewalState>,
    /// Its disk may hold what no version holds.
    pub unsealed: bool,
    /// What last went wrong.
    pub trouble: Option<Failure>,
    /// Settings that a running guest gets with the next power cycle.
    pub pending: bool,
    pub uuid: Uuid,
    pub mac: Mac,
    pub serial: PlatformName,
    pub hostname: Hostname,
    pub machine_type: PlatformName,
    pub cpu_model: PlatformName,
    pub os: Os,
    pub vcpus: u32,
    pub memory_mib: u32,
    pub hardware: Hardware,
    pub display: Display,
    /// What its viewers may do since it was started.
    pub allows: Option<Policy>,
    pub readiness: Readiness,
    pub protocols: BTreeSet<Protocol>,
    /// How many can use it at once.
    pub seats: u16,
    /// Of an external one.
    pub address: Option<HostAddress>,
    pub wake_on_lan: Option<Mac>,
    pub networks: Vec<NetworkId>,
    pub host_labels: Labels,
    /// A host has made them, or was told to.
    pub has_files: bool,
    pub disks: Vec<MachineDisk>,
    /// Disks that it had before and can still go back to, and those that a copy will give it.
    pub other_disks: Vec<MachineDisk>,
    pub snapshots: Vec<MachineSnapshot>,
    pub media: Vec<MediaId>,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}
