//! What belongs to one person: a person who uses desktops may send commands for themselves, and for
//! nobody else. What is somebody else's is answered as if it were not there.

use carrel_keys::Keys;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ClientId, FromUuid, MachineId, PoolId, SessionId};
use carrel_model::people::{PersonRef, Plain};
use carrel_model::reference::{NamedId, Ref};
use carrel_model::rejection::{Kind, Rejection, general};
use carrel_model::session::commands::RequestDesktop;
use carrel_model::session::{Session, Subject};
use carrel_model::wire::Command;
use carrel_projections::lookup::{self, DesktopKind};

use crate::fault::Fault;
use crate::principal::{Principal, Who};
use crate::problem::Problem;

/// The command as whoever sends it may mean it.
pub(crate) fn may_send(
    principal: &Principal,
    command: Command,
    fleet: &Fleet,
    keys: &Keys,
) -> Result<Command, Problem> {
    let client = match &principal.who {
        Who::Admin { .. } => return Ok(command),
        Who::Client(client) => *client,
    };
    // Commands that are not a subject's were refused by their role, but for those in an array.
    if let Command::EndSession(end) = &command {
        session_of(fleet, client, end.session)?;
        return Ok(command);
    }
    if let Command::DisconnectSession(disconnect) = &command {
        session_of(fleet, client, disconnect.session)?;
        return Ok(command);
    }
    if let Command::RequestDesktop(mut request) = command {
        if request.client.as_ref().is_some_and(|named| !is(named, client, fleet, keys)) {
            return Err(no_such("person", "of that name"));
        }
        if request.terminal.is_some() {
            let detail = "only a terminal itself, or an operator, can say who sits there";
            return Err(Problem::new(Fault::NotAllowed, detail));
        }
        are_theirs(&request, client, fleet)?;
        request.client = Some(PersonRef::Id(client.uuid()));
        request.source = None;
        return Ok(Command::RequestDesktop(request));
    }
    Err(Problem::new(Fault::NotAllowed, "your role does not include this"))
}

/// The model would say that they have no right to it, and with that, that it is there.
fn are_theirs(
    request: &RequestDesktop<Plain>,
    client: ClientId,
    fleet: &Fleet,
) -> Result<(), Problem> {
    let theirs = lookup::desktops(fleet, client);
    if let Some(pool) = &request.pool {
        let mut pools = theirs.iter().filter(|it| it.kind == DesktopKind::Pool);
        if !pools.any(|it| is_called(pool, &PoolId::from_uuid(it.id), &it.name)) {
            return Err(no_such(PoolId::KIND, &pool.to_string()));
        }
    }
    if let Some(machine) = &request.machine {
        let mut owned = fleet.owned_by(Subject::Client(client));
        let is = |id: MachineId| {
            fleet.machines.get(id).is_some_and(|it| is_called(machine, &id, it.name.as_str()))
        };
        if !owned.any(is) {
            return Err(no_such(MachineId::KIND, &machine.to_string()));
        }
    }
    Ok(())
}

fn is_called<I: PartialEq>(named: &Ref<I>, id: &I, name: &str) -> bool {
    match named {
        Ref::Id(it) => it == id,
        Ref::Name(it) => it == name,
    }
}

fn is(named: &PersonRef, client: ClientId, fleet: &Fleet, keys: &Keys) -> bool {
    match named {
        PersonRef::Id(id) => *id == client.uuid(),
        PersonRef::Name { provider, name } => {
            let hash = keys.name_hash(provider, name);
            fleet.index.clients.get(&(provider.clone(), hash)) == Some(&client)
        }
    }
}

/// A session of theirs.
pub(crate) fn session_of(
    fleet: &Fleet,
    client: ClientId,
    id: SessionId,
) -> Result<&Session, Problem> {
    let session = fleet.sessions.get(id);
    let theirs = session.filter(|session| session.subject == Subject::Client(client));
    theirs.ok_or_else(|| no_such("session", &id.to_string()))
}

fn no_such(kind: &'static str, given: &str) -> Problem {
    let no_such = general::Rejection::NoSuch { kind: Kind(kind), given: given.to_owned() };
    Rejection::from(no_such).into()
}
