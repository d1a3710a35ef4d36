//! How a lease begins and ends, and the tickets in between.

use super::choose::reset_of;
use super::claim::{Claim, is_entitled, limited_groups};
use super::{EndCause, LeaveCause, Session, State, Subject, Target};
use crate::deciding::{Deciding, Touched};
use crate::event::{MachineFact, SessionFact as Fact};
use crate::fleet::Fleet;
use crate::ids::{MachineId, SessionId, TerminalId};
use crate::machine::power;
use crate::pool::{Mode, Reset};
use crate::renewal;
use crate::sealed::SealedBox;
use crate::version::latest::Nothing;
use crate::version::latest::display::Protocol;
use crate::version::latest::machine::Assigned;
use crate::version::latest::session::{Ended, Granted, Left, Queued, TicketIssued};

/// Five minutes, as for a pool that says nothing else: time to walk to another terminal.
const RETURN_AFTER_SECONDS: u32 = 300;

/// A display takes a ticket when its machine has been started, which a host is given three minutes
/// for, and five are enough for a host that has much to do. Whoever asks after that gets another.
const TICKET_ISSUED_SECONDS: u32 = 300;
/// The viewer is open already, or opens as soon as it hears of the display: a minute is much.
pub(super) const TICKET_ARMED_SECONDS: u32 = 60;

/// Gives a machine to somebody; to a session that waits, if there is one.
pub(super) fn grant(
    deciding: &mut Deciding<'_>,
    claim: &Claim,
    waiting: Option<SessionId>,
    machine: MachineId,
) -> SessionId {
    let id = waiting.unwrap_or_else(|| deciding.fresh());
    let pool = match claim.target {
        Target::Pool(pool) => deciding.fleet.pools.shared(pool),
        Target::Machine(_) => None,
    };
    let return_after_seconds =
        pool.as_ref().map_or(RETURN_AFTER_SECONDS, |pool| pool.settings.return_after_seconds);
    deciding.fact(
        id,
        Fact::LeaseGranted(Granted {
            subject: claim.subject,
            target: claim.target,
            protocol: claim.protocol,
            machine,
            return_after_seconds,
            counts_for: limited_groups(&deciding.fleet, claim.subject),
        }),
    );
    let granted = deciding.fleet.machines.get(machine);
    let owners = granted.map(|machine| machine.owners.clone());
    if granted.is_some_and(|machine| machine.leases.len() == 1) {
        power::wake(deciding, machine);
    }
    renewal::tell_newcomer(deciding, machine);
    let is_new = owners.is_some_and(|owners| !owners.contains(&claim.subject));
    if is_new && pool.is_some_and(|pool| pool.settings.mode == Mode::Sticky) {
        deciding.fact(machine, MachineFact::Assigned(Assigned { subject: claim.subject }));
    }
    id
}

/// Gives somebody a place behind all who wait.
pub(super) fn queue(deciding: &mut Deciding<'_>, claim: &Claim) -> SessionId {
    let id: SessionId = deciding.fresh();
    let place = deciding.fleet.next_place;
    let Claim { subject, target, protocol } = *claim;
    deciding.fact(id, Fact::Queued(Queued { subject, target, protocol, place }));
    id
}

/// Ends what somebody has or waits for.
pub(crate) fn end(deciding: &mut Deciding<'_>, id: SessionId, cause: EndCause) {
    let Some(session) = deciding.fleet.sessions.shared(id) else { return };
    match session.state {
        State::Leased { machine, .. } => {
            deciding.fact(id, Fact::LeaseEnded(Ended { cause }));
            make_clean(deciding, machine);
            look_at_others_of(deciding, &session);
        }
        State::Queued { .. } => leave(
            deciding,
            id,
            match cause {
                EndCause::Request | EndCause::Guest => LeaveCause::Request,
                EndCause::Silence => LeaveCause::Silence,
                EndCause::Revoked | EndCause::Machine => LeaveCause::Revoked,
            },
        ),
    }
}

/// Takes somebody's place in a queue away.
pub(super) fn leave(deciding: &mut Deciding<'_>, id: SessionId, cause: LeaveCause) {
    let Some(session) = deciding.fleet.sessions.shared(id) else { return };
    deciding.fact(id, Fact::Left(Left { cause }));
    look_at_others_of(deciding, &session);
}

/// So many sessions end in one decision, if no operation waits for their machines: half of it is
/// left for what made them end.
pub(crate) const ENDED_AT_ONCE_MAX: usize = 16;
/// A session's end can need a reset, serve somebody who waits and start a spare.
const FACTS_OF_AN_END: usize = 8;

/// Facts that can follow from the end of a session. If its machine goes off for that, every
/// operation that waits for the machine may be over, which takes two facts each.
pub(crate) fn facts_of_an_end(fleet: &Fleet, id: SessionId) -> usize {
    let machine = fleet.sessions.get(id).and_then(Session::machine);
    FACTS_OF_AN_END + machine.map_or(0, |machine| 2 * fleet.parts_on(machine).count())
}

/// Sessions that end together, as many as one decision can take with all that follows.
#[derive(Debug)]
pub(crate) struct Ending {
    sessions: Vec<SessionId>,
    room: usize,
}

impl Ending {
    /// Together with what follows they take so many facts at most.
    pub(crate) fn within(room: usize) -> Self {
        Self { sessions: Vec::new(), room }
    }

    /// False: it has to wait for another decision.
    pub(crate) fn add(&mut self, fleet: &Fleet, session: SessionId) -> bool {
        let left = self.room.checked_sub(facts_of_an_end(fleet, session));
        let Some(left) = left.filter(|_| self.sessions.len() < ENDED_AT_ONCE_MAX) else {
            return false;
        };
        self.room = left;
        self.sessions.push(session);
        true
    }

    pub(crate) fn end(self, deciding: &mut Deciding<'_>, cause: EndCause) {
        end_those(deciding, self.sessions, cause);
    }
}

/// Ends sessions that hang on one thing, as many as a decision can. To be called once in a
/// decision.
pub(crate) fn end_those(
    deciding: &mut Deciding<'_>,
    sessions: impl IntoIterator<Item = SessionId>,
    cause: EndCause,
) {
    for session in sessions.into_iter().take(ENDED_AT_ONCE_MAX) {
        end(deciding, session, cause);
    }
}

/// So many desktops and places in queues one person or terminal has, so that one decision can end
/// them all: nobody keeps what they have lost the right to.
pub(crate) const SESSIONS_OF_ONE_MAX: usize = ENDED_AT_ONCE_MAX;

/// Ends what somebody has or waits for without a right to it. Where that doesn't fit into a
/// decision their viewers are cut off: they can't come back, and the lease ends when nobody is seen
/// any more.
pub(crate) fn end_without_right(deciding: &mut Deciding<'_>, subject: Subject) {
    let fleet = &deciding.fleet;
    let has_no_right = |session: &SessionId| {
        let session = fleet.sessions.get(*session);
        session.is_some_and(|session| !is_entitled(fleet, subject, session.target))
    };
    let without: Vec<_> = fleet.sessions_of(subject).filter(has_no_right).collect();
    let mut ending = Ending::within(deciding.room().saturating_sub(SESSIONS_OF_ONE_MAX + 1));
    let (_, later): (Vec<_>, Vec<_>) =
        without.into_iter().partition(|session| ending.add(&deciding.fleet, *session));
    for session in later {
        deciding.fact(session, Fact::Disconnected(Nothing {}));
    }
    ending.end(deciding, EndCause::Revoked);
}

/// A person who has fewer desktops now may be within their limits again.
fn look_at_others_of(deciding: &mut Deciding<'_>, ended: &Session) {
    let others: Vec<Target> = deciding
        .fleet
        .sessions_of(ended.subject)
        .filter_map(|id| deciding.fleet.sessions.get(id))
        .filter(|session| session.is_queued())
        .map(|session| session.target)
        .collect();
    for target in others {
        deciding.look_at(match target {
            Target::Pool(pool) => Touched::Pool(pool),
            Target::Machine(machine) => Touched::Machine(machine),
        });
    }
}

/// Facts that follow when a machine is to be made clean: that begins, and its power is cut or a
/// host makes the overlay; or that fails, and a reset is asked for in its place.
const FACTS_AFTER_A_RESET: usize = 4;

/// Makes a machine clean, with room left for what follows. Every operation that waits for the
/// machine may be over with that, which takes two facts each.
pub(super) fn reset(deciding: &mut Deciding<'_>, id: MachineId) {
    deciding.leave_room(FACTS_AFTER_A_RESET + 2 * deciding.fleet.parts_on(id).count());
    renewal::reset(deciding, id);
}

/// A machine that was used is made clean in the background, if its pool says so. What it is going
/// to get anyway makes it clean, too.
pub(super) fn make_clean(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.get(id) else { return };
    let when = reset_of(&deciding.fleet, machine);
    let used = machine.written.is_some() && machine.leases.is_empty();
    let free_to = !machine.deleting && machine.renewal.is_none();
    if used && free_to && when == Reset::OnRelease {
        reset(deciding, id);
    }
}

/// Where somebody sits, and how they want to see their desktop.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) protocol: Protocol,
    pub(super) terminal: Option<TerminalId>,
    pub(super) source: Option<SealedBox>,
}

/// A session with a machine gets a ticket, unless it has one that a viewer can still come with.
/// Passwords of external machines are not Carrel's.
pub(super) fn issue_ticket(deciding: &mut Deciding<'_>, id: SessionId, viewer: Viewer) {
    let Some(session) = deciding.fleet.sessions.get(id) else { return };
    let machine = session.machine().and_then(|machine| deciding.fleet.machines.get(machine));
    let Some(machine) = machine else { return };
    let can_be_used =
        session.ticket.state.is_unspent() && deciding.now() < session.ticket.expires_at;
    let has_one = can_be_used && session.protocol == viewer.protocol;
    if machine.is_external() || has_one {
        return;
    }
    let ticket = session.ticket.number.saturating_add(1);
    let Viewer { protocol, terminal, source } = viewer;
    let expires_at = deciding.now().plus_seconds(TICKET_ISSUED_SECONDS);
    let issued = TicketIssued { ticket, protocol, expires_at, source, terminal };
    deciding.fact(id, Fact::TicketIssued(issued));
}
