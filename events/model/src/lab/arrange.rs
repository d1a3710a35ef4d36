//! Labs come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Draft, Lab};
use crate::arranged;
use crate::deciding::{Decide, Deciding};
use crate::event::LabFact as Fact;
use crate::ids::LabId;
use crate::name::Name;
use crate::pool::review;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::version::latest::Nothing;

/// Makes a place known: what is offered there, and what its terminals run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLab {
    pub name: Name,
    #[serde(default)]
    pub settings: Draft,
}

impl Decide for CreateLab {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        arranged::create::<Lab>(deciding, &self.name, &self.settings)?;
        Ok(())
    }
}

/// Changes what is offered in a lab and what its terminals run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateLab {
    pub lab: Ref<LabId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Refused when the lab is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdateLab {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let change = Change::new(self.name.as_ref(), &self.settings, self.if_version);
        let (id, lab) = deciding.find::<Lab>(&self.lab)?;
        arranged::update::<Lab>(deciding, &Ref::Id(id), &change)?;
        review(deciding, &lab.settings.pools);
        Ok(())
    }
}

/// Forgets a lab in which no terminal stands. Its pools and machines stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteLab {
    pub lab: Ref<LabId>,
}

impl Decide for DeleteLab {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, lab) = deciding.find::<Lab>(&self.lab)?;
        let terminals = deciding.fleet.terminals_in(id).count();
        if terminals > 0 {
            return Err(Refused::StillHasTerminals { lab: lab.name.clone(), terminals }.into());
        }
        deciding.fact(id, Fact::Deleted(Nothing {}));
        Ok(())
    }
}
