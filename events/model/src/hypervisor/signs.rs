//! Signs of life and of space from hosts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hypervisor, Reason};
use crate::deciding::{Decide, Deciding};
use crate::event::{HypervisorFact as Fact, StorageFact};
use crate::ids::{HypervisorId, StorageId};
use crate::rejection::Rejection;
use crate::storage::Storage;
use crate::version::latest::Switch;
use crate::version::latest::hypervisor::MaintenanceChanged;
use crate::version::latest::storage::{Role, SpaceChanged, SpaceLowChanged};

/// A storage that was low on space has to have so much more than its watermark before it is used
/// again, so that it doesn't go to and fro with every file.
const ROOM_AGAIN_PERCENT: u64 = 110;
/// What is free has to be known to an eighth: less than what the overlays of a site differ by.
const FREE_STEPS: u64 = 8;

/// Of the system: a host's worker has not been heard for too long. Its machines are unknown from
/// then on, without a fact for each: there may be thousands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportHostSilent {
    pub hypervisor: HypervisorId,
}

impl Decide for ReportHostSilent {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        silence(deciding, self.hypervisor, Switch::On);
        Ok(())
    }
}

/// Of the system: a host's worker is heard again. A host that was confirmed as lost stays lost
/// until somebody takes it in again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportHostHeard {
    pub hypervisor: HypervisorId,
}

impl Decide for ReportHostHeard {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        silence(deciding, self.hypervisor, Switch::Off);
        Ok(())
    }
}

fn silence(deciding: &mut Deciding<'_>, id: HypervisorId, switch: Switch) {
    let is_silent = |host: &Hypervisor| host.maintenance.contains(&Reason::Silent);
    let Some(before) = deciding.fleet.hypervisors.get(id).map(is_silent) else { return };
    if before != (switch == Switch::On) {
        let reason = Reason::Silent;
        deciding.fact(id, Fact::MaintenanceChanged(MaintenanceChanged { reason, switch }));
    }
}

/// Only where throwaway overlays are promised room it matters how much there is, and only roughly:
/// a storage that fills up becomes a few facts.
fn is_news(storage: &Storage, free_mib: u64) -> bool {
    let promises = storage.settings.roles.contains(&Role::Volatile);
    let much = |known: u64| known.abs_diff(free_mib) > known / FREE_STEPS;
    promises && storage.free_mib.is_none_or(much)
}

/// Of the system: so much of a storage is free.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportStorageSpace {
    pub storage: StorageId,
    pub free_mib: u64,
}

impl Decide for ReportStorageSpace {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let Some(storage) = deciding.fleet.storages.get(self.storage) else { return Ok(()) };
        let (free_mib, low) = (self.free_mib, storage.settings.low_space_mib);
        let enough = low.saturating_mul(ROOM_AGAIN_PERCENT) / 100;
        let switch = match storage.low_on_space {
            false if free_mib < low => Some(Switch::On),
            true if free_mib >= enough => Some(Switch::Off),
            false | true => None,
        };
        if let Some(switch) = switch {
            let changed = SpaceLowChanged { switch, free_mib };
            deciding.fact(self.storage, StorageFact::SpaceLowChanged(changed));
        } else if is_news(storage, free_mib) {
            deciding.fact(self.storage, StorageFact::SpaceChanged(SpaceChanged { free_mib }));
        }
        Ok(())
    }
}
