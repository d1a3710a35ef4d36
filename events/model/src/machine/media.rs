//! Media are put into a machine's drives and taken out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Machine, State};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::{MachineId, MediaId};
use crate::media::{Kind as MediumKind, Media};
use crate::operation::{self, Begun, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::machine::OfMedia;

/// A guest has four places for CDs (SATA).
const MEDIA_MAX: usize = 4;

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
        operation::start_on(deciding, Plan::AttachMedia { media }, Targets::Listed(vec![id]))
    }
}

pub(crate) fn attach(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    medium: MediaId,
) -> Result<Begun, Rejection> {
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    if machine.media.contains(&medium) {
        return Ok(Begun::Done);
    }
    let found = deciding.fleet.media.get(medium).map(|it| (it.kind, it.name.clone()));
    if let Some((MediumKind::Disk, medium)) = found {
        return Err(Refused::NotInsertable { medium }.into());
    }
    if machine.media.len() >= MEDIA_MAX {
        let machine = machine.name.clone();
        return Err(Refused::TooManyMedia { machine, most: MEDIA_MAX }.into());
    }
    deciding.fact(machine.id, Fact::MediaAttached(OfMedia { media: medium }));
    Ok(at_once_or_at_the_next_start(deciding, machine))
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
        operation::start_on(deciding, Plan::DetachMedia { media }, Targets::Listed(vec![id]))
    }
}

pub(crate) fn detach(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    medium: MediaId,
) -> Result<Begun, Rejection> {
    machine.is_left_alone(&deciding.fleet)?;
    if !machine.media.contains(&medium) {
        return Ok(Begun::Done);
    }
    deciding.fact(machine.id, Fact::MediaDetached(OfMedia { media: medium }));
    Ok(at_once_or_at_the_next_start(deciding, machine))
}

fn at_once_or_at_the_next_start(deciding: &Deciding<'_>, machine: &Machine) -> Begun {
    match machine.observed.state {
        State::Running | State::Paused(_) | State::Asleep => {
            Begun::until_applied(deciding, machine.id)
        }
        State::Off | State::Starting | State::Stopping | State::Crashed | State::Unknown => {
            Begun::Done
        }
    }
}
