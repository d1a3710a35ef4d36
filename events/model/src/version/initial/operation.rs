//! Facts about what became of accepted commands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Switch;
use super::machine::{RestartManner, StopManner, VirtualSnapshotChanged};
use super::renewal::{Recipe, When};
use super::session::Subject;
use crate::hash::Fingerprint;
use crate::ids::{DiskId, HypervisorId, ImageId, MachineId, MediaId, PoolId, SnapshotId};
use crate::name::{Label, Name, NamePattern, PlatformName};
use crate::record::Timestamp;
use crate::text::Text;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Failure {
    /// A code of docs/errors, or the name of the step of a worker that failed.
    pub code: PlatformName,
    /// For people.
    pub detail: Text,
    /// What keeps a machine from being populated, as far as it is somebody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_lose: Option<Box<Keeps>>,
}

/// What is on a machine's disks that fresh ones would not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Keeps {
    /// Those it is assigned to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Subject>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<Name>,
    /// Who wrote to its own disks, which nothing takes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_by: Option<Subject>,
    /// Something was written to them for its upkeep.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upkeep: bool,
}

/// Which machines an operation is for, in the order of their ids. Machines that come to be later
/// are not among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Targets {
    Listed(Vec<MachineId>),
    ChildrenOf(MachineId),
    Pool(PoolId),
    Hypervisor(HypervisorId),
    Label {
        key: Label,
        value: Text,
    },
    /// Children in pools that follow one of these tags.
    Following {
        initial: MachineId,
        tags: Vec<Name>,
    },
    /// Machines that the operation itself makes.
    New(NewMachines),
}

/// Machines with numbered names. The names are taken from the moment that the operation is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct NewMachines {
    /// `{n}` stands where the number goes: `win11-{n}`.
    pub pattern: NamePattern,
    pub first: u32,
    pub count: u32,
}

/// What is done to each machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Plan {
    SetMaintenance {
        switch: Switch,
    },
    SetVirtualSnapshot(VirtualSnapshotChanged),
    Start {
        persistent_once: bool,
    },
    Stop {
        manner: StopManner,
    },
    Restart {
        manner: RestartManner,
    },
    Suspend,
    Resume,
    /// Make children of an image, or make them anew.
    Populate(Populate),
    Copy {
        source: MachineId,
    },
    Seal {
        tags: Vec<Name>,
    },
    Delete {
        /// Also what runs.
        #[serde(default)]
        force: bool,
    },
    Migrate {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<HypervisorId>,
    },
    ResizeDisk {
        disk: DiskId,
        size_gib: u32,
    },
    AttachMedia {
        media: MediaId,
    },
    DetachMedia {
        media: MediaId,
    },
    TakeSnapshot {
        snapshot: SnapshotId,
        name: Name,
        quiesced: bool,
    },
    RevertSnapshot {
        snapshot: SnapshotId,
    },
    DeleteSnapshot {
        snapshot: SnapshotId,
    },
    Message {
        text: Text,
    },
    AddToPool {
        pool: PoolId,
    },
    RemoveFromPool {
        pool: PoolId,
    },
    /// Get machines off a host that is to be left alone.
    Drain {
        hypervisor: HypervisorId,
    },
    /// What ran on a host that is lost is off, and may start elsewhere.
    Lose {
        hypervisor: HypervisorId,
    },
    RetireImage {
        image: ImageId,
    },
    ImportImage {
        media: MediaId,
    },
}

/// By which recipe machines are populated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RecipeOf {
    /// Each by the one that it was populated by before.
    LastTime,
    /// All by this one.
    Now(Recipe),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Populate {
    pub initial: MachineId,
    pub image: ImageId,
    pub recipe: RecipeOf,
    #[serde(default)]
    pub when: When,
    #[serde(default)]
    pub warn_seconds: u32,
    /// What people keep on their machines is lost.
    #[serde(default)]
    pub discard_data: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Task {
    pub plan: Plan,
    pub targets: Targets,
    /// How many machines it is for.
    pub total: u32,
    /// The last machine that belongs to it; later ones don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_machine: Option<MachineId>,
    /// A version has to be sealed before the first machine's turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seal: Option<ImageId>,
}

/// A command was accepted. Without a task it has succeeded with that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Accepted {
    pub name: PlatformName,
    pub fingerprint: Fingerprint,
    /// What is still to be done, step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
}

/// How far an operation has come: every machine up to this one has had its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Advanced {
    pub upto: Cursor,
    /// Those that were done at once, or were so already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<MachineId>,
    /// Those that could not even begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<PartFailed>,
}

impl Advanced {
    pub fn upto(upto: Cursor) -> Self {
        Self { upto, done: Vec::new(), failed: Vec::new() }
    }
}

/// How far the cancelling of an operation has come: every part up to this one was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct CancelAdvanced {
    pub upto: Cursor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cursor {
    Machine(MachineId),
    /// How many new machines were made.
    Made(u32),
    /// All have had their turn.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct PartFailed {
    /// One that could not even be made never came to be under this id.
    pub machine: MachineId,
    pub failure: Failure,
    /// Of a machine that could not even be made: what it was to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

/// What has to come about before a machine's part is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Goal {
    Started { boot_epoch: u64 },
    Stopped,
    Applied { generation: u64 },
    Renewed,
    Copied,
    Sealed { image: ImageId },
    Imported { image: ImageId },
    Deleted,
    SnapshotTaken { snapshot: SnapshotId },
    SnapshotReverted { snapshot: SnapshotId },
    SnapshotDeleted { snapshot: SnapshotId },
    Off { hypervisor: HypervisorId },
    Migrated { to: HypervisorId },
    FilesRemoved { image: ImageId },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct PartBegun {
    pub machine: MachineId,
    pub goal: Goal,
    #[serde(default, skip_serializing_if = "WaitsFor::is_nobody")]
    pub waits_for: WaitsFor,
}

/// Whether a part takes anything of hosts before somebody has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    #[default]
    Nobody,
    /// Those who have the machine keep it until they leave.
    People,
}

impl WaitsFor {
    fn is_nobody(&self) -> bool {
        *self == Self::Nobody
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PartEnd {
    Done,
    Failed(Failure),
    Superseded,
    Cancelled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct PartEnded {
    pub machine: MachineId,
    pub end: PartEnd,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    PartiallyFailed,
    Failed,
    Cancelled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Finished {
    pub outcome: Outcome,
    pub done: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub superseded: u32,
    /// What failed can be tried again until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_until: Option<Timestamp>,
}
