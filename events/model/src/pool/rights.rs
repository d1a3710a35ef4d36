//! Whoever has lost the right to a pool loses their desktop there.
//!
//! A fact that takes rights away marks the pools that it is about, and those who have a desktop
//! there are looked at again in slices: the first one in the same decision, the others as soon as
//! the clockwork comes to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Pool;
use crate::deciding::{Decide, Deciding};
use crate::event::PoolFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{PoolId, SessionId};
use crate::rejection::Rejection;
use crate::session::{EndCause, Ending, Target, is_entitled};
use crate::version::latest::pool::ReviewAdvanced;

/// So many sessions are looked at in one slice: that takes a few milliseconds.
const LOOKED_AT_MAX: usize = 4096;
/// So many pools are looked at in one decision: with a fact for each, and one for what took the
/// right to it, there is room for the sessions that end.
pub(crate) const REVIEWED_AT_ONCE_MAX: usize = 48;

/// Of the system: looks whether those who have or wait for a desktop of a pool still may, and ends
/// the sessions of those who may not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewRights {
    pub pool: PoolId,
}

impl Decide for ReviewRights {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        review(deciding, &[self.pool]);
        Ok(())
    }
}

/// The next slice of each of these pools that were marked, as far as they fit into a decision.
pub(crate) fn review(deciding: &mut Deciding<'_>, pools: &[PoolId]) {
    let pools = &pools[..pools.len().min(REVIEWED_AT_ONCE_MAX)];
    // Each pool takes one fact, and so does the acceptance of what took the right to it.
    let mut ending = Ending::within(deciding.room().saturating_sub(pools.len() + 1));
    for id in pools {
        let after = deciding.fleet.pools.get(*id).and_then(|pool| pool.reviewed_upto);
        let Some(after) = after else { continue };
        let upto = look(&deciding.fleet, (*id, after), &mut ending);
        if upto != Some(after) {
            deciding.fact(*id, Fact::ReviewAdvanced(ReviewAdvanced { upto }));
        }
        if upto.is_some() {
            break;
        }
    }
    ending.end(deciding, EndCause::Revoked);
}

/// Adds those who have no right as far as they fit, and answers how far it looked, unless that was
/// to the end.
fn look(
    fleet: &Fleet,
    (pool, after): (PoolId, SessionId),
    ending: &mut Ending,
) -> Option<SessionId> {
    let mut upto = after;
    for (count, id) in fleet.sessions_in_after(Target::Pool(pool), Some(after)).enumerate() {
        let session = fleet.sessions.get(id);
        let without = session.is_some_and(|it| !is_entitled(fleet, it.subject, it.target));
        if count == LOOKED_AT_MAX || without && !ending.add(fleet, id) {
            return Some(upto);
        }
        upto = id;
    }
    None
}

impl Fleet {
    /// Somebody may have lost the right to a pool.
    pub(crate) fn rights_were_lost(&mut self, pool: PoolId) {
        if self.sessions_in(Target::Pool(pool)).next().is_some() {
            self.change::<Pool>(pool, |pool| pool.reviewed_upto = Some(SessionId::MIN));
        }
    }
}
