//! Pools come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::turn;
use super::rejection::Rejection as Refused;
use super::{Draft, Pool};
use crate::arranged;
use crate::deciding::{Decide, Deciding};
use crate::event::PoolFact as Fact;
use crate::ids::PoolId;
use crate::name::Name;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::session::{ENDED_AT_ONCE_MAX, EndCause, Target, end_those};
use crate::version::latest::Nothing;

/// Those who wait are sent away in the decision that deletes the pool.
const SENT_AWAY_MAX: usize = ENDED_AT_ONCE_MAX;

/// Makes a pool: machines that are offered to people. By default it is floating, and its machines
/// are made clean when a person has gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePool {
    pub name: Name,
    #[serde(default)]
    pub settings: Draft,
}

impl Decide for CreatePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let id = arranged::create::<Pool>(deciding, &self.name, &self.settings)?;
        turn(deciding, id);
        Ok(())
    }
}

/// Changes a pool. What is said about displays reaches running machines with their next power
/// cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePool {
    pub pool: Ref<PoolId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Refused when the pool is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdatePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Pool>(&self.pool)?;
        let change = Change::new(self.name.as_ref(), &self.settings, self.if_version);
        arranged::update::<Pool>(deciding, &Ref::Id(id), &change)?;
        turn(deciding, id);
        Ok(())
    }
}

/// Deletes a pool that has no machines any more. Whoever still waits for it leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePool {
    pub pool: Ref<PoolId>,
}

impl Decide for DeletePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, pool) = deciding.find::<Pool>(&self.pool)?;
        let name = || pool.name.clone();
        let machines = deciding.fleet.tally(id).total();
        if machines > 0 {
            return Err(Refused::HasMachines { pool: name(), machines }.into());
        }
        let lab = deciding.fleet.labs.iter().find(|(_, lab)| lab.settings.pools.contains(&id));
        if let Some((_, lab)) = lab {
            return Err(Refused::OfferedInLab { pool: name(), lab: lab.name.clone() }.into());
        }
        let waiting: Vec<_> = deciding.fleet.sessions_in(Target::Pool(id)).collect();
        if waiting.len() > SENT_AWAY_MAX {
            return Err(Refused::TooManyWait { pool: name(), waiting: waiting.len() }.into());
        }
        end_those(deciding, waiting, EndCause::Revoked);
        deciding.fact(id, Fact::Deleted(Nothing {}));
        Ok(())
    }
}
