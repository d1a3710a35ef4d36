//! What belongs to one person: a person who uses desktops may send commands for themselves, and for
//! nobody else. What is somebody else's is answered as if it were not there.

use carrel_keys::Keys;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ClientId, SessionId};
use carrel_model::people::PersonRef;
use carrel_model::rejection::{Kind, Rejection, general};
use carrel_model::session::{Session, Subject};
use carrel_model::wire::Command;

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
        request.client = Some(PersonRef::Id(client.uuid()));
        request.source = None;
        return Ok(Command::RequestDesktop(request));
    }
    Err(Problem::new(Fault::NotAllowed, "your role does not include this"))
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
