//! Who may use which pool.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::rights::review;
use super::{Holder, Pool};
use crate::deciding::{Decide, Deciding};
use crate::event::PoolFact as Fact;
use crate::group::Group;
use crate::ids::{GroupId, PoolId};
use crate::people::{Form, Plain, Seal, SealCommand, Sealed, SealedPersonRef};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::pool::Entitled;

/// Lets a person, or everybody of a group, use a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "EntitlePool", bound = "")]
pub struct EntitlePool<F: Form = Sealed> {
    pub pool: Ref<PoolId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<F::Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Ref<GroupId>>,
}

/// Takes a pool from a person or a group. Whoever is left without a right to it loses their desktop
/// there: sixteen of them at once, and the others of a larger group right after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "RevokePool", bound = "")]
pub struct RevokePool<F: Form = Sealed> {
    pub pool: Ref<PoolId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<F::Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Ref<GroupId>>,
}

impl SealCommand for EntitlePool<Plain> {
    type Sealed = EntitlePool;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<EntitlePool, S::Error> {
        let client = self.client.map(|client| seal.reference(&client)).transpose()?;
        Ok(EntitlePool { pool: self.pool, client, group: self.group })
    }
}

impl SealCommand for RevokePool<Plain> {
    type Sealed = RevokePool;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<RevokePool, S::Error> {
        let client = self.client.map(|client| seal.reference(&client)).transpose()?;
        Ok(RevokePool { pool: self.pool, client, group: self.group })
    }
}

impl Decide for EntitlePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Pool>(&self.pool)?;
        let holder = holder(deciding, self.client.as_ref(), self.group.as_ref())?;
        entitle(deciding, id, holder);
        Ok(())
    }
}

impl Decide for RevokePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Pool>(&self.pool)?;
        let holder = holder(deciding, self.client.as_ref(), self.group.as_ref())?;
        revoke(deciding, id, holder);
        review(deciding, &[id]);
        Ok(())
    }
}

/// The one person or group that a command names.
pub(super) fn holder(
    deciding: &Deciding<'_>,
    client: Option<&SealedPersonRef>,
    group: Option<&Ref<GroupId>>,
) -> Result<Holder, Rejection> {
    match (client, group) {
        (Some(client), None) => Ok(Holder::Client(deciding.find_client(client)?.0)),
        (None, Some(group)) => Ok(Holder::Group(deciding.find::<Group>(group)?.0)),
        (Some(_), Some(_)) | (None, None) => Err(Refused::ClientOrGroup.into()),
    }
}

pub(super) fn entitle(deciding: &mut Deciding<'_>, id: PoolId, holder: Holder) {
    let pool = deciding.fleet.pools.get(id);
    if pool.is_some_and(|pool| !pool.holders.contains(&holder)) {
        deciding.fact(id, Fact::Entitled(Entitled { holder }));
    }
}

pub(crate) fn revoke(deciding: &mut Deciding<'_>, id: PoolId, holder: Holder) {
    let pool = deciding.fleet.pools.get(id);
    if pool.is_some_and(|pool| pool.holders.contains(&holder)) {
        deciding.fact(id, Fact::Revoked(Entitled { holder }));
    }
}
