//! A machine is made that is like another one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::new::{Platform, identity, storage_for_disks};
use super::{Created, Disk, DiskSource, Machine, Settings};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::{DiskId, MachineId, StorageId};
use crate::image::copy;
use crate::name::Name;
use crate::operation::{self, Plan};
use crate::placement;
use crate::reference::Ref;
use crate::rejection::Rejection;

/// Makes a machine of the same kind with the same settings and a full copy of the disks of one that
/// is off. It has an identity of its own: another UUID, MAC address and host name.
///
/// The copy stands alone, also if the original's disk is an overlay on an image: it holds what the
/// guest of the original sees. `Populate` puts such a child onto a version of its image again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloneMachine {
    /// What is copied.
    pub machine: Ref<MachineId>,
    /// The new machine's.
    pub name: Name,
    /// Where its disks lie. If it is left out, the first by name that can have disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Ref<StorageId>>,
}

impl Decide for CloneMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (source, original) = deciding.find::<Machine>(&self.machine)?;
        deciding.name_is_free::<MachineId>(self.name.as_str(), None)?;
        copy::can_be_copied(&deciding.fleet, &original)?;
        let beside: Vec<StorageId> = original.disks.iter().map(|disk| disk.storage).collect();
        let storage = storage_for_disks(deciding, self.storage.as_ref().into(), &[beside])?;
        let disks = original.disks.iter().map(|disk| Disk {
            id: deciding.fresh::<DiskId>(),
            storage,
            source: DiskSource::Blank,
            overlay_generation: 0,
            file: None,
            ..disk.clone()
        });
        let created = Created {
            disks: disks.collect(),
            name: self.name.clone(),
            kind: original.kind.clone(),
            identity: identity(deciding, &self.name, Platform::from(&original.identity))?,
            settings: Some(Settings::clone(&original.settings)),
            adopted_from: None,
        };
        let id: MachineId = deciding.fresh();
        let clone = super::evolve::created_from(&deciding.fleet, id, &created);
        let placed = placement::for_copy(&deciding.fleet, &clone, &original, &[])?;
        operation::start_on_one(deciding, Plan::Copy { source }, id, |deciding, _| {
            deciding.fact(id, Fact::Created(created));
            deciding.fact(id, Fact::Placed(placed));
            Ok(copy::request(deciding, id, &original, clone.disks.to_vec()))
        })
    }
}
