//! What happens and passes: sessions and operations.

use carrel_model::ids::{CommandId, SessionId};
use carrel_model::operation::{Operation, Outcome, State as Progress};
use carrel_model::record::Version;
use carrel_model::sealed::Purpose;
use carrel_model::session::{State, Subject, Target, TicketState};

use super::{Render, RenderError, Rendered, row, word};
use crate::doc;
use crate::memo::{EndedSession, FinishedOperation, Memo, OperationMemo, SessionMemo};
use crate::row::Cell;

impl Render<'_> {
    pub(super) fn session(&self, id: SessionId, memo: &Memo) -> Rendered {
        let session = memo.session.clone().unwrap_or_default();
        let Some(doc) = self.session_doc(id, memo, &session)? else { return Ok(None) };
        let state = word(&doc.state);
        let left = doc.ended_at.map_or(Cell::Null, |at| Cell::Number(at.0));
        let cells = vec![
            Cell::Text(state.clone()),
            doc.client.into(),
            doc.terminal.into(),
            doc.pool.into(),
            doc.machine.into(),
            left,
        ];
        Ok(Some(row(id, "", memo, cells, &doc)?.counted("state", &state)))
    }

    fn session_doc(
        &self,
        id: SessionId,
        memo: &Memo,
        kept: &SessionMemo,
    ) -> Result<Option<doc::Session>, RenderError> {
        let live = self.fleet.sessions.get(id);
        let (subject, target) = match (live, &kept.ended) {
            (Some(session), _) => (session.subject, session.target),
            (None, Some(ended)) => (ended.subject, ended.target),
            (None, None) => return Ok(None),
        };
        let pool = match target {
            Target::Pool(pool) => Some(pool),
            Target::Machine(_) => None,
        };
        let asked_for = match target {
            Target::Pool(_) => None,
            Target::Machine(machine) => Some(machine),
        };
        let mut doc = self.session_of(id, subject, memo)?;
        doc.pool = pool;
        doc.granted_at = kept.granted;
        match (live, &kept.ended) {
            (Some(session), _) => {
                doc.version = session.version;
                doc.pool_name =
                    pool.and_then(|pool| self.fleet.pools.get(pool)).map(|it| it.name.clone());
                doc.machine = session.machine().or(asked_for);
                doc.machine_name = doc.machine.and_then(|machine| self.machine_name(machine));
                doc.protocol = session.protocol;
                doc.ticket = session.ticket.number;
                doc.ticket_state = ticket(session.ticket.state);
                match session.state {
                    State::Queued { place } => doc.place = Some(place),
                    State::Leased { return_after_seconds, .. } => {
                        doc.state = doc::SessionState::Leased;
                        doc.return_after_seconds = Some(return_after_seconds);
                    }
                }
            }
            (None, Some(ended)) => end(&mut doc, ended, asked_for),
            (None, None) => {}
        }
        Ok(Some(doc))
    }

    /// With the names of those who are still there.
    fn session_of(
        &self,
        id: SessionId,
        subject: Subject,
        memo: &Memo,
    ) -> Result<doc::Session, RenderError> {
        let (client, terminal) = match subject {
            Subject::Client(client) => (Some(client), None),
            Subject::Terminal(terminal) => (None, Some(terminal)),
        };
        let person = client.and_then(|client| self.fleet.clients.get(client));
        let client_name =
            person.map(|client| self.open(Purpose::Name, &client.name)).transpose()?;
        let device = terminal.and_then(|terminal| self.fleet.terminals.get(terminal));
        Ok(doc::Session {
            id,
            version: Version(1),
            state: doc::SessionState::Queued,
            client,
            client_name: client_name.flatten(),
            terminal,
            terminal_name: device.map(|device| device.termid.to_string()),
            pool: None,
            pool_name: None,
            machine: None,
            machine_name: None,
            protocol: carrel_model::version::latest::display::Protocol::Spice,
            place: None,
            ticket: 0,
            ticket_state: doc::TicketState::None,
            return_after_seconds: None,
            created_at: memo.created(),
            changed_at: memo.changed(),
            granted_at: None,
            ended_at: None,
            cause: None,
        })
    }

    pub(super) fn operation(&self, id: CommandId, memo: &Memo) -> Rendered {
        let Some(kept) = &memo.operation else { return Ok(None) };
        let live = self.fleet.operations.get(id);
        let doc = operation_doc(id, memo, kept, live);
        let state = word(&doc.state);
        let left = kept.finished.as_ref().filter(|_| live.is_none());
        let left = left.map_or(Cell::Null, |finished| Cell::Number(finished.at.0));
        let cells = vec![Cell::Text(state.clone()), Some(doc.actor).into(), left];
        Ok(Some(row(id, &doc.name, memo, cells, &doc)?.counted("state", &state)))
    }
}

fn end(
    doc: &mut doc::Session,
    ended: &EndedSession,
    asked_for: Option<carrel_model::ids::MachineId>,
) {
    doc.state = doc::SessionState::Ended;
    doc.version = ended.version;
    doc.pool_name = ended.pool_name.clone();
    doc.machine = ended.machine.or(asked_for);
    doc.machine_name = ended.machine_name.clone();
    doc.protocol = ended.protocol;
    doc.ticket = ended.ticket;
    doc.ended_at = Some(ended.at);
    doc.cause = Some(ended.cause.clone());
}

fn ticket(state: TicketState) -> doc::TicketState {
    match state {
        TicketState::None => doc::TicketState::None,
        TicketState::Issued => doc::TicketState::Issued,
        TicketState::Armed => doc::TicketState::Armed,
        TicketState::Spent => doc::TicketState::Spent,
    }
}

fn outcome(outcome: Outcome) -> doc::OperationState {
    match outcome {
        Outcome::Succeeded => doc::OperationState::Succeeded,
        Outcome::PartiallyFailed => doc::OperationState::PartiallyFailed,
        Outcome::Failed => doc::OperationState::Failed,
        Outcome::Cancelled => doc::OperationState::Cancelled,
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn operation_doc(
    id: CommandId,
    memo: &Memo,
    kept: &OperationMemo,
    live: Option<&Operation>,
) -> doc::Operation {
    let mut doc = doc::Operation {
        id,
        name: kept.name.clone(),
        version: Version(1),
        state: doc::OperationState::Running,
        sealing: false,
        total: 0,
        done: 0,
        failed: 0,
        cancelled: 0,
        superseded: 0,
        running: 0,
        waiting: 0,
        failures: kept.failures.values().cloned().collect(),
        retry_until: None,
        actor: kept.actor,
        method: kept.method.clone(),
        correlation_id: kept.correlation,
        position: kept.position,
        created_at: memo.created(),
        changed_at: memo.changed(),
        finished_at: kept.finished.as_ref().map(|finished| finished.at),
    };
    if let Some(operation) = live {
        under_way(&mut doc, operation);
    } else if let Some(finished) = &kept.finished {
        finish(&mut doc, finished);
    }
    doc
}

fn under_way(doc: &mut doc::Operation, operation: &Operation) {
    doc.version = operation.version;
    doc.total = operation.total;
    doc.done = operation.done;
    doc.failed = count(operation.failed.len());
    doc.cancelled = operation.cancelled;
    doc.superseded = operation.superseded;
    doc.running = count(operation.parts.len());
    doc.waiting = count(operation.waiting.len());
    match operation.state {
        Progress::Sealing => doc.sealing = true,
        Progress::Running => {}
        Progress::Cancelling { .. } => doc.state = doc::OperationState::Cancelling,
        Progress::Ended { outcome: ended, retry_until } => {
            doc.state = outcome(ended);
            doc.retry_until = Some(retry_until);
        }
    }
}

fn finish(doc: &mut doc::Operation, finished: &FinishedOperation) {
    doc.state = outcome(finished.outcome);
    doc.version = finished.version;
    doc.total = finished.total;
    doc.done = finished.done;
    doc.failed = finished.failed;
    doc.cancelled = finished.cancelled;
    doc.superseded = finished.superseded;
}
