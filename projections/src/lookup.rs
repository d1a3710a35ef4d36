//! What a person may use now, asked of the fleet itself.
//!
//! A thin client asks this each time that somebody signs in, so it never looks at other people or
//! at machines that are not theirs: it costs a step in an index for each desktop of theirs, and one
//! for each pool there is and each group that holds one. Their number doesn't grow with the number
//! of people.

use std::collections::BTreeSet;

use carrel_model::fleet::{Fleet, Tally};
use carrel_model::ids::{ClientId, FromUuid, GroupId, MachineId, PoolId, SessionId};
use carrel_model::machine::{Kind, Machine, State};
use carrel_model::pool::{Holder, Mode, Pool};
use carrel_model::session::{Session, Subject, Target};
use carrel_model::version::latest::display::Protocol;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// Something that a person can connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Desktop {
    /// Of the pool, or of the machine.
    pub id: Uuid,
    pub name: String,
    pub kind: DesktopKind,
    pub state: DesktopState,
    /// It was assigned to them, or they have it now.
    pub mine: bool,
    /// How many machines could be had now.
    pub available: u32,
    pub protocols: BTreeSet<Protocol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DesktopKind {
    Pool,
    Machine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DesktopState {
    /// One is free.
    Available,
    /// None is free now; whoever asks waits.
    Busy,
    /// They wait for one.
    Queued,
    /// Theirs is off, and starts when they connect.
    Off,
    Starting,
    Running,
    Paused,
    /// It goes off or gets fresh disks.
    Stopping,
    /// Its host is not heard.
    Unknown,
    Maintenance,
    /// By the pool's calendar.
    Closed,
    /// A pool without machines.
    Empty,
}

/// The desktops of a person: pools by name, then machines of their own by name. Nothing for
/// whoever is blocked.
pub fn desktops(fleet: &Fleet, client: ClientId) -> Vec<Desktop> {
    if fleet.clients.get(client).is_none_or(|client| client.blocked) {
        return Vec::new();
    }
    let subject = Subject::Client(client);
    let owned: Vec<&Machine> =
        fleet.owned_by(subject).filter_map(|id| fleet.machines.get(id)).collect();
    let sessions: Vec<&Session> =
        fleet.sessions_of(subject).filter_map(|id| fleet.sessions.get(id)).collect();
    let theirs = Theirs { fleet, owned, sessions };
    let held = fleet.pools.iter().filter(|(_, pool)| theirs.may_use(client, pool));
    let mut desktops: Vec<Desktop> = held.map(|(_, pool)| theirs.pool(pool)).collect();
    let alone = theirs.owned.iter().filter(|machine| machine.pool.is_none());
    desktops.extend(alone.map(|machine| theirs.machine(machine)));
    desktops.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    desktops
}

/// What one person has.
struct Theirs<'a> {
    fleet: &'a Fleet,
    owned: Vec<&'a Machine>,
    sessions: Vec<&'a Session>,
}

impl Theirs<'_> {
    fn may_use(&self, client: ClientId, pool: &Pool) -> bool {
        pool.holders.contains(&Holder::Client(client))
            || groups_of(pool).any(|group| self.is_member(client, group))
            || self.owned.iter().any(|machine| machine.pool == Some(pool.id))
    }

    fn is_member(&self, client: ClientId, group: GroupId) -> bool {
        let by_directory =
            || self.fleet.clients.get(client).is_some_and(|it| it.groups.contains(&group));
        let group_there = self.fleet.groups.get(group);
        group_there.is_some_and(|it| it.members.contains(&client) || by_directory())
    }

    fn session_in(&self, target: Target) -> Option<&Session> {
        self.sessions.iter().copied().find(|session| session.target == target)
    }

    fn pool(&self, pool: &Pool) -> Desktop {
        let session = self.session_in(Target::Pool(pool.id));
        let leased = session.and_then(Session::machine);
        let own = self.owned.iter().find(|machine| machine.pool == Some(pool.id)).copied();
        let theirs = leased.and_then(|id| self.fleet.machines.get(id)).or(own);
        let tally = self.fleet.index.tally.get(&pool.id);
        let free = tally.map_or(0, |tally| tally.ready + tally.running + tally.stopped);
        // Of a dedicated pool nobody gets what was not assigned to them.
        let available = match (pool.settings.mode, own) {
            (_, Some(own)) => u32::from(can_be_had(own)),
            (Mode::Dedicated, None) => 0,
            (Mode::Floating | Mode::Sticky, None) => free,
        };
        let all = tally.map_or(0, Tally::total);
        let in_maintenance = tally.map_or(0, |tally| tally.maintenance);
        let state = match (theirs, session.is_some_and(Session::is_queued)) {
            (_, true) => DesktopState::Queued,
            (Some(machine), false) => self.state(machine),
            (None, false) if pool.closed() => DesktopState::Closed,
            (None, false) if all == 0 => DesktopState::Empty,
            (None, false) if all == in_maintenance => DesktopState::Maintenance,
            (None, false) if available > 0 => DesktopState::Available,
            (None, false) => DesktopState::Busy,
        };
        let seen = theirs.or_else(|| self.one_of(pool.id));
        Desktop {
            id: pool.id.uuid(),
            name: pool.name.to_string(),
            kind: DesktopKind::Pool,
            state,
            mine: theirs.is_some(),
            available,
            protocols: seen.map(protocols).unwrap_or_default(),
        }
    }

    /// Machines of one pool are seen alike; whoever gets another kind is told when they connect.
    fn one_of(&self, pool: PoolId) -> Option<&Machine> {
        let first = self.fleet.in_pool_after(pool, None).next();
        first.and_then(|id: MachineId| self.fleet.machines.get(id))
    }

    fn machine(&self, machine: &Machine) -> Desktop {
        let waits = self.session_in(Target::Machine(machine.id)).is_some_and(Session::is_queued);
        Desktop {
            id: machine.id.uuid(),
            name: machine.name.to_string(),
            kind: DesktopKind::Machine,
            state: if waits { DesktopState::Queued } else { self.state(machine) },
            mine: true,
            available: u32::from(can_be_had(machine)),
            protocols: protocols(machine),
        }
    }

    fn state(&self, machine: &Machine) -> DesktopState {
        if !machine.maintenance.is_empty() {
            return DesktopState::Maintenance;
        }
        match self.fleet.state_of(machine) {
            _ if machine.being_renewed() => DesktopState::Stopping,
            State::Off | State::Crashed => DesktopState::Off,
            State::Starting => DesktopState::Starting,
            State::Running if machine.is_ready() || machine.is_external() => DesktopState::Running,
            State::Running => DesktopState::Starting,
            State::Paused(_) | State::Asleep => DesktopState::Paused,
            State::Stopping => DesktopState::Stopping,
            State::Unknown => DesktopState::Unknown,
        }
    }
}

fn groups_of(pool: &Pool) -> impl Iterator<Item = GroupId> {
    let groups = pool.holders.range(Holder::Group(GroupId::from_uuid(Uuid::nil()))..);
    groups.filter_map(|holder| match holder {
        Holder::Group(group) => Some(*group),
        Holder::Client(_) => None,
    })
}

fn can_be_had(machine: &Machine) -> bool {
    machine.maintenance.is_empty() && !machine.is_busy() && !machine.being_renewed()
}

/// How a machine can be seen.
pub(crate) fn protocols(machine: &Machine) -> BTreeSet<Protocol> {
    match &machine.kind {
        Kind::External(external) => external.protocols.clone(),
        Kind::Simple | Kind::Source | Kind::Initial { .. } | Kind::Vdi { .. } => {
            machine.settings.display.protocols.clone()
        }
    }
}

/// The session that somebody has or waits in for a pool or a machine.
pub fn session_for(fleet: &Fleet, subject: Subject, target: Target) -> Option<SessionId> {
    let mut sessions = fleet.sessions_of(subject);
    sessions.find(|id| fleet.sessions.get(*id).is_some_and(|session| session.target == target))
}
