//! A disk grows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Machine;
use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::{DiskId, MachineId};
use crate::image::place_for_files;
use crate::operation::{self, Begun, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::template;
use crate::version::latest::machine::DiskResized;

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
        operation::start_on(
            deciding,
            Plan::ResizeDisk { disk, size_gib: self.size_gib },
            Targets::Listed(vec![id]),
        )
    }
}

/// An overlay can be larger than what it stands on, so a child's disk grows like any other. Not so
/// with a virtual snapshot: what grows would be thrown away; nor with snapshots: the guest would
/// find a smaller disk after a revert.
pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    disk: DiskId,
    size_gib: u32,
) -> Result<Begun, Rejection> {
    machine.files_can_change(&deciding.fleet)?;
    let name = machine.name.clone();
    let Some(disk) = machine.disk(disk) else {
        return Err(Refused::NoSuchDisk { machine: name }.into());
    };
    if size_gib == disk.size_gib {
        return Ok(Begun::Done);
    }
    template::check_disk(size_gib)?;
    if size_gib < disk.size_gib {
        let (from_gib, to_gib) = (disk.size_gib, size_gib);
        return Err(Refused::CannotShrink { machine: name, from_gib, to_gib }.into());
    }
    if machine.virtual_snapshot.is_some() {
        return Err(Refused::HasVirtualSnapshot { machine: name }.into());
    }
    if !machine.snapshots.is_empty() {
        return Err(Refused::HasSnapshots { machine: name }.into());
    }
    let resized = DiskResized { disk: disk.id, size_gib };
    if !machine.has_files {
        // It will be made with that size.
        deciding.fact(machine.id, Fact::DiskResized(resized));
        return Ok(Begun::Done);
    }
    place_for_files(deciding, machine)?;
    deciding.fact(machine.id, Fact::DiskResized(resized));
    Ok(Begun::until_applied(deciding, machine.id))
}
