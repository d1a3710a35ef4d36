//! People go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use crate::admin::{Bearer, end_tokens};
use crate::deciding::{Decide, Deciding};
use crate::event::{ClientFact as Fact, GroupFact};
use crate::fleet::Fleet;
use crate::ids::{GroupId, MachineId, PoolId, SessionId};
use crate::people::{Form, Plain, Seal, SealCommand, Sealed};
use crate::pool::{Holder, revoke, unassign};
use crate::rejection::Rejection;
use crate::session::{EndCause, Subject, end, facts_of_an_end};
use crate::version::latest::Nothing;
use crate::version::latest::group::MemberChanged;

/// What is taken from somebody in one decision: two facts each, and a session counts as many as can
/// follow from its end. With all of them and all tokens, half of a decision's room is left.
pub(crate) const TAKEN_MAX: usize = 48;

/// What the ends of sessions count for.
pub(crate) fn ends_count(fleet: &Fleet, sessions: &[SessionId]) -> usize {
    sessions.iter().map(|session| facts_of_an_end(fleet, *session).div_ceil(2)).sum()
}

/// Forgets a person. Their sessions end, and machines, groups and pools are taken from them. What
/// they have written on their machines stays there until those are populated with `discard_data`.
/// Their key is destroyed, and with it everything about them in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "DeleteClient", bound = "")]
pub struct DeleteClient<F: Form = Sealed> {
    pub client: F::Person,
}

impl SealCommand for DeleteClient<Plain> {
    type Sealed = DeleteClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<DeleteClient, S::Error> {
        Ok(DeleteClient { client: seal.reference(&self.client)? })
    }
}

impl Decide for DeleteClient {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find_client(&self.client)?;
        let (subject, holder) = (Subject::Client(id), Holder::Client(id));
        let fleet = &deciding.fleet;
        let sessions: Vec<SessionId> = fleet.sessions_of(subject).collect();
        let machines: Vec<MachineId> = fleet.owned_by(subject).collect();
        let in_groups = fleet.groups.iter().filter(|(_, group)| group.members.contains(&id));
        let groups: Vec<GroupId> = in_groups.map(|(id, _)| id).collect();
        let held = fleet.pools.iter().filter(|(_, pool)| pool.holders.contains(&holder));
        let pools: Vec<PoolId> = held.map(|(id, _)| id).collect();

        let others = machines.len() + groups.len() + pools.len();
        let (things, most) = (sessions.len() + others, TAKEN_MAX);
        if ends_count(fleet, &sessions) + others > most {
            return Err(Refused::HasTooMuch { things, most }.into());
        }
        for session in sessions {
            end(deciding, session, EndCause::Revoked);
        }
        for machine in machines {
            unassign(deciding, subject, machine);
        }
        for group in groups {
            deciding.fact(group, GroupFact::MemberRemoved(MemberChanged { client: id }));
        }
        for pool in pools {
            revoke(deciding, pool, holder);
        }
        end_tokens(deciding, Bearer::Client(id));
        deciding.fact(id, Fact::Deleted(Nothing {}));
        Ok(())
    }
}
