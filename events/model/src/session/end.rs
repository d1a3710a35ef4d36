//! Sessions end, or their viewers are cut off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::follow::ticket_spent;
use super::{EndCause, Session, SpentBy, Subject, TicketState};
use crate::deciding::{Decide, Deciding};
use crate::event::SessionFact as Fact;
use crate::ids::SessionId;
use crate::rejection::{Kind, Rejection, general};
use crate::session::lease::end;
use crate::version::latest::Nothing;

fn find(deciding: &Deciding<'_>, id: SessionId) -> Result<std::sync::Arc<Session>, Rejection> {
    let kind = Kind("session");
    let missing = || general::Rejection::NoSuch { kind, given: id.to_string() }.into();
    deciding.fleet.sessions.shared(id).ok_or_else(missing)
}

/// Cuts a session's viewers off. Its machine waits for its person as long as the pool says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisconnectSession {
    pub session: SessionId,
}

impl Decide for DisconnectSession {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let session = find(deciding, self.session)?;
        if session.machine().is_some() && session.ticket.state != TicketState::None {
            deciding.fact(self.session, Fact::Disconnected(Nothing {}));
        }
        Ok(())
    }
}

/// Gives a desktop back, or the place in the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    pub session: SessionId,
}

impl Decide for EndSession {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let session = find(deciding, self.session)?;
        let person = match session.subject {
            Subject::Client(client) => client.uuid(),
            Subject::Terminal(terminal) => terminal.uuid(),
        };
        let by_themselves = deciding.context.actor.uuid() == person;
        let cause = if by_themselves { EndCause::Request } else { EndCause::Revoked };
        end(deciding, self.session, cause);
        Ok(())
    }
}

/// Of the system: there was no sign of a lease's viewers for too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpireLease {
    pub session: SessionId,
}

impl Decide for ExpireLease {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let session = deciding.fleet.sessions.get(self.session);
        if session.is_some_and(|session| !session.is_queued()) {
            end(deciding, self.session, EndCause::Silence);
        }
        Ok(())
    }
}

/// Of the system: somebody who waits did not ask for too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpirePlace {
    pub session: SessionId,
}

impl Decide for ExpirePlace {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        if deciding.fleet.sessions.get(self.session).is_some_and(Session::is_queued) {
            end(deciding, self.session, EndCause::Silence);
        }
        Ok(())
    }
}

/// Of the system: nobody has come with a ticket in its time, or nothing was heard of it. Whoever
/// asks then gets another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpireTicket {
    pub session: SessionId,
    pub ticket: u32,
}

impl Decide for ExpireTicket {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let session = deciding.fleet.sessions.get(self.session);
        if session.is_some_and(|session| session.ticket.expires_at <= deciding.now()) {
            ticket_spent(deciding, self.session, self.ticket, SpentBy::Expired);
        }
        Ok(())
    }
}
