//! What runs for nobody gives way to what waits for room.

use super::filter::Filters;
use super::need::Need;
use super::where_it_may_go;
use crate::fleet::{Fleet, Usage, Yields};
use crate::hypervisor::Hypervisor;
use crate::ids::{HypervisorId, MachineId};
use crate::machine::{Machine, Reservation, Writes};
use crate::name::Counter;
use crate::record::Timestamp;

/// So many hosts are asked for what runs there for nobody, so that somebody who asks again and
/// again on a large site that is full costs no more than on a small one.
const ASKED_MAX: usize = 64;
/// For so long the same hosts are asked: a machine that several spares make way for, one with each
/// ask, has them go off on one host. Then it is the next ones' turn.
const SAME_ASKED_SECONDS: u64 = 60;

/// What is between a machine and its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InTheWay {
    /// What nobody asks to go off.
    Others,
    /// What is going off, and is enough.
    GoesOff,
    /// This runs for whoever comes next.
    Spare(MachineId),
}

/// The first of the fewest spares that would have to go off, so that a host has room for a machine
/// that none has room for now.
pub(crate) fn in_the_way_of(
    fleet: &Fleet,
    machine: &Machine,
    writes: Writes,
    now: Timestamp,
) -> InTheWay {
    let Ok(only) = where_it_may_go(fleet, machine) else { return InTheWay::Others };
    let need = Need::of_start(fleet, machine, writes);
    let mut filters = Filters::new(fleet, machine, &need);
    let mut fewest: Option<(u32, MachineId)> = None;
    for id in asked(fleet, now).filter(|id| only.allows(*id)) {
        let Some(host) = fleet.hypervisors.get(id) else { continue };
        let Some(volatile) = filters.suits(id, host) else { continue };
        let wanted = need.reservation(volatile);
        if !Missing::on(host, &Usage::default(), &wanted).is_nothing() {
            continue;
        }
        match between(fleet, host, &wanted) {
            Between::Others => {}
            Between::Nothing => return InTheWay::GoesOff,
            Between::Spares { count: 1, first } => return InTheWay::Spare(first),
            Between::Spares { count, first } => {
                if fewest.is_none_or(|(least, _)| count < least) {
                    fewest = Some((count, first));
                }
            }
        }
    }
    fewest.map_or(InTheWay::Others, |(_, first)| InTheWay::Spare(first))
}

/// The hosts whose turn it is of those where anything makes way. Passing over the others is nothing
/// beside asking one.
fn asked(fleet: &Fleet, now: Timestamp) -> impl Iterator<Item = HypervisorId> {
    let yielding = &fleet.index.yielding;
    let all = yielding.groups_len();
    let turns = u64::try_from(all.div_ceil(ASKED_MAX)).unwrap_or(u64::MAX).max(1);
    let time = now.0.unsigned_abs() / (SAME_ASKED_SECONDS * 1_000_000);
    // Multiples of the golden ratio: whoever asks at equal intervals comes to all of them.
    let turn = (time.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % turns;
    let from = usize::try_from(turn).unwrap_or_default().saturating_mul(ASKED_MAX);
    yielding.groups().skip(from).take(ASKED_MAX)
}

/// What stands between a machine and its room on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// Others than those that run for nobody.
    Others,
    /// At most what is going off.
    Nothing,
    /// So many that run for whoever comes next.
    Spares { count: u32, first: MachineId },
}

fn between(fleet: &Fleet, host: &Hypervisor, wanted: &Reservation) -> Between {
    let mut usage = usage_of(fleet, host.id);
    let mut missing = Missing::on(host, &usage, wanted);
    let mut spares = None;
    for (yields, id) in fleet.yielding_on(host.id) {
        if missing.is_nothing() {
            break;
        }
        let Some(machine) = fleet.machines.get(id) else { continue };
        if !missing.is_part_of(&machine.reserved) {
            continue;
        }
        usage.subtract(&machine.reserved);
        missing = Missing::on(host, &usage, wanted);
        if yields == Yields::IfAsked {
            let (count, first) = spares.unwrap_or((0, id));
            spares = Some((count + 1, first));
        }
    }
    match spares {
        _ if !missing.is_nothing() => Between::Others,
        None => Between::Nothing,
        Some((count, first)) => Between::Spares { count, first },
    }
}

fn usage_of(fleet: &Fleet, host: HypervisorId) -> Usage {
    fleet.index.usage.get(&host).cloned().unwrap_or_default()
}

/// What a host has too little of for a machine, and how much too little.
struct Missing<'a> {
    memory_mib: u64,
    vcpus: u64,
    counters: Vec<&'a Counter>,
}

impl<'a> Missing<'a> {
    fn on(host: &Hypervisor, usage: &Usage, wanted: &'a Reservation) -> Self {
        let missing =
            |has: u64, used: u64, more: u64| used.saturating_add(more).saturating_sub(has);
        let is_missing = |(counter, more): &(&Counter, &u32)| {
            let has = host.settings.capacity.counters.get(*counter).copied().unwrap_or_default();
            let used = usage.counters.get(*counter).copied().unwrap_or_default();
            missing(has.into(), used, (**more).into()) > 0
        };
        Self {
            memory_mib: missing(host.memory_mib(), usage.memory_mib, wanted.memory_mib),
            vcpus: missing(host.vcpus(), usage.vcpus, wanted.vcpus.into()),
            counters: wanted.counters.iter().filter(is_missing).map(|(it, _)| it).collect(),
        }
    }

    fn is_nothing(&self) -> bool {
        self.memory_mib == 0 && self.vcpus == 0 && self.counters.is_empty()
    }

    /// Some of it is what is or will be kept for another.
    fn is_part_of(&self, reserved: &Reservation) -> bool {
        let takes = |counter: &&Counter| reserved.counters.get(*counter).is_some_and(|it| *it > 0);
        self.memory_mib > 0 && reserved.memory_mib > 0
            || self.vcpus > 0 && reserved.vcpus > 0
            || self.counters.iter().any(takes)
    }
}

/// A machine that waits, asked for many hosts.
pub(super) struct Waiting<'a> {
    fleet: &'a Fleet,
    need: &'a Need<'a>,
    filters: Filters<'a>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(fleet: &'a Fleet, machine: &'a Machine, need: &'a Need<'a>) -> Self {
        Self { fleet, need, filters: Filters::new(fleet, machine, need) }
    }

    /// With this taken by a spare, it would miss some of it on a host where nothing but spares is
    /// in its way.
    pub(super) fn would_miss(&mut self, host: &Hypervisor, taken: &Reservation) -> bool {
        let Some(volatile) = self.filters.suits(host.id, host) else { return false };
        let wanted = self.need.reservation(volatile);
        let mut usage = usage_of(self.fleet, host.id);
        usage.add(taken);
        Missing::on(host, &usage, &wanted).is_part_of(taken)
            && between(self.fleet, host, &wanted) != Between::Others
    }
}
