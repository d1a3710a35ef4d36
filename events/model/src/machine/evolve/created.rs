//! A machine as it is at first.

use std::sync::Arc;

use thin_vec::ThinVec;

use crate::fleet::Fleet;
use crate::ids::MachineId;
use crate::machine::{
    Disk, Machine, Observed, Power, Ready, Rest, State, StopManner, Wish, Writes,
};
use crate::record::Version;
use crate::version::latest::machine::Created;

pub(in crate::machine) fn created_from(fleet: &Fleet, id: MachineId, created: &Created) -> Machine {
    let image = created.disks.iter().find_map(Disk::image);
    let image = image.and_then(|image| fleet.images.get(image));
    let settings = match (&created.settings, image) {
        (Some(settings), _) => Arc::new(settings.clone()),
        (None, Some(image)) => Arc::clone(&image.settings),
        (None, None) => Arc::default(),
    };
    Machine {
        id,
        version: Version(1),
        name: created.name.clone(),
        kind: created.kind.clone(),
        identity: created.identity.clone(),
        settings,
        disks: created.disks.iter().cloned().collect(),
        disks_to_come: ThinVec::new(),
        rebasing_to: None,
        virtual_snapshot: None,
        snapshots: ThinVec::new(),
        snapshot: None,
        media: ThinVec::new(),
        generation: 1,
        applied: 0,
        failed: 0,
        power: Power {
            wish: Wish::Off(StopManner::Hard),
            boot_epoch: 0,
            persistent_once: false,
            writes: Writes::Kept,
            deadline: None,
            overdue: false,
            since: 1,
            restart: None,
            // Of a domain that was there before its host has yet to say whether it runs.
            rest: match created.adopted_from {
                Some(_) => Rest::Presumed,
                None => Rest::Confirmed,
            },
        },
        place: created.adopted_from,
        reserved: Arc::default(),
        leaving: None,
        leaving_since: 0,
        adopted_from: created.adopted_from,
        has_files: created.adopted_from.is_some(),
        observed: Observed {
            state: State::Off,
            boot_epoch: 0,
            started: None,
            ready: Ready::No,
            ignored_shutdown: false,
        },
        running_with: None,
        allows: None,
        maintenance: Default::default(),
        locked: false,
        pool: None,
        owners: ThinVec::new(),
        leases: ThinVec::new(),
        written: None,
        kept: None,
        upkeep: false,
        traces_to_come: None,
        unsealed: false,
        versions_made: 0,
        task: None,
        task_since: 0,
        renewal: None,
        disk_before: None,
        half_made: false,
        recipe: None,
        message: None,
        failures: ThinVec::new(),
        trouble: None,
        deleting: false,
    }
}
