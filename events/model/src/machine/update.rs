//! What people set on a machine changes; it is locked and unlocked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Machine;
use super::draft::{Draft, changed};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::MachineId;
use crate::image;
use crate::name::Name;
use crate::operation::{self, Plan};
use crate::record::Version;
use crate::reference::{Patch, Ref};
use crate::rejection::Rejection;
use crate::version::latest::Nothing;
use crate::version::latest::machine::Updated;

/// Changes a machine's name and settings. A guest that runs gets most of it with its next power
/// cycle; until then the machine shows it as pending. What a machine is to its guest (UUID, MAC,
/// host name and the like) never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateMachine {
    pub machine: Ref<MachineId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Refused when the machine is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdateMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        machine.is_not_going()?;
        deciding.is_version(&*machine, self.if_version)?;
        let settings = changed(deciding, &self.settings, &machine.settings)?;
        let name = self.name.as_ref().unwrap_or(&machine.name).clone();
        if name != machine.name || settings != *machine.settings {
            deciding.name_is_free(name.as_str(), Some(id))?;
            deciding.fact(id, Fact::Updated(Updated { name, settings }));
        }
        Ok(())
    }
}

/// Leaves a machine alone: no start, no stop, no copy, no Populate, no deletion, until it is
/// unlocked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockMachine {
    pub machine: Ref<MachineId>,
}

impl Decide for LockMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        machine.is_not_going()?;
        if !machine.locked {
            deciding.fact(id, Fact::Locked(Nothing {}));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
/// Ends what `LockMachine` began. If a tag that its pool follows has moved meanwhile, the machine
/// is populated from where it is now, as it was the last time, unless that would lose what is on
/// it.
pub struct UnlockMachine {
    pub machine: Ref<MachineId>,
}

impl Decide for UnlockMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        if !machine.locked {
            return Ok(());
        }
        let Some(populate) = image::missed(&deciding.fleet, &machine) else {
            deciding.fact(id, Fact::Unlocked(Nothing {}));
            return Ok(());
        };
        operation::start_on_one(deciding, Plan::Populate(populate), id, |deciding, operation| {
            deciding.fact(id, Fact::Unlocked(Nothing {}));
            Ok(image::populate::catch_up(deciding, operation, id))
        })
    }
}
