//! Ways to find things other than by their ids.
//!
//! Each entry is a function of one thing alone ([`Thing::keys`]), so that the whole can be checked
//! against one made from scratch, and no decision has to remember to keep it.

/// What every thing's [`Thing`] has, but for where it stands.
macro_rules! same_for_all {
    ($id:ty, $table:ident) => {
        type Id = $id;

        fn version(&self) -> Version {
            self.version
        }

        fn version_mut(&mut self) -> &mut Version {
            &mut self.version
        }

        fn table(fleet: &Fleet) -> &Table<Self> {
            &fleet.$table
        }

        fn table_mut(fleet: &mut Fleet) -> &mut Table<Self> {
            &mut fleet.$table
        }
    };
}

mod alike;
mod grouped;
mod machine;
mod other;
mod session;

pub use grouped::Grouped;
pub use machine::Yields;

use std::fmt::Debug;

use imbl::{OrdMap, OrdSet};
use smol_str::SmolStr;
use uuid::Uuid;

use super::{Fleet, Table, Thing};
use crate::client::Provider;
use crate::hash::KeyedHash;
use crate::ids::{
    AdminId, ClientId, CommandId, GroupId, HypervisorId, ImageId, LabId, MachineId, PoolId,
    SessionId, StorageId, TerminalId, TokenId,
};
use crate::mac::Mac;
use crate::machine::{Base, Reservation, Subject};
use crate::name::{Counter, Name};
use crate::record::Timestamp;
use crate::session::Target;
use crate::version::latest::admin::Bearer;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    /// Who has a name.
    pub names: OrdMap<(Space, SmolStr), Uuid>,
    pub clients: OrdMap<(Provider, KeyedHash), ClientId>,
    pub admins: OrdMap<KeyedHash, AdminId>,
    pub tokens: OrdMap<KeyedHash, TokenId>,
    pub tokens_of: OrdSet<(Bearer, TokenId)>,
    pub macs: OrdMap<Mac, MachineId>,

    /// The children of an initial.
    pub children: Grouped<MachineId, MachineId>,
    pub in_pool: Grouped<PoolId, MachineId>,
    /// What a host is responsible for, has yet to let go, or is about to get.
    pub on_host: Grouped<HypervisorId, MachineId>,
    /// What stands on a version.
    pub on_image: Grouped<ImageId, MachineId>,
    /// What is to stand on a version, or still does with the disk that a renewal replaces.
    pub awaiting_image: Grouped<ImageId, MachineId>,
    /// On how many disks' and later versions' files a file of a version has to bear.
    pub stood_on: OrdMap<Base, u32>,
    /// Copies that are being made of a machine.
    pub copying: OrdSet<(MachineId, MachineId)>,
    pub owned: OrdSet<(Subject, MachineId)>,
    /// What can be given to somebody, best first.
    pub free: Grouped<PoolId, Free>,
    pub tally: OrdMap<PoolId, Tally>,
    /// Since when machines that nobody uses are running.
    pub idle_since: Grouped<PoolId, (Timestamp, MachineId)>,
    /// What soon takes nothing of its host any more, or need not.
    pub yielding: Grouped<HypervisorId, (Yields, MachineId)>,
    /// What no host had room for when its first boot was to begin, by the version that it boots.
    pub waiting: Grouped<ImageId, MachineId>,
    /// What hosts have promised.
    pub usage: OrdMap<HypervisorId, Usage>,
    /// What hosts that get new machines have to give: memory in MiB, and vCPUs.
    pub capacity: OrdMap<HypervisorId, (u64, u64)>,
    /// The same hosts, those first that have promised the smallest part of it.
    pub roomiest: OrdSet<(u32, HypervisorId)>,
    /// What throwaway overlays may take, in MiB.
    pub volatile: OrdMap<StorageId, u64>,

    pub versions: OrdSet<(MachineId, u32, ImageId)>,
    pub tags: OrdMap<(MachineId, Name), ImageId>,

    pub sessions_of: OrdSet<(Subject, SessionId)>,
    pub sessions_in: OrdSet<(Target, SessionId)>,
    pub queue: OrdMap<(Target, u64), SessionId>,
    /// How many leases count for a limit.
    pub leases: OrdMap<Counted, u32>,

    /// Operations that wait for something of a machine.
    pub parts: OrdSet<(MachineId, CommandId)>,
    /// Operations that have yet to make machines whose names are taken.
    pub making: OrdSet<CommandId>,
    /// Operations that wait for a version to be sealed.
    pub after_seal: OrdSet<(ImageId, CommandId)>,
    pub terminals_in: OrdSet<(LabId, TerminalId)>,

    /// What will happen by itself, and when.
    pub times: OrdSet<(Timestamp, Due)>,
    /// What will happen when nothing is heard for so many seconds.
    pub silences: OrdMap<Silence, u32>,
}

/// Names are unique within one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    Hypervisor,
    Storage,
    Network,
    Media,
    Template,
    Machine,
    Pool,
    Group,
    Lab,
    Terminal,
}

/// A machine of a pool that can be given to somebody. The order is the order of choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Free {
    pub rank: Rank,
    /// The host of a machine that is on, the storage of one that is off: what is wrong with it is
    /// wrong for all that follow with the same one.
    pub near: Uuid,
    /// The same for all that can be placed and seen alike: where no host takes one, none takes
    /// another.
    pub alike: u64,
    /// The host that one that is off was on last, and has to hear of it if it is to go to another.
    pub on: Uuid,
    pub machine: MachineId,
}

const LAST: Uuid = Uuid::max();

impl Free {
    /// Stands before all of a rank.
    pub fn before(rank: Rank) -> Self {
        let nil = Uuid::nil();
        Self { rank, near: nil, alike: 0, on: nil, machine: MachineId::new(nil) }
    }

    /// Behind all on the same host, or on the same storage.
    pub(crate) fn last_near(self) -> Self {
        Self { alike: u64::MAX, ..self.last_alike() }
    }

    /// Behind all that are alike and near.
    pub(crate) fn last_alike(self) -> Self {
        Self { on: LAST, ..self.last_on() }
    }

    /// Behind all that are alike and were on the same host last.
    pub(crate) fn last_on(self) -> Self {
        Self { machine: MachineId::new(LAST), ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Ready,
    Running,
    Stopped,
    /// Somebody has used it and it was not made clean yet.
    Written,
}

/// What a lease counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    Pool(PoolId),
    Group(GroupId),
}

/// What a machine is to its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Free(Rank),
    Leased,
    /// It belongs to somebody.
    Owned,
    Maintenance,
    /// It gets fresh disks.
    Renewing,
    /// On its way: going off, paused, copied, deleted, locked. Or its disk is half made.
    Busy,
}

/// How many machines of a pool stand how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub ready: u32,
    pub running: u32,
    pub stopped: u32,
    pub written: u32,
    pub leased: u32,
    pub owned: u32,
    pub maintenance: u32,
    pub renewing: u32,
    pub busy: u32,
    /// Those of all these that take memory and processors of a host.
    pub on: u32,
    /// Those of these that are going off.
    pub going_off: u32,
}

impl Tally {
    fn of(&mut self, standing: Standing) -> &mut u32 {
        match standing {
            Standing::Free(Rank::Ready) => &mut self.ready,
            Standing::Free(Rank::Running) => &mut self.running,
            Standing::Free(Rank::Stopped) => &mut self.stopped,
            Standing::Free(Rank::Written) => &mut self.written,
            Standing::Leased => &mut self.leased,
            Standing::Owned => &mut self.owned,
            Standing::Maintenance => &mut self.maintenance,
            Standing::Renewing => &mut self.renewing,
            Standing::Busy => &mut self.busy,
        }
    }

    pub fn total(&self) -> u32 {
        self.ready
            + self.running
            + self.stopped
            + self.written
            + self.leased
            + self.owned
            + self.maintenance
            + self.renewing
            + self.busy
    }
}

/// What a host has promised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub machines: u32,
    pub memory_mib: u64,
    pub vcpus: u64,
    pub counters: OrdMap<Counter, u64>,
}

impl Usage {
    pub(crate) fn add(&mut self, reserved: &Reservation) {
        self.machines += 1;
        self.memory_mib += reserved.memory_mib;
        self.vcpus += u64::from(reserved.vcpus);
        for (counter, count) in &reserved.counters {
            *self.counters.entry(counter.clone()).or_default() += u64::from(*count);
        }
    }

    pub(crate) fn subtract(&mut self, reserved: &Reservation) {
        self.machines -= 1;
        self.memory_mib -= reserved.memory_mib;
        self.vcpus -= u64::from(reserved.vcpus);
        for (counter, count) in &reserved.counters {
            let used = self.counters.get(counter).copied().unwrap_or_default();
            let left = used - u64::from(*count);
            if left == 0 {
                self.counters.remove(counter);
            } else {
                self.counters.insert(counter.clone(), left);
            }
        }
    }
}

/// What is due without waiting, such as an operation's next step.
pub const AT_ONCE: Timestamp = Timestamp(0);

/// What will happen by itself. [`crate::clockwork`] says which command it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// Those who have a desktop of a pool are looked at again: some may have lost their right to
    /// it, so this comes before anything else.
    Rights(PoolId),
    /// An operation goes on, or is forgotten.
    Operation(CommandId),
    /// What was wished of a machine's power has to be so.
    Power(MachineId),
    /// A machine's probe has to have answered.
    Readiness(MachineId),
    /// A renewal begins, or its step has to be over.
    Renewal(MachineId),
    Token(TokenId),
    /// A version gets a file that stands alone, or machines are put onto it.
    Flattening(ImageId),
    Calendar(PoolId),
    /// A ticket of a session is worth nothing any more.
    Ticket(SessionId, u32),
}

/// What will happen when nothing is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Silence {
    /// Of the viewers of a lease.
    Lease(SessionId),
    /// Of somebody who waits.
    Place(SessionId),
    /// Of a host's worker.
    Worker(HypervisorId),
}

impl Index {
    /// Made anew from nothing but the things.
    pub fn of(fleet: &Fleet) -> Self {
        let mut index = Self::default();
        fn enter<T: Thing>(table: &Table<T>, index: &mut Index) {
            for (id, thing) in table.iter() {
                T::reindex(id, None, Some(thing.keys()), index);
            }
        }
        enter(&fleet.hypervisors, &mut index);
        enter(&fleet.storages, &mut index);
        enter(&fleet.networks, &mut index);
        enter(&fleet.media, &mut index);
        enter(&fleet.templates, &mut index);
        enter(&fleet.machines, &mut index);
        enter(&fleet.images, &mut index);
        enter(&fleet.pools, &mut index);
        enter(&fleet.clients, &mut index);
        enter(&fleet.groups, &mut index);
        enter(&fleet.labs, &mut index);
        enter(&fleet.terminals, &mut index);
        enter(&fleet.sessions, &mut index);
        enter(&fleet.operations, &mut index);
        enter(&fleet.admins, &mut index);
        enter(&fleet.tokens, &mut index);
        index
    }
}

/// What a host has promised of what it has scarcest of, in thousandths.
fn promised((memory_mib, vcpus): (u64, u64), usage: &Usage) -> u32 {
    let part = |used: u64, of: u64| used.saturating_mul(1_000) / of.max(1);
    let scarcest = part(usage.memory_mib, memory_mib).max(part(usage.vcpus, vcpus));
    u32::try_from(scarcest).unwrap_or(u32::MAX)
}

impl Index {
    /// Where a host stands among the roomiest, if it gets new machines.
    fn standing_of(&self, host: HypervisorId) -> Option<(u32, HypervisorId)> {
        let capacity = *self.capacity.get(&host)?;
        let promised = match self.usage.get(&host) {
            Some(usage) => promised(capacity, usage),
            None => 0,
        };
        Some((promised, host))
    }

    /// Changes what a host has or has promised.
    fn change_host(&mut self, host: HypervisorId, change: impl FnOnce(&mut Self)) {
        let before = self.standing_of(host);
        change(self);
        let after = self.standing_of(host);
        moved(&mut self.roomiest, before, after);
    }
}

/// Moves a thing's place in a set, if it has changed.
fn moved<K: Ord + Clone>(set: &mut OrdSet<K>, before: Option<K>, after: Option<K>) {
    if before == after {
        return;
    }
    if let Some(before) = before {
        set.remove(&before);
    }
    if let Some(after) = after {
        set.insert(after);
    }
}

/// Moves what finds a thing in a map, if it has changed.
fn renamed<K: Ord + Clone, V: Clone + Copy + PartialEq>(
    map: &mut OrdMap<K, V>,
    before: Option<K>,
    after: Option<K>,
    to: V,
) {
    if before == after {
        return;
    }
    // A name that was given on in the meantime is left alone.
    if let Some(before) = before
        && map.get(&before) == Some(&to)
    {
        map.remove(&before);
    }
    if let Some(after) = after {
        map.insert(after, to);
    }
}

/// Counts for what a thing stands on, where that has changed.
fn bears<const N: usize>(index: &mut Index, before: [Option<Base>; N], after: [Option<Base>; N]) {
    if before == after {
        return;
    }
    for base in after.into_iter().flatten() {
        *index.stood_on.entry(base).or_default() += 1;
    }
    for base in before.into_iter().flatten() {
        match index.stood_on.get(&base).copied().unwrap_or_default() {
            0 | 1 => index.stood_on.remove(&base),
            count => index.stood_on.insert(base, count - 1),
        };
    }
}

/// Changes how long may be silent what is listened to, if that has changed.
fn listen(index: &mut Index, silence: Silence, before: Option<u32>, after: Option<u32>) {
    if before == after {
        return;
    }
    match after {
        Some(seconds) => index.silences.insert(silence, seconds),
        None => index.silences.remove(&silence),
    };
}
