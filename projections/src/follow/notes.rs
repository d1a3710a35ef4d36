//! What has to be remembered of a fact, because the fleet forgets it.

use carrel_model::event::{Event, OperationFact, SessionFact};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{CommandId, MachineId, SessionId};
use carrel_model::name::Name;
use carrel_model::record::{Record, Timestamp, Version};
use carrel_model::session::Target;
use carrel_model::version::latest::operation::{Failure, Finished, PartEnd};
use carrel_model::version::latest::session::{EndCause, LeaveCause};

use crate::doc::OperationFailure;
use crate::kind::Kind;
use crate::memo::{EndedSession, FinishedOperation, Note, OperationMemo};
use crate::row::Key;

/// Tells each note of a fact. `fleet` is the one before it.
pub(crate) fn take(event: &Event, record: &Record, fleet: &Fleet, tell: &mut dyn FnMut(Key, Note)) {
    let at = record.unit.origin.at;
    let told = |kind| (Key { kind, id: record.stream.id }, Note::Told(at));
    let (key, note) = match event {
        Event::Cluster(..) | Event::Token(..) => return,
        Event::Hypervisor(..) => told(Kind::Hypervisors),
        Event::Storage(..) => told(Kind::Storages),
        Event::Network(..) => told(Kind::Networks),
        Event::Media(..) => told(Kind::Media),
        Event::Template(..) => told(Kind::Templates),
        Event::Machine(..) => told(Kind::Machines),
        Event::Image(..) => told(Kind::Images),
        Event::Pool(..) => told(Kind::Pools),
        Event::Client(..) => told(Kind::Clients),
        Event::Group(..) => told(Kind::Groups),
        Event::Lab(..) => told(Kind::Labs),
        Event::Terminal(..) => told(Kind::Terminals),
        Event::Session(id, fact) => {
            of_session(*id, fact, at, fleet, tell);
            told(Kind::Sessions)
        }
        Event::Admin(..) => told(Kind::Admins),
        Event::Operation(id, fact) => {
            of_operation(*id, fact, record, fleet, tell);
            told(Kind::Operations)
        }
    };
    tell(key, note);
}

fn of_session(
    id: SessionId,
    fact: &SessionFact,
    at: Timestamp,
    fleet: &Fleet,
    tell: &mut dyn FnMut(Key, Note),
) {
    let key = Key { kind: Kind::Sessions, id: id.uuid() };
    let cause = match fact {
        SessionFact::LeaseGranted(_) => return tell(key, Note::Granted(at)),
        SessionFact::LeaseEnded(ended) => match ended.cause {
            EndCause::Request => "request",
            EndCause::Silence => "silence",
            EndCause::Guest => "guest",
            EndCause::Revoked => "revoked",
            EndCause::Machine => "machine",
        },
        SessionFact::Left(left) => match left.cause {
            LeaveCause::Request => "request",
            LeaveCause::Silence => "silence",
            LeaveCause::Revoked => "revoked",
            LeaveCause::Maintenance => "maintenance",
        },
        SessionFact::Queued(_)
        | SessionFact::ProtocolChanged(_)
        | SessionFact::Moved(_)
        | SessionFact::TicketIssued(_)
        | SessionFact::DisplayArmed(_)
        | SessionFact::TicketSpent(_)
        | SessionFact::Disconnected(_) => return,
    };
    let Some(session) = fleet.sessions.get(id) else { return };
    let pool_name = match session.target {
        Target::Pool(pool) => fleet.pools.get(pool).map(|pool| pool.name.clone()),
        Target::Machine(_) => None,
    };
    let machine = session.machine();
    let ended = EndedSession {
        at,
        cause: cause.to_owned(),
        version: session.version.next(),
        subject: session.subject,
        target: session.target,
        pool_name,
        machine,
        machine_name: machine.and_then(|id| name_of(fleet, id)),
        protocol: session.protocol,
        ticket: session.ticket.number,
    };
    tell(key, Note::Ended(ended));
}

fn name_of(fleet: &Fleet, machine: MachineId) -> Option<Name> {
    fleet.machines.get(machine).map(|machine| machine.name.clone())
}

fn of_operation(
    id: CommandId,
    fact: &OperationFact,
    record: &Record,
    fleet: &Fleet,
    tell: &mut dyn FnMut(Key, Note),
) {
    let key = Key { kind: Kind::Operations, id: id.uuid() };
    let failed = |machine: MachineId, failure: &Failure, name: Option<&Name>| {
        Note::Failed(OperationFailure {
            machine,
            machine_name: name.cloned().or_else(|| name_of(fleet, machine)),
            code: failure.code.clone(),
            detail: failure.detail.clone(),
            would_lose: failure.would_lose.as_deref().cloned(),
        })
    };
    match fact {
        OperationFact::Accepted(accepted) => {
            let origin = &record.unit.origin;
            let accepted_memo = OperationMemo {
                name: accepted.name.clone(),
                actor: origin.actor.id,
                method: origin.actor.method.clone(),
                correlation: origin.correlation_id,
                position: record.position.0,
                finished: None,
                failures: Default::default(),
            };
            tell(key, Note::Accepted(accepted_memo));
            if accepted.task.is_none() {
                tell(key, Note::Finished(done_at_once(origin.at)));
            }
        }
        OperationFact::Advanced(advanced) => {
            for part in &advanced.failed {
                tell(key, failed(part.machine, &part.failure, part.name.as_ref()));
            }
        }
        OperationFact::PartEnded(ended) => match &ended.end {
            PartEnd::Failed(failure) => tell(key, failed(ended.machine, failure, None)),
            PartEnd::Done | PartEnd::Superseded | PartEnd::Cancelled => {}
        },
        OperationFact::Retried(_) => tell(key, Note::Retried),
        OperationFact::Finished(finished) => {
            tell(key, Note::Finished(finished_as(id, finished, record.unit.origin.at, fleet)));
        }
        OperationFact::Prepared(_)
        | OperationFact::CancelAdvanced(_)
        | OperationFact::PartBegun(_)
        | OperationFact::CancelRequested(_)
        | OperationFact::Forgotten(_) => {}
    }
}

/// It had nothing left to do when it was accepted.
fn done_at_once(at: Timestamp) -> FinishedOperation {
    FinishedOperation {
        at,
        outcome: carrel_model::operation::Outcome::Succeeded,
        version: Version(1),
        total: 0,
        done: 0,
        failed: 0,
        cancelled: 0,
        superseded: 0,
    }
}

fn finished_as(
    id: CommandId,
    finished: &Finished,
    at: Timestamp,
    fleet: &Fleet,
) -> FinishedOperation {
    let operation = fleet.operations.get(id);
    FinishedOperation {
        at,
        outcome: finished.outcome,
        version: operation.map_or(Version(1), |operation| operation.version.next()),
        total: operation.map_or(0, |operation| operation.total),
        done: finished.done,
        failed: finished.failed,
        cancelled: finished.cancelled,
        superseded: finished.superseded,
    }
}
