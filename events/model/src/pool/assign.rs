//! Machines and pools are assigned to people, and machines to terminals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Pool;
use super::entitle::{entitle, holder};
use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact;
use crate::ids::{GroupId, MachineId, PoolId, SessionId, TerminalId};
use crate::machine::{Kind, Machine};
use crate::people::{Form, Plain, Seal, SealCommand, Sealed};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::session::{EndCause, Subject, Target, end, is_entitled};
use crate::terminal::Terminal;
use crate::version::latest::machine::{Assigned, HandedOn};

/// Assigns a machine to a person for good, or a pool to a person or a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "AssignClient", bound = "")]
pub struct AssignClient<F: Form = Sealed> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<F::Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Ref<GroupId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Ref<MachineId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Ref<PoolId>>,
    /// What somebody else has left on the machine is meant to be handed on.
    #[serde(default)]
    pub keep_data: bool,
}

impl SealCommand for AssignClient<Plain> {
    type Sealed = AssignClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<AssignClient, S::Error> {
        Ok(AssignClient {
            client: self.client.map(|client| seal.reference(&client)).transpose()?,
            group: self.group,
            machine: self.machine,
            pool: self.pool,
            keep_data: self.keep_data,
        })
    }
}

impl Decide for AssignClient {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        match (&self.machine, &self.pool) {
            (None, Some(pool)) => {
                let (id, _) = deciding.find::<Pool>(pool)?;
                let holder = holder(deciding, self.client.as_ref(), self.group.as_ref())?;
                entitle(deciding, id, holder);
                Ok(())
            }
            (Some(machine), None) => {
                if self.group.is_some() {
                    return Err(Refused::GroupOfOne.into());
                }
                let client = self.client.as_ref().ok_or(Refused::ClientOrGroup)?;
                let subject = Subject::Client(deciding.find_client(client)?.0);
                assign(deciding, subject, machine, self.keep_data)
            }
            (Some(_), Some(_)) | (None, None) => Err(Refused::PoolOrMachine.into()),
        }
    }
}

/// Assigns a machine to a terminal: whoever sits there gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignTerminal {
    pub terminal: Ref<TerminalId>,
    pub machine: Ref<MachineId>,
    /// What somebody else has left on the machine is meant to be handed on.
    #[serde(default)]
    pub keep_data: bool,
}

impl Decide for AssignTerminal {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (terminal, _) = deciding.find::<Terminal>(&self.terminal)?;
        assign(deciding, Subject::Terminal(terminal), &self.machine, self.keep_data)
    }
}

fn assign(
    deciding: &mut Deciding<'_>,
    subject: Subject,
    machine: &Ref<MachineId>,
    keep_data: bool,
) -> Result<(), Rejection> {
    let (id, machine) = deciding.find::<Machine>(machine)?;
    let owned = machine.owners.contains(&subject);
    can_be_assigned(deciding, &machine, subject, keep_data)?;
    if let Some(from) = machine.written.filter(|by| *by != subject) {
        deciding.fact(id, MachineFact::HandedOn(HandedOn { from, to: subject }));
    }
    if !owned {
        deciding.fact(id, MachineFact::Assigned(Assigned { subject }));
    }
    Ok(())
}

fn can_be_assigned(
    deciding: &Deciding<'_>,
    machine: &Machine,
    subject: Subject,
    keep_data: bool,
) -> Result<(), Refused> {
    let name = machine.name.clone();
    if matches!(machine.kind, Kind::Source | Kind::Initial { .. }) {
        return Err(Refused::NotForPeople { machine: name });
    }
    if machine.deleting {
        return Err(Refused::BeingDeleted { machine: name });
    }
    if !machine.owners.contains(&subject) && machine.owners.len() >= machine.seats() {
        return Err(Refused::Taken { machine: name });
    }
    let used_by_another = machine.leases.iter().any(|lease| {
        deciding.fleet.sessions.get(*lease).is_some_and(|session| session.subject != subject)
    });
    if used_by_another && !machine.is_external() {
        return Err(Refused::InUse { machine: name });
    }
    if machine.written.is_some_and(|by| by != subject) && !keep_data {
        return Err(Refused::WrittenByAnother { machine: name });
    }
    Ok(())
}

/// Takes a machine from a person. Their session on it ends, and what they have written there stays:
/// nobody else gets the machine until it was populated with `discard_data`, or is assigned with
/// `keep_data`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "UnassignClient", bound = "")]
pub struct UnassignClient<F: Form = Sealed> {
    pub client: F::Person,
    pub machine: Ref<MachineId>,
}

impl SealCommand for UnassignClient<Plain> {
    type Sealed = UnassignClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<UnassignClient, S::Error> {
        Ok(UnassignClient { client: seal.reference(&self.client)?, machine: self.machine })
    }
}

impl Decide for UnassignClient {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (client, _) = deciding.find_client(&self.client)?;
        let (machine, _) = deciding.find::<Machine>(&self.machine)?;
        unassign(deciding, Subject::Client(client), machine);
        Ok(())
    }
}

pub(crate) fn unassign(deciding: &mut Deciding<'_>, subject: Subject, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    if !machine.owners.contains(&subject) {
        return;
    }
    let wanted = |target: Target| {
        target == Target::Machine(id) || Some(target) == machine.pool.map(Target::Pool)
    };
    let sessions: Vec<SessionId> = deciding.fleet.sessions_of(subject).collect();
    deciding.fact(id, MachineFact::Unassigned(Assigned { subject }));
    for session in sessions {
        let Some(known) = deciding.fleet.sessions.shared(session) else { continue };
        let has_it = known.machine() == Some(id);
        let may_wait = is_entitled(&deciding.fleet, subject, known.target);
        if has_it || wanted(known.target) && known.is_queued() && !may_wait {
            end(deciding, session, EndCause::Revoked);
        }
    }
}
