//! Somebody asks for a desktop, and asks again until they have it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choose::{Chosen, choose};
use super::claim::{Claim, is_entitled, is_within_limits, own_in, protocols};
use super::in_vain::in_vain;
use super::lease::{SESSIONS_OF_ONE_MAX, Viewer, grant, issue_ticket, queue};
use super::serve::{Queue, ROOM_TO_SERVE, is_closed, serve_one, serve_queue};
use super::{Session, Subject, Target};
use crate::client::rejection::Rejection as Person;
use crate::deciding::{Decide, Deciding};
use crate::event::SessionFact;
use crate::fleet::Fleet;
use crate::ids::{MachineId, PoolId, SessionId, TerminalId};
use crate::machine::Machine;
use crate::people::{Form, Plain, Seal, SealCommand, Sealed, SealedPersonRef};
use crate::pool::rejection::Rejection as Refused;
use crate::pool::{Mode, Pool};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::terminal::Terminal;
use crate::version::latest::display::Protocol;
use crate::version::latest::session::ProtocolChanged;

/// What the viewer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A program on the device, which speaks with the host itself.
    #[default]
    Native,
    /// A browser, which Carrel passes the display on to.
    Browser,
}

impl Via {
    /// Only browsers show VNC.
    fn can_show(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Vnc => self == Self::Browser,
            Protocol::Spice | Protocol::Rdp => true,
        }
    }
}

/// Asks for a desktop: a machine of a pool, or one machine that was assigned.
///
/// Whoever asks again while they have it or wait for it gets the current state; from another
/// terminal, too. Nothing is appended as long as their ticket can still be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "RequestDesktop", bound = "")]
pub struct RequestDesktop<F: Form = Sealed> {
    /// Who asks. Without a person, the terminal itself does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<F::Person>,
    /// Where they sit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Ref<TerminalId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Ref<PoolId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Ref<MachineId>>,
    /// The best that the machine and the viewer have in common, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    #[serde(default)]
    pub via: Via,
    /// The address of the viewer. Kept only if a person asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<F::Personal>,
}

impl SealCommand for RequestDesktop<Plain> {
    type Sealed = RequestDesktop;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<RequestDesktop, S::Error> {
        let source = match (&self.client, &self.source) {
            (Some(client), Some(source)) => {
                let person = seal.person(client)?;
                Some(seal.personal(person, source)?)
            }
            (None, _) | (_, None) => None,
        };
        Ok(RequestDesktop {
            client: self.client.map(|client| seal.reference(&client)).transpose()?,
            terminal: self.terminal,
            pool: self.pool,
            machine: self.machine,
            protocol: self.protocol,
            via: self.via,
            source,
        })
    }
}

impl Decide for RequestDesktop {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let terminal = match &self.terminal {
            Some(terminal) => Some(deciding.find::<Terminal>(terminal)?.0),
            None => None,
        };
        let subject = who(deciding, self.client.as_ref(), terminal)?;
        if let (Some(source), Subject::Client(client)) = (&self.source, subject) {
            source.is_of(client.uuid())?;
        }
        let target = self.target(deciding)?;
        if !is_entitled(&deciding.fleet, subject, target) {
            return Err(Refused::NothingAssigned.into());
        }
        let viewer = |protocol| Viewer { protocol, terminal, source: self.source.clone() };
        if let Some(session) = current(&deciding.fleet, subject, target) {
            if session.is_queued() && in_vain(&deciding.fleet, &session.claim()) {
                return Err(Refused::InMaintenance.into());
            }
            let protocol = self.protocol_again(&deciding.fleet, &session)?;
            if session.is_queued() && session.protocol != protocol {
                let changed = ProtocolChanged { protocol };
                deciding.fact(session.id, SessionFact::ProtocolChanged(changed));
            }
            again(deciding, &session);
            issue_ticket(deciding, session.id, viewer(protocol));
            return Ok(());
        }
        has_room_for_more(&deciding.fleet, subject)?;
        can_be_served(&deciding.fleet, subject, target)?;
        let protocol = self.protocol(&deciding.fleet, subject, target)?;
        let claim = Claim { subject, target, protocol };
        let id = ask(deciding, &claim);
        issue_ticket(deciding, id, viewer(protocol));
        Ok(())
    }
}

/// The person who asks, or the terminal.
fn who(
    deciding: &Deciding<'_>,
    client: Option<&SealedPersonRef>,
    terminal: Option<TerminalId>,
) -> Result<Subject, Rejection> {
    let Some(client) = client else {
        let nobody = || Refused::NobodyAsks.into();
        return terminal.map(Subject::Terminal).ok_or_else(nobody);
    };
    let (id, client) = deciding.find_client(client)?;
    if client.blocked {
        return Err(Person::Blocked.into());
    }
    Ok(Subject::Client(id))
}

fn has_room_for_more(fleet: &Fleet, subject: Subject) -> Result<(), Refused> {
    let most = SESSIONS_OF_ONE_MAX;
    let has_room = fleet.sessions_of(subject).count() < most;
    if has_room { Ok(()) } else { Err(Refused::HasEnough { most }) }
}

/// What they have or wait for already. Their own machine is the same one, whether they ask for it
/// or for its pool.
fn current(fleet: &Fleet, subject: Subject, target: Target) -> Option<Session> {
    let is_that = |session: &&Session| {
        let machine = session.machine();
        let pool = || machine.and_then(|it| fleet.machines.get(it)).and_then(|it| it.pool);
        match target {
            _ if session.target == target => true,
            Target::Machine(id) => machine == Some(id),
            Target::Pool(id) => pool() == Some(id),
        }
    };
    let sessions = fleet.sessions_of(subject).filter_map(|id| fleet.sessions.get(id));
    // A machine that they have goes before a place in a queue.
    let mut those: Vec<&Session> = sessions.filter(is_that).collect();
    those.sort_by_key(|session| session.is_queued());
    those.first().map(|session| (*session).clone())
}

/// Whoever waits may be served now, after those who wait longer.
fn again(deciding: &mut Deciding<'_>, session: &Session) {
    if !session.is_queued() {
        return;
    }
    match session.target {
        Target::Pool(pool) if own_in(&deciding.fleet, session.subject, pool).next().is_none() => {
            serve_queue(deciding, pool, usize::MAX);
        }
        Target::Pool(_) | Target::Machine(_) => {
            serve_one(deciding, session.id);
        }
    }
}

/// A machine for somebody who comes now, or a place behind all who wait.
fn ask(deciding: &mut Deciding<'_>, claim: &Claim) -> SessionId {
    let own = match claim.target {
        Target::Pool(pool) => own_in(&deciding.fleet, claim.subject, pool).next().is_some(),
        Target::Machine(_) => true,
    };
    let queue_before_them = match claim.target {
        Target::Pool(pool) if !own => serve_queue(deciding, pool, usize::MAX),
        Target::Pool(_) | Target::Machine(_) => Queue::Satisfied,
    };
    let fits = deciding.room() >= ROOM_TO_SERVE && is_within_limits(&deciding.fleet, claim);
    if queue_before_them != Queue::Waiting
        && fits
        && let Chosen::Machine(machine) = choose(deciding, claim)
    {
        return grant(deciding, claim, None, machine);
    }
    queue(deciding, claim)
}

/// Nobody is refused because things are busy; only when waiting would lead to nothing.
fn can_be_served(fleet: &Fleet, subject: Subject, target: Target) -> Result<(), Refused> {
    if is_closed(fleet, target) {
        return Err(Refused::Closed);
    }
    let in_maintenance = |id: &MachineId| {
        fleet.machines.get(*id).is_some_and(|machine| !machine.maintenance.is_empty())
    };
    let owned: Vec<MachineId> = match target {
        Target::Machine(machine) => vec![machine],
        Target::Pool(pool) => own_in(fleet, subject, pool).collect(),
    };
    if !owned.is_empty() {
        let all = owned.iter().all(in_maintenance);
        return if all { Err(Refused::InMaintenance) } else { Ok(()) };
    }
    let Target::Pool(id) = target else { return Ok(()) };
    let tally = fleet.tally(id);
    let dedicated = fleet.pools.get(id).is_some_and(|it| it.settings.mode == Mode::Dedicated);
    match tally.total() {
        0 => Err(Refused::EmptyPool),
        all if all == tally.maintenance => Err(Refused::InMaintenance),
        _ if dedicated => Err(Refused::NothingAssigned),
        _ => Ok(()),
    }
}

/// So many machines of a pool are asked for their protocols: they are mostly alike.
const ASKED_FOR_PROTOCOLS_MAX: usize = 16;

/// The machines whose protocols can be had.
fn in_question(
    fleet: &Fleet,
    subject: Subject,
    target: Target,
) -> Box<dyn Iterator<Item = MachineId> + '_> {
    match target {
        Target::Machine(machine) => Box::new(std::iter::once(machine)),
        Target::Pool(pool) => {
            let mut own = own_in(fleet, subject, pool).peekable();
            if own.peek().is_some() {
                return Box::new(own);
            }
            Box::new(fleet.in_pool_after(pool, None).take(ASKED_FOR_PROTOCOLS_MAX))
        }
    }
}

impl RequestDesktop {
    fn target(&self, deciding: &Deciding<'_>) -> Result<Target, Rejection> {
        match (&self.pool, &self.machine) {
            (Some(pool), None) => Ok(Target::Pool(deciding.find::<Pool>(pool)?.0)),
            (None, Some(machine)) => Ok(Target::Machine(deciding.find::<Machine>(machine)?.0)),
            (Some(_), Some(_)) | (None, None) => Err(Refused::PoolOrMachine.into()),
        }
    }

    /// What is asked for, if it can be had; or the best that can.
    fn protocol(
        &self,
        fleet: &Fleet,
        subject: Subject,
        target: Target,
    ) -> Result<Protocol, Rejection> {
        let wanted: &[Protocol] = match &self.protocol {
            Some(protocol) => std::slice::from_ref(protocol),
            None => &[Protocol::Spice, Protocol::Rdp, Protocol::Vnc],
        };
        let mut best = None;
        for id in in_question(fleet, subject, target) {
            let Some(machine) = fleet.machines.get(id) else { continue };
            let has = |protocol: &Protocol| {
                self.via.can_show(*protocol) && protocols(machine).contains(protocol)
            };
            let rank = wanted.iter().position(has);
            best = [best, rank].into_iter().flatten().min();
            if best == Some(0) {
                break;
            }
        }
        let best = best.and_then(|rank| wanted.get(rank)).copied();
        best.ok_or_else(|| Refused::ProtocolUnavailable.into())
    }

    fn protocol_again(&self, fleet: &Fleet, session: &Session) -> Result<Protocol, Rejection> {
        let can_go_on = self.via.can_show(session.protocol);
        if can_go_on && self.protocol.is_none_or(|protocol| protocol == session.protocol) {
            return Ok(session.protocol);
        }
        let target = session.machine().map_or(session.target, Target::Machine);
        self.protocol(fleet, session.subject, target)
    }
}
