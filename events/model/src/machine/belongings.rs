//! What belongs to one machine: its disks, what is in its drives, its snapshots.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Machine;
use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::ids::{DiskId, FromUuid, MachineId, MediaId, SnapshotId};
use crate::media::Media;
use crate::name::Name;
use crate::operation::{self, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;

fn start_on(deciding: &mut Deciding<'_>, id: MachineId, plan: Plan) -> Result<(), Rejection> {
    operation::start_on(deciding, plan, Targets::Listed(vec![id]))
}

/// Makes a disk larger, whether the machine is off or runs. It can't be made smaller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResizeDisk {
    pub machine: Ref<MachineId>,
    /// The system disk, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskId>,
    pub size_gib: u32,
}

impl Decide for ResizeDisk {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        let disk = self.disk.or_else(|| machine.system_disk().map(|disk| disk.id));
        // A machine without a system disk has no disk of that id either.
        let disk = disk.unwrap_or(DiskId::MIN);
        start_on(deciding, id, Plan::ResizeDisk { disk, size_gib: self.size_gib })
    }
}

/// Puts a CD or a driver image into a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachMedia {
    pub machine: Ref<MachineId>,
    pub media: Ref<MediaId>,
}

impl Decide for AttachMedia {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Machine>(&self.machine)?;
        let (media, _) = deciding.find::<Media>(&self.media)?;
        start_on(deciding, id, Plan::AttachMedia { media })
    }
}

/// Takes it out again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetachMedia {
    pub machine: Ref<MachineId>,
    pub media: Ref<MediaId>,
}

impl Decide for DetachMedia {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Machine>(&self.machine)?;
        let (media, _) = deciding.find::<Media>(&self.media)?;
        start_on(deciding, id, Plan::DetachMedia { media })
    }
}

/// Keeps the state of a machine's disks, to come back to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshot {
    pub machine: Ref<MachineId>,
    pub name: Name,
    /// The machine runs on, and its guest agent holds its file systems still for a moment.
    #[serde(default)]
    pub quiesced: bool,
}

impl Decide for TakeSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Machine>(&self.machine)?;
        let snapshot: SnapshotId = deciding.fresh();
        let (name, quiesced) = (self.name.clone(), self.quiesced);
        start_on(deciding, id, Plan::TakeSnapshot { snapshot, name, quiesced })
    }
}

/// Gives a machine that is off the disks that it had then. What was written since is lost, unless
/// it was kept by another snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevertSnapshot {
    pub machine: Ref<MachineId>,
    /// Its id or its name.
    pub snapshot: String,
}

impl Decide for RevertSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        let snapshot = find_snapshot(&machine, &self.snapshot)?;
        start_on(deciding, id, Plan::RevertSnapshot { snapshot })
    }
}

/// Forgets a snapshot. What stands on it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteSnapshot {
    pub machine: Ref<MachineId>,
    /// Its id or its name.
    pub snapshot: String,
}

impl Decide for DeleteSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        let snapshot = find_snapshot(&machine, &self.snapshot)?;
        start_on(deciding, id, Plan::DeleteSnapshot { snapshot })
    }
}

fn find_snapshot(machine: &Machine, given: &str) -> Result<SnapshotId, Rejection> {
    let by_id = uuid::Uuid::try_parse(given).ok().map(SnapshotId::from_uuid);
    let found = machine.snapshots.iter().find(|snapshot| match by_id {
        Some(id) => snapshot.id == id,
        None => snapshot.name.as_str() == given,
    });
    found.map(|snapshot| snapshot.id).ok_or_else(|| {
        let given = given.chars().take(Name::LENGTH_MAX).collect();
        Refused::NoSuchSnapshot { machine: machine.name.clone(), given }.into()
    })
}
