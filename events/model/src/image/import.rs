//! A disk that was uploaded becomes a machine and the first version of its image.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Origin;
use super::rejection::Rejection as Refused;
use super::seal::{prepare, request};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::{CommandId, DiskId, ImageId, MachineId, MediaId};
use crate::machine::new::{Platform, Wanted, identity, storage_for_disks};
use crate::machine::{
    Created, Disk, DiskRole, DiskSource, Format, Kind as MachineKind, Machine, Settings,
    default_network,
};
use crate::media::{Format as UploadFormat, Kind, Media};
use crate::name::Name;
use crate::operation::{self, Begun, Goal, Plan};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::template::check_disk;

/// What an imported disk is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum As {
    /// A golden installation, to be copied to initials.
    Source,
    /// Prepared for many already: children can be populated from its first version at once.
    Initial,
}

/// Makes a machine whose disk stands on an uploaded file, which is version 1 of its image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportImage {
    /// An uploaded medium of the kind `disk`.
    pub file: Ref<MediaId>,
    /// `source` or `initial`.
    #[serde(rename = "as")]
    pub kind: As,
    /// If left out: the medium's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// How large the disk is for its guest. Of a raw one it is as large as its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
}

impl Decide for ImportImage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (media, medium) = deciding.find::<Media>(&self.file)?;
        if medium.kind != Kind::Disk {
            return Err(Refused::NoDiskFile { media: medium.name.clone() }.into());
        }
        let name = self.name.as_ref().unwrap_or(&medium.name);
        deciding.name_is_free::<MachineId>(name.as_str(), None)?;
        let created = machine(deciding, (self.kind, name), self.size_gib(&medium)?)?;
        let id: MachineId = deciding.fresh();
        let plan = Plan::ImportImage { media };
        operation::start_on_one(deciding, plan, id, |deciding, operation| {
            deciding.fact(id, Fact::Created(created));
            let (_, machine) = deciding.find::<Machine>(&Ref::Id(id))?;
            turn(deciding, operation, &machine, media)
        })
    }
}

impl ImportImage {
    /// An overlay that is smaller than what it stands on would cut the guest's disk off.
    fn size_gib(&self, medium: &Media) -> Result<u32, Rejection> {
        let of_file = u32::try_from(medium.size_bytes.div_ceil(GIB)).unwrap_or(u32::MAX).max(1);
        match (self.size_gib, medium.format) {
            (given, UploadFormat::Raw) => Ok(given.unwrap_or_default().max(of_file)),
            (Some(given), _) => Ok(given),
            (None, _) => Err(Refused::SizeUnknown { media: medium.name.clone() }.into()),
        }
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    machine: &Arc<Machine>,
    media: MediaId,
) -> Result<Begun, Rejection> {
    is_untouched(machine)?;
    let prepared = prepare(deciding, machine, (Origin::Imported { media }, &[]))?;
    let image: ImageId = deciding.fresh();
    request(deciding, operation, image, prepared);
    Ok(Begun::Part(Goal::Imported { image }))
}

/// Its disk is as it was made. Before an import is tried again, somebody may have installed on it.
fn is_untouched(machine: &Machine) -> Result<(), Rejection> {
    let blank = machine.system_disk().is_none_or(|disk| disk.source == DiskSource::Blank);
    if machine.power.boot_epoch > 0 || machine.unsealed || !blank {
        return Err(Refused::DiskInUse { machine: machine.name.clone() }.into());
    }
    Ok(())
}

const GIB: u64 = 1 << 30;

fn machine(
    deciding: &mut Deciding<'_>,
    (kind, name): (As, &Name),
    size_gib: u32,
) -> Result<Created, Rejection> {
    check_disk(size_gib)?;
    let storage = storage_for_disks(deciding, Wanted::Anywhere, &[])?;
    let identity = identity(deciding, name, Platform::default())?;
    let disk = Disk {
        id: deciding.fresh::<DiskId>(),
        role: DiskRole::System,
        storage,
        // It stands on the version when that is there.
        source: DiskSource::Blank,
        size_gib,
        overlay_generation: 0,
        format: Format::Qcow2,
        file: None,
    };
    let kind = match kind {
        As::Source => MachineKind::Source,
        As::Initial => MachineKind::Initial { source: None },
    };
    let created = Created {
        name: name.clone(),
        kind,
        identity,
        settings: Some(Settings {
            networks: default_network(&deciding.fleet).into_iter().collect(),
            ..Settings::default()
        }),
        disks: vec![disk],
        adopted_from: None,
    };
    Ok(created)
}
