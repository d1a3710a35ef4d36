//! What holds of every decision, whatever came before.

#![expect(clippy::wildcard_enum_match_arm, reason = "each looks at the facts that it is about")]

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::decide::EVENTS_MAX;
use carrel_model::event::{Event, ImageFact, MachineFact, SessionFact};
use carrel_model::evolve::evolve;
use carrel_model::fleet::{Fleet, Index};
use carrel_model::hypervisor::Hypervisor;
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::image::Image;
use carrel_model::machine::{Machine, Reservation};
use carrel_model::operation;
use carrel_model::version::latest::session::Granted;
use carrel_testkit::world::Told;

pub(crate) fn check(told: &Told<'_>) {
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
}

/// What must hold at the moment in which something becomes so.
fn before_fact(fleet: &Fleet, event: &Event) {
    match event {
        Event::Session(_, SessionFact::LeaseGranted(granted)) => handed_out(fleet, granted),
        Event::Image(id, ImageFact::Retired(_)) => {
            assert_eq!(fleet.on_image(*id).count(), 0, "{id} is retired, and used");
        }
        Event::Image(id, ImageFact::FileRemoved(_) | ImageFact::Removed(_)) => {
            assert_eq!(fleet.on_image(*id).count(), 0, "{id} loses a file, and is used");
        }
        _ => {}
    }
}

fn after_fact(fleet: &Fleet, event: &Event) {
    match event {
        Event::Machine(id, MachineFact::Placed(placed)) => {
            let usage = fleet.index.usage.get(&placed.hypervisor);
            let host = fleet.hypervisors.get(placed.hypervisor);
            let (Some(usage), Some(host)) = (usage, host) else { return };
            // Somebody may have said that a host has less than it has promised. Whoever takes
            // nothing of it may still come.
            if placed.reserved == Reservation::default() {
                return;
            }
            assert!(usage.memory_mib <= host.memory_mib(), "{id}: no memory on {}", host.name);
            assert!(usage.vcpus <= host.vcpus(), "{id}: no vCPUs on {}", host.name);
            counters_suffice(fleet, placed.hypervisor);
        }
        Event::Machine(_, MachineFact::MigrationRequested(asked)) => {
            counters_suffice(fleet, asked.to);
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

/// A host has as many of everything as it has promised.
fn counters_suffice(fleet: &Fleet, host: HypervisorId) {
    let (Some(usage), Some(host)) = (fleet.index.usage.get(&host), fleet.hypervisors.get(host))
    else {
        return;
    };
    for (counter, used) in &usage.counters {
        let has = host.settings.capacity.counters.get(counter).copied().unwrap_or_default();
        assert!(*used <= has, "{} has {has} of {counter}, and promises {used}", host.name);
    }
}

fn handed_out(fleet: &Fleet, granted: &Granted) {
    let id = granted.machine;
    let machine = fleet.machines.get(id).unwrap_or_else(|| panic!("{id} isn't there"));
    assert!(machine.maintenance.is_empty(), "{id} is handed out in maintenance");
    assert!(!machine.locked, "{id} is handed out, and locked");
    assert!(!machine.deleting, "{id} is handed out, and being deleted");
    assert!(machine.leases.len() < machine.seats(), "{id} is handed out twice");
    let theirs = machine.written.is_none_or(|by| by == granted.subject);
    assert!(theirs, "{id} has somebody else's traces");
    let others = machine.owners.iter().filter(|owner| **owner != granted.subject).count();
    assert!(others < machine.seats(), "{id} belongs to somebody else");
    if let (Some(host), false) = (machine.place, machine.at_rest()) {
        let enabled = fleet.hypervisors.get(host).is_some_and(Hypervisor::enabled);
        let owned = machine.owners.contains(&granted.subject);
        assert!(enabled || owned, "{id} is handed out on a disabled host");
    }
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
pub(crate) fn indexes_follow_from_things(fleet: &Fleet) {
    let made = Index::of(fleet);
    macro_rules! same {
        ($($field:ident)*) => {$(
            assert_eq!(fleet.index.$field, made.$field, "the index `{}`", stringify!($field));
        )*};
    }
    same! {
        names clients admins tokens tokens_of macs children in_pool on_host on_image awaiting_image copying owned free tally idle_since usage capacity roomiest volatile versions tags sessions_of sessions_in queue leases parts making after_seal terminals_in times silences
    }
    assert!(fleet.index == made);
}
