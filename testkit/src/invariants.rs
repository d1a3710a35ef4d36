//! What holds of every decision, whatever came before.

#![expect(clippy::wildcard_enum_match_arm, reason = "each looks at the facts that it is about")]
#![expect(clippy::expect_used, reason = "what does not hold ends the run")]

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::decide::EVENTS_MAX;
use carrel_model::event::{Event, MachineFact, SessionFact};
use carrel_model::evolve::evolve;
use carrel_model::fleet::{Fleet, Index};
use carrel_model::hypervisor::{Hypervisor, Reason as HostReason};
use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::image::Image;
use carrel_model::machine::{Machine, Reservation, Subject, Task};
use carrel_model::operation;
use carrel_model::version::latest::machine::Placed;
use carrel_model::version::latest::storage::Medium;

use crate::world::Told;

mod files;

pub use files::{everything_stands, users};

/// What holds of every decision.
///
/// # Panics
/// If something doesn't.
pub fn check(told: &Told<'_>) {
    assert!(told.events.len() <= EVENTS_MAX);
    let mut fleet = told.before.clone();
    for event in told.events {
        before_fact(&fleet, event);
        fleet = evolve(fleet, event);
        after_fact(&fleet, event);
    }
    assert_eq!(fleet, *told.after, "folding the facts gives another fleet");
    generations_never_fall(told);
    names_are_unique(told.after);
    leases_have_seats(told.after);
    finished_operations_are_gone(told.after);
    if told.events.iter().any(|event| matches!(event, Event::Image(..))) {
        everything_stands(told.after);
    }
}

/// What must hold at the moment in which something becomes so.
fn before_fact(fleet: &Fleet, event: &Event) {
    match event {
        Event::Session(_, SessionFact::LeaseGranted(granted)) => {
            handed_out(fleet, granted.subject, granted.machine);
        }
        Event::Session(id, SessionFact::Moved(moved)) => {
            let subject = fleet.sessions.get(*id).map(|session| session.subject);
            handed_out(fleet, subject.expect("a session that is moved"), moved.machine);
        }
        Event::Image(id, fact) => files::may_happen(fleet, *id, fact),
        _ => {}
    }
}

fn after_fact(fleet: &Fleet, event: &Event) {
    match event {
        // One that is adopted while it runs takes what it takes, also where too much is promised.
        Event::Machine(_, MachineFact::Placed(placed)) if is_adopted(placed) => {}
        Event::Machine(id, MachineFact::Placed(placed)) => {
            suffices(fleet, *id, placed.hypervisor);
        }
        // One that was adopted has no time to start in, either.
        Event::Machine(id, MachineFact::StartRequested(start)) if start.deadline.is_some() => {
            suffices(fleet, *id, place(fleet, *id));
        }
        Event::Machine(id, MachineFact::FirstBootBegun(_)) => {
            suffices(fleet, *id, place(fleet, *id));
        }
        Event::Machine(id, MachineFact::MigrationRequested(asked)) => {
            suffices(fleet, *id, asked.to);
        }
        Event::Machine(id, MachineFact::Created(_) | MachineFact::OverlayRequested(_)) => {
            let image = fleet.machines.get(*id).and_then(Machine::image);
            let Some(image) = image else { return };
            let usable = fleet.images.get(image).is_some_and(Image::is_usable);
            assert!(usable, "{id} stands on {image}, which isn't sealed or is retired");
        }
        _ => {}
    }
}

fn generations_never_fall(told: &Told<'_>) {
    for id in machines(told) {
        let (before, after) = (told.before.machines.get(id), told.after.machines.get(id));
        let (Some(before), Some(after)) = (before, after) else { continue };
        assert!(before.generation <= after.generation, "{id}: the generation fell");
        assert!(before.applied <= after.applied, "{id}: what is applied fell");
        assert!(before.power.boot_epoch <= after.power.boot_epoch, "{id}: the epoch fell");
        assert_eq!(before.identity, after.identity, "{id}: the identity changed");
    }
}

fn machines(told: &Told<'_>) -> impl Iterator<Item = MachineId> {
    told.events.iter().filter_map(|event| match event {
        Event::Machine(id, _) => Some(*id),
        _ => None,
    })
}

fn is_adopted(placed: &Placed) -> bool {
    placed.placement.policy.as_str() == "adopted"
}

fn place(fleet: &Fleet, id: MachineId) -> HypervisorId {
    let place = fleet.machines.get(id).and_then(|machine| machine.place);
    place.expect("what is started has a host")
}

/// A host has as much of everything as it has promised, and so have storages. Somebody may have
/// said that one has less than that; whoever takes nothing of it may still come.
fn suffices(fleet: &Fleet, id: MachineId, host: HypervisorId) {
    let reserved = fleet.machines.get(id).map(|machine| &machine.reserved);
    let Some(reserved) = reserved.filter(|it| ***it != Reservation::default()) else { return };
    let Some(host) = fleet.hypervisors.get(host) else { return };
    let all = promised(fleet, host.id);
    let sum = |of: fn(&Reservation) -> u64| all.iter().map(|it| of(it)).sum::<u64>();
    let memory_mib = sum(|it| it.memory_mib);
    assert!(memory_mib <= host.memory_mib(), "{id}: no memory on {}", host.name);
    let vcpus = sum(|it| it.vcpus.into());
    assert!(vcpus <= host.vcpus(), "{id}: no vCPUs on {}", host.name);
    for counter in reserved.counters.keys() {
        let counts = all.iter().filter_map(|it| it.counters.get(counter));
        let used: u64 = counts.copied().map(u64::from).sum();
        let has = host.settings.capacity.counters.get(counter).copied().unwrap_or_default();
        assert!(
            used <= u64::from(has),
            "{} has {has} of {counter}, and promises {used}",
            host.name
        );
    }
    if let Some(volatile) = &reserved.volatile {
        throwaway_fits(fleet, volatile.storage);
    }
}

/// What each machine has or will have of a host: those that it is responsible for and that may run,
/// and those that are on their way to it. This looks at every machine, and knows of no index.
fn promised(fleet: &Fleet, host: HypervisorId) -> Vec<&Reservation> {
    let mut all = Vec::new();
    for (_, machine) in fleet.machines.iter() {
        if machine.place == Some(host) && machine.uses_host() {
            all.push(&*machine.reserved);
        }
        if machine.task == Some(Task::Migrating { to: host }) {
            all.push(&*machine.reserved);
        }
    }
    all
}

fn throwaway_fits(fleet: &Fleet, storage: StorageId) {
    let promised: u64 = fleet
        .machines
        .iter()
        .filter(|(_, machine)| machine.uses_host() && machine.place.is_some())
        .filter_map(|(_, machine)| machine.reserved.volatile.as_ref())
        .filter(|volatile| volatile.storage == storage)
        .map(|volatile| volatile.size_mib)
        .sum();
    let counted = fleet.index.volatile.get(&storage).copied().unwrap_or_default();
    assert_eq!(counted, promised, "what is promised of {storage} is counted once");
    let Some(storage) = fleet.storages.get(storage) else { return };
    if let (Medium::Disk, Some(free)) = (storage.settings.medium, storage.free_mib) {
        assert!(promised <= free, "{} has {free} MiB, and promises {promised}", storage.name);
    }
}

fn handed_out(fleet: &Fleet, subject: Subject, id: MachineId) {
    let machine = fleet.machines.get(id).unwrap_or_else(|| panic!("{id} isn't there"));
    assert!(machine.maintenance.is_empty(), "{id} is handed out in maintenance");
    assert!(!machine.locked, "{id} is handed out, and locked");
    assert!(!machine.deleting, "{id} is handed out, and being deleted");
    assert!(!machine.being_renewed(), "{id} is handed out, and gets a fresh disk");
    assert_eq!(machine.task, None, "{id} is handed out, and its files are worked on");
    assert!(machine.snapshot_at_work().is_none(), "{id} is handed out in a snapshot's work");
    // One host has let go before another one gets it; then it is on its way.
    let in_between = machine.leaving.is_some() && machine.place.is_none();
    assert!(!in_between, "{id} is handed out before its host has let go");
    assert!(machine.leases.len() < machine.seats(), "{id} is handed out twice");
    let theirs = machine.written.is_none_or(|by| by == subject);
    assert!(theirs, "{id} has somebody else's traces");
    let others = machine.owners.iter().filter(|owner| **owner != subject).count();
    assert!(others < machine.seats(), "{id} belongs to somebody else");
    let host = machine.place.filter(|_| machine.uses_host());
    if let Some(host) = host.and_then(|host| fleet.hypervisors.get(host)) {
        let owned = machine.owners.contains(&subject);
        let fit = if owned { is_there(host) } else { host.enabled() };
        assert!(fit, "{id} is handed out on {}, which is {:?}", host.name, host.maintenance);
    }
}

/// A person always gets the machine that is theirs. Maintenance and a drain keep new machines away
/// from a host; those that are there stay until they are moved. Of what runs on a host that is
/// silent or lost, nobody knows whether it does.
fn is_there(host: &Hypervisor) -> bool {
    let gone = [HostReason::Silent, HostReason::Lost];
    gone.iter().all(|reason| !host.maintenance.contains(reason))
}

/// Nothing is called as another thing of its kind.
fn names_are_unique(fleet: &Fleet) {
    macro_rules! unique {
        ($($table:ident by $($name:ident)+;)*) => {$(
            let mut names = BTreeSet::new();
            for (id, thing) in fleet.$table.iter() {
                let is_new = names.insert(($(thing.$name.clone(),)+));
                assert!(is_new, "{id} is called as another of the {}", stringify!($table));
            }
        )*};
    }
    unique! {
        hypervisors by name;
        storages by name;
        networks by name;
        media by name;
        templates by name;
        machines by name;
        images by initial number;
        pools by name;
        groups by name;
        labs by name;
        terminals by termid;
        clients by provider name_hash;
        admins by name_hash;
        tokens by hash;
    }
}

fn leases_have_seats(fleet: &Fleet) {
    let mut leases: BTreeMap<MachineId, usize> = BTreeMap::new();
    for (id, session) in fleet.sessions.iter() {
        if let Some(machine) = session.machine() {
            *leases.entry(machine).or_default() += 1;
            let held = fleet.machines.get(machine);
            let held = held.is_some_and(|machine| machine.leases.contains(&id));
            assert!(held, "{id} is a lease of a machine that doesn't know of it");
        }
    }
    for (id, machine) in fleet.machines.iter() {
        assert!(machine.leases.len() <= machine.seats());
        assert_eq!(leases.remove(&id).unwrap_or_default(), machine.leases.len(), "{id}");
    }
}

fn finished_operations_are_gone(fleet: &Fleet) {
    for (id, operation) in fleet.operations.iter() {
        let waits = !operation.parts.is_empty() || !operation.all_begun();
        let ended = matches!(operation.state, operation::State::Ended { .. });
        let sealing = operation.state == operation::State::Sealing;
        assert!(waits || ended || sealing, "{id} is over and still there");
    }
}

/// Costs more than the rest together: now and then.
///
/// # Panics
/// If the index is another one than the things make.
pub fn indexes_follow_from_things(fleet: &Fleet) {
    let made = Index::of(fleet);
    macro_rules! same {
        ($($field:ident)*) => {$(
            assert_eq!(fleet.index.$field, made.$field, "the index `{}`", stringify!($field));
        )*};
    }
    same! {
        names clients admins tokens tokens_of macs children in_pool on_host on_image awaiting_image stood_on
        copying owned free tally idle_since usage capacity roomiest volatile versions tags sessions_of sessions_in queue leases parts making after_seal terminals_in times silences
    }
    assert!(fleet.index == made);
}
