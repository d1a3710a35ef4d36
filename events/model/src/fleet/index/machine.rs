//! Where a machine stands in the indexes.

use std::sync::Arc;

use thin_vec::ThinVec;
use uuid::Uuid;

use super::{Due, Free, Index, Rank, Space, Standing, Usage, bears, moved, renamed};
use crate::fleet::{Fleet, Table, Thing};
use crate::ids::{HypervisorId, ImageId, MachineId, PoolId};
use crate::mac::Mac;
use crate::machine::{
    Base, Disk, Machine, Ready, RenewalStep, Reservation, State, Subject, Task, Wish,
};
use crate::name::Name;
use crate::record::{Timestamp, Version};
use crate::version::latest::machine::Volatile;

#[derive(Debug, PartialEq)]
pub struct Keys {
    name: Name,
    mac: Mac,
    further_macs: Box<[Mac]>,
    parent: Option<MachineId>,
    pool: Option<PoolId>,
    /// Responsible, letting go, about to get it.
    hosts: [Option<HypervisorId>; 3],
    image: Option<ImageId>,
    /// That of the disk to come, and that of the disk to go back to.
    awaits: [Option<ImageId>; 2],
    /// What its system disk stands on, what it is being put onto, and what the disk to go back to
    /// stands on. No other disk stands on anything.
    bases: [Option<Base>; 3],
    source: Option<MachineId>,
    owners: ThinVec<Subject>,
    free: Option<(PoolId, Free)>,
    standing: Option<(PoolId, Standing, Power)>,
    idle_since: Option<(PoolId, Timestamp)>,
    yields: Option<(HypervisorId, Yields)>,
    waits: Option<ImageId>,
    uses: Option<(HypervisorId, Arc<Reservation>)>,
    will_use: Option<(HypervisorId, Arc<Reservation>)>,
    times: [Option<(Timestamp, Due)>; 3],
}

/// How a machine that runs for nobody gives back what it has of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Yields {
    /// It is going off.
    Soon,
    /// It runs for whoever comes next.
    IfAsked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    GoingOff,
    Off,
}

impl Thing for Machine {
    same_for_all!(MachineId, machines);
    type Keys = Keys;

    fn keys(&self) -> Keys {
        let standing = standing(self);
        let power = match yields(self) {
            Some(Yields::Soon) => Power::GoingOff,
            Some(Yields::IfAsked) | None if self.uses_host() => Power::On,
            Some(Yields::IfAsked) | None => Power::Off,
        };
        let next_host = match self.task {
            Some(Task::Migrating { to }) => Some(to),
            Some(Task::Copying { .. } | Task::Sealing { .. }) | None => None,
        };
        let reserving = |host: HypervisorId| (host, Arc::clone(&self.reserved));
        Keys {
            name: self.name.clone(),
            mac: self.identity.mac,
            further_macs: self.identity.further_macs.clone(),
            parent: self.initial(),
            pool: self.pool,
            hosts: [self.place, self.leaving, next_host],
            image: self.image(),
            awaits: [
                self.renewal.as_ref().map(|renewing| renewing.renewal.image),
                self.disk_before.as_ref().and_then(|disk| disk.image()),
            ],
            bases: [
                self.system_disk().and_then(Disk::base),
                self.rebasing_to.and_then(|_| self.base()),
                self.disk_before.as_ref().and_then(|disk| disk.base()),
            ],
            source: match self.task {
                Some(Task::Copying { source }) => Some(source),
                Some(Task::Sealing { .. } | Task::Migrating { .. }) | None => None,
            },
            owners: self.owners.clone(),
            free: self.pool.and_then(|pool| match standing {
                Standing::Free(rank) => {
                    let (near, alike) = (near(self, rank), self.alike());
                    Some((pool, Free { rank, near, alike, on: on(self, rank), machine: self.id }))
                }
                Standing::Leased
                | Standing::Owned
                | Standing::Maintenance
                | Standing::Renewing
                | Standing::Busy => None,
            }),
            standing: self.pool.map(|pool| (pool, standing, power)),
            idle_since: self
                .pool
                .zip(self.observed.started)
                .filter(|_| self.leases.is_empty() && self.observed.state == State::Running),
            yields: self.place.zip(yields(self)),
            waits: waits(self),
            uses: self.place.filter(|_| self.uses_host()).map(reserving),
            // Its throwaway overlay stays where it is.
            will_use: next_host.map(|host| {
                (
                    host,
                    Arc::new(Reservation { volatile: None, ..Reservation::clone(&self.reserved) }),
                )
            }),
            times: times(self),
        }
    }

    fn reindex(id: MachineId, before: Option<Keys>, after: Option<Keys>, index: &mut Index) {
        let (old, new) = (before.as_ref(), after.as_ref());
        let name = |keys: &Keys| (Space::Machine, keys.name.as_str().into());
        if old.map(|keys| &keys.name) != new.map(|keys| &keys.name) {
            renamed(&mut index.names, old.map(name), new.map(name), id.uuid());
        }
        renamed(&mut index.macs, old.map(|keys| keys.mac), new.map(|keys| keys.mac), id);
        let further = |keys: Option<&'_ Keys>| keys.map(|keys| keys.further_macs.clone());
        let (gone, come) = (further(old), further(new));
        if gone != come {
            gone.iter().flatten().for_each(|mac| renamed(&mut index.macs, Some(*mac), None, id));
            come.iter().flatten().for_each(|mac| renamed(&mut index.macs, None, Some(*mac), id));
        }
        let pair = |it: Option<MachineId>| it.map(|it| (it, id));
        let of = |keys: Option<&Keys>| pair(keys.and_then(|keys| keys.parent));
        index.children.moved(of(old), of(new));
        let of = |keys: Option<&Keys>| pair(keys.and_then(|keys| keys.source));
        moved(&mut index.copying, of(old), of(new));
        let of = |keys: Option<&Keys>| keys.and_then(|keys| keys.pool).map(|pool| (pool, id));
        index.in_pool.moved(of(old), of(new));
        let of = |keys: Option<&Keys>| keys.and_then(|keys| keys.image).map(|image| (image, id));
        index.on_image.moved(of(old), of(new));
        index.free.moved(old.and_then(|keys| keys.free), new.and_then(|keys| keys.free));
        let of = |keys: Option<&Keys>| {
            keys.and_then(|keys| keys.idle_since).map(|(pool, since)| (pool, (since, id)))
        };
        index.idle_since.moved(of(old), of(new));
        let of = |keys: Option<&Keys>| {
            keys.and_then(|keys| keys.yields).map(|(host, yields)| (host, (yields, id)))
        };
        index.yielding.moved(of(old), of(new));
        let of = |keys: Option<&Keys>| keys.and_then(|keys| keys.waits).map(|image| (image, id));
        index.waiting.moved(of(old), of(new));
        let of = |keys: Option<&Keys>| keys.map(|keys| keys.awaits).unwrap_or_default();
        index.awaiting_image.moved_among(of(old), of(new), id);
        let of = |keys: Option<&Keys>| keys.map(|keys| keys.bases).unwrap_or_default();
        bears(index, of(old), of(new));
        let of = |keys: Option<&Keys>| keys.map(|keys| keys.hosts).unwrap_or_default();
        index.on_host.moved_among(of(old), of(new), id);
        owners(id, old, new, index);
        tally(old, new, index);
        usage(old.and_then(|it| it.uses.as_ref()), new.and_then(|it| it.uses.as_ref()), index);
        usage(
            old.and_then(|it| it.will_use.as_ref()),
            new.and_then(|it| it.will_use.as_ref()),
            index,
        );
        for at in 0..3 {
            let of = |keys: Option<&Keys>| keys.and_then(|keys| keys.times[at]);
            moved(&mut index.times, of(old), of(new));
        }
    }
}

fn owners(id: MachineId, old: Option<&Keys>, new: Option<&Keys>, index: &mut Index) {
    let of = |keys: Option<&Keys>| keys.map(|keys| keys.owners.clone()).unwrap_or_default();
    if old.map(|keys| &keys.owners) == new.map(|keys| &keys.owners) {
        return;
    }
    for owner in of(old) {
        index.owned.remove(&(owner, id));
    }
    for owner in of(new) {
        index.owned.insert((owner, id));
    }
}

fn tally(old: Option<&Keys>, new: Option<&Keys>, index: &mut Index) {
    let of = |keys: Option<&Keys>| keys.and_then(|keys| keys.standing);
    let (old, new) = (of(old), of(new));
    if old == new {
        return;
    }
    if let Some((pool, standing, power)) = old
        && let Some(tally) = index.tally.get_mut(&pool)
    {
        *tally.of(standing) -= 1;
        tally.on -= u32::from(power != Power::Off);
        tally.going_off -= u32::from(power == Power::GoingOff);
        if tally.total() == 0 {
            index.tally.remove(&pool);
        }
    }
    if let Some((pool, standing, power)) = new {
        let tally = index.tally.entry(pool).or_default();
        *tally.of(standing) += 1;
        tally.on += u32::from(power != Power::Off);
        tally.going_off += u32::from(power == Power::GoingOff);
    }
}

type Uses<'a> = Option<&'a (HypervisorId, Arc<Reservation>)>;

fn usage(old: Uses<'_>, new: Uses<'_>, index: &mut Index) {
    if old == new {
        return;
    }
    if let Some((host, reserved)) = old {
        index.change_host(*host, |index| given_back(index, *host, reserved));
    }
    if let Some((host, reserved)) = new {
        index.change_host(*host, |index| {
            index.usage.entry(*host).or_default().add(reserved);
        });
        if let Some(volatile) = takes_volatile(reserved) {
            *index.volatile.entry(volatile.storage).or_default() += volatile.size_mib;
        }
    }
}

fn given_back(index: &mut Index, host: HypervisorId, reserved: &Reservation) {
    let Some(usage) = index.usage.get_mut(&host) else { return };
    usage.subtract(reserved);
    if *usage == Usage::default() {
        index.usage.remove(&host);
    }
    if let Some(volatile) = takes_volatile(reserved) {
        let left = index.volatile.get(&volatile.storage).copied().unwrap_or_default();
        match left - volatile.size_mib {
            0 => index.volatile.remove(&volatile.storage),
            left => index.volatile.insert(volatile.storage, left),
        };
    }
}

fn takes_volatile(reserved: &Reservation) -> Option<&Volatile> {
    reserved.volatile.as_ref().filter(|volatile| volatile.size_mib > 0)
}

/// What a machine is to the people of its pool.
fn standing(machine: &Machine) -> Standing {
    if !machine.maintenance.is_empty() {
        return Standing::Maintenance;
    }
    if machine.leases.len() >= machine.seats() {
        return Standing::Leased;
    }
    if machine.owners.len() >= machine.seats() {
        return Standing::Owned;
    }
    let going_off = machine.power.wish.is_off() && !machine.observed.state.is_off();
    if machine.is_busy() || going_off && !machine.being_renewed() {
        return Standing::Busy;
    }
    if machine.being_renewed() {
        return Standing::Renewing;
    }
    if machine.is_external() {
        return Standing::Free(Rank::Ready);
    }
    if machine.written.is_some() {
        return Standing::Free(Rank::Written);
    }
    if machine.half_made {
        return Standing::Busy;
    }
    match machine.observed.state {
        // It is about to be suspended.
        _ if machine.power.wish == Wish::Suspended => Standing::Busy,
        State::Running if machine.is_ready() => Standing::Free(Rank::Ready),
        State::Running | State::Starting => Standing::Free(Rank::Running),
        State::Off | State::Crashed => Standing::Free(Rank::Stopped),
        State::Paused(_) | State::Asleep | State::Stopping | State::Unknown => Standing::Busy,
    }
}

fn yields(machine: &Machine) -> Option<Yields> {
    let on_time = !machine.power.overdue;
    if machine.uses_host() && machine.power.wish.is_off() && on_time {
        return Some(Yields::Soon);
    }
    machine.is_spare().then_some(Yields::IfAsked)
}

/// The version that it is to boot for the first time, as soon as a host has room for that.
fn waits(machine: &Machine) -> Option<ImageId> {
    let renewing = machine.renewal.as_ref().filter(|_| !machine.deleting)?;
    let put_off = renewing.step == RenewalStep::Overlaying && renewing.delays > 0;
    put_off.then_some(renewing.renewal.image)
}

fn near(machine: &Machine, rank: Rank) -> Uuid {
    let host = machine.place.map(HypervisorId::uuid);
    let storage = machine.system_disk().map(|disk| disk.storage.uuid());
    match rank {
        Rank::Ready | Rank::Running => host.unwrap_or_default(),
        Rank::Stopped | Rank::Written => storage.unwrap_or_default(),
    }
}

/// Nil: it can be started wherever there is room.
fn on(machine: &Machine, rank: Rank) -> Uuid {
    match rank {
        Rank::Ready | Rank::Running => Uuid::nil(),
        Rank::Stopped | Rank::Written => machine.place.map(HypervisorId::uuid).unwrap_or_default(),
    }
}

fn times(machine: &Machine) -> [Option<(Timestamp, Due)>; 3] {
    let readiness = match machine.observed.ready {
        Ready::By(time) => Some((time, Due::Readiness(machine.id))),
        Ready::No | Ready::Yes => None,
    };
    // What is being deleted needs no fresh disk.
    let renewal = machine.renewal.as_ref().filter(|_| !machine.deleting);
    let renewal = renewal.and_then(|renewing| renewing.deadline);
    [
        machine.power.deadline.map(|time| (time, Due::Power(machine.id))),
        readiness,
        renewal.map(|time| (time, Due::Renewal(machine.id))),
    ]
}
