//! What facts make of a session, and of the machine that it is a claim on.

use super::{Owned, Session, State, Subject, Ticket, TicketState, Use};
use crate::event::SessionFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{MachineId, SessionId};
use crate::machine::Machine;
use crate::record::{Timestamp, Version};
use crate::version::latest::display::Protocol;
use crate::version::latest::session::{Granted, Ports, Target};

pub(crate) fn evolve(fleet: &mut Fleet, id: SessionId, fact: &Fact) {
    match fact {
        Fact::Queued(queued) => {
            fleet.next_place = fleet.next_place.max(queued.place.saturating_add(1));
            let state = State::Queued { place: queued.place };
            let session = asked(id, queued.subject, queued.target, queued.protocol, state);
            fleet.put(id, session);
        }
        Fact::ProtocolChanged(changed) => fleet.step::<Session>(id, |session| {
            session.protocol = changed.protocol;
        }),
        Fact::LeaseGranted(granted) => grant(fleet, id, granted),
        Fact::Moved(moved) => {
            let Some(session) = fleet.sessions.get(id) else { return };
            let (subject, before) = (session.subject, session.machine());
            if let Some(before) = before {
                let_go(fleet, id, before);
            }
            hold(fleet, id, subject, moved.machine);
            fleet.step::<Session>(id, |session| {
                if let State::Leased { machine, .. } = &mut session.state {
                    *machine = moved.machine;
                }
                session.ticket.state = TicketState::None;
                session.used = Use::NotYet;
                session.owned = Owned::NotBefore;
            });
        }
        Fact::TicketIssued(issued) => {
            fleet.step::<Session>(id, |session| {
                session.ticket = Ticket {
                    number: issued.ticket,
                    state: TicketState::Issued,
                    expires_at: issued.expires_at,
                    ports: Ports::default(),
                };
                session.protocol = issued.protocol;
            });
            display_changed(fleet, id);
        }
        Fact::DisplayArmed(armed) => fleet.step::<Session>(id, |session| {
            session.used = Use::Begun;
            mark(session, armed.ticket, TicketState::Armed);
            session.ticket.expires_at = armed.expires_at;
            session.ticket.ports = armed.ports;
        }),
        Fact::TicketSpent(spent) => fleet.step::<Session>(id, |session| {
            mark(session, spent.ticket, TicketState::Spent);
        }),
        Fact::Disconnected(_) => {
            fleet.step::<Session>(id, |session| session.ticket.state = TicketState::None);
            display_changed(fleet, id);
        }
        Fact::LeaseEnded(_) | Fact::Left(_) => {
            let session = fleet.take::<Session>(id);
            if let Some(machine) = session.and_then(|session| session.machine()) {
                let_go(fleet, id, machine);
            }
        }
    }
}

fn asked(
    id: SessionId,
    subject: Subject,
    target: Target,
    protocol: Protocol,
    state: State,
) -> Session {
    let ticket = Ticket {
        number: 0,
        state: TicketState::None,
        expires_at: Timestamp(0),
        ports: Ports::default(),
    };
    Session {
        id,
        version: Version(1),
        subject,
        target,
        protocol,
        state,
        ticket,
        used: Use::NotYet,
        owned: Owned::NotBefore,
        counts_for: Vec::new(),
    }
}

fn grant(fleet: &mut Fleet, id: SessionId, granted: &Granted) {
    let state = State::Leased {
        machine: granted.machine,
        return_after_seconds: granted.return_after_seconds,
    };
    let machine = fleet.machines.get(granted.machine);
    let owns = machine.is_some_and(|machine| machine.owners.contains(&granted.subject));
    let owned = if owns { Owned::Before } else { Owned::NotBefore };
    if fleet.sessions.contains(id) {
        fleet.step::<Session>(id, |session| {
            session.state = state;
            session.owned = owned;
            session.protocol = granted.protocol;
            session.counts_for = granted.counts_for.clone();
        });
    } else {
        let mut session = asked(id, granted.subject, granted.target, granted.protocol, state);
        session.counts_for = granted.counts_for.clone();
        session.owned = owned;
        fleet.put(id, session);
    }
    hold(fleet, id, granted.subject, granted.machine);
}

fn hold(fleet: &mut Fleet, id: SessionId, subject: Subject, machine: MachineId) {
    fleet.change::<Machine>(machine, |machine| {
        machine.leases.push(id);
        if !machine.is_external() {
            machine.written = Some(subject);
            if machine.keeps_writes() && !machine.at_rest() {
                machine.kept = Some(subject);
            }
        }
    });
}

/// Its viewers are cut off.
fn let_go(fleet: &mut Fleet, id: SessionId, machine: MachineId) {
    fleet.change::<Machine>(machine, |machine| {
        machine.leases.retain(|lease| *lease != id);
        machine.generation += 1;
    });
}

/// The ticket is part of what the machine's display shall be.
fn display_changed(fleet: &mut Fleet, id: SessionId) {
    let machine = fleet.sessions.get(id).and_then(Session::machine);
    if let Some(machine) = machine {
        fleet.change::<Machine>(machine, |machine| machine.generation += 1);
    }
}

fn mark(session: &mut Session, ticket: u32, state: TicketState) {
    if session.ticket.number == ticket {
        session.ticket.state = state;
    }
}
