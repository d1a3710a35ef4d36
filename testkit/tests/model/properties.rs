//! Random sequences of commands, reports, losses, repeats and expiries.

use carrel_model::clockwork;
use carrel_model::command::Command;
use carrel_model::evolve::evolve;
use carrel_model::fleet::{Fleet, Silence};
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::machine::{Outcome, Reported, StopCause};
use carrel_model::wire;
use carrel_testkit::commands::Commands;
use carrel_testkit::purposeful::purposeful;
use carrel_testkit::told::again;
use carrel_testkit::world::World;
use serde_json::json;

use crate::rest::comes_to_rest;
use carrel_testkit::invariants::{check, everything_stands, indexes_follow_from_things};

const SEEDS: std::ops::Range<u64> = 0..200;
const STEPS: u32 = 2_000;
/// One in so many steps is looked at again when the log is read.
const MOMENTS: u64 = 100;

/// Hosts with storage, an initial with an image, children in pools, and people who may use them:
/// from here most commands find something to do.
fn founded(seed: u64) -> World {
    let mut world = World::new(seed);
    let given = |world: &mut World, name: &str, data| {
        let told = world.send(name, &data, &mut check);
        assert!(told.is_ok(), "{name} is refused: {told:?}");
        world.settle(&mut check);
    };
    for host in ["node1", "node2", "node3"] {
        let capacity = json!({ "memory_mib": 16_384, "vcpus": 8, "counters": { "gpu/a16": 2 } });
        let settings = json!({ "capacity": capacity });
        given(&mut world, "RegisterHypervisor", json!({ "name": host, "settings": settings }));
    }
    let hosts = json!({ "node1": "/srv/a", "node2": "/srv/a", "node3": "/srv/a" });
    let roles = json!(["images", "disks", "volatile", "media"]);
    let settings = json!({ "roles": roles, "hosts": hosts });
    given(&mut world, "CreateStorage", json!({ "name": "main", "settings": settings }));
    given(&mut world, "CreateMachine", json!({ "name": "gold", "kind": "source" }));
    let initial = json!({ "name": "win11", "kind": "initial", "source": "gold" });
    given(&mut world, "CreateMachine", initial);
    // Each of its children takes one of a host's few.
    let hardware = json!({ "hardware": { "counters": { "gpu/a16": 1 } } });
    given(&mut world, "UpdateMachine", json!({ "machine": "win11", "settings": hardware }));
    given(&mut world, "CopyFromSource", json!({ "initial": "win11" }));
    given(&mut world, "Populate", json!({ "initial": "win11", "count": 6 }));
    for (pool, mode) in [("room", "floating"), ("desk", "sticky")] {
        let settings = json!({ "mode": mode });
        given(&mut world, "CreatePool", json!({ "name": pool, "settings": settings }));
    }
    for (pool, machines) in [
        ("room", ["win11-001", "win11-002", "win11-003"]),
        ("desk", ["win11-004", "win11-005", "win11-006"]),
    ] {
        given(&mut world, "AddToPool", json!({ "pool": pool, "machines": machines }));
    }
    for person in ["anna", "jonas", "ona"] {
        given(&mut world, "CreateClient", json!({ "name": person }));
        given(&mut world, "EntitlePool", json!({ "pool": "room", "client": person }));
        given(&mut world, "EntitlePool", json!({ "pool": "desk", "client": person }));
    }
    world
}

/// Tells which seed it was, if it doesn't come to its end.
struct Named(u64);

impl Drop for Named {
    #[expect(clippy::print_stderr, reason = "this is what a failure has to say")]
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}

#[test]
fn invariants_hold_whatever_happens() {
    let commands = Commands::default();
    let mut accepted = std::collections::BTreeMap::new();
    for seed in SEEDS {
        let named = Named(seed);
        let mut world = founded(seed);
        let mut moments = Vec::new();
        for step in 0..STEPS {
            step_of(&mut world, &commands);
            if world.random.chance(MOMENTS) {
                moments.push((world.log.len(), world.fleet.clone()));
            }
            if step % 100 == 0 {
                indexes_follow_from_things(&world.fleet);
                everything_stands(&world.fleet);
            }
        }
        comes_to_rest(&mut world);
        moments.push((world.log.len(), world.fleet.clone()));
        replay(&world, &moments);
        is_the_same_from_a_snapshot(&world.fleet);
        std::mem::forget(named);
        for (name, count) in &world.accepted {
            *accepted.entry(*name).or_insert(0) += count;
        }
    }
    let never: Vec<_> = carrel_model::command::ALL
        .iter()
        .map(|about| about.name)
        .filter(|name| !accepted.contains_key(name))
        .collect();
    assert_eq!(never, [""; 0], "these are never accepted, the others so often: {accepted:?}");
}

fn step_of(world: &mut World, commands: &Commands) {
    match world.random.below(100) {
        0..40 => {
            let command = purposeful(&world.fleet, &mut world.random);
            if let Some((name, data)) = command {
                let json = json!({ "type": name, "data": data });
                let command = serde_json::from_value(json).map_err(|error| (name, error));
                let command = command.expect("a command");
                may_be_refused(world, command);
            }
        }
        40..45 => {
            let command = commands.of_people(&world.fleet, &mut world.random);
            if let Some(command) = command {
                may_be_refused(world, command);
            }
        }
        45..48 => {
            let command = commands.any(&world.fleet, &mut world.random);
            if let Some(command) = command {
                may_be_refused(world, command);
            }
        }
        48..80 => deliver(world),
        80..90 => {
            let waited = [1, 10, 61, 200, 2_000][world.random.index(5)];
            world.wait(waited);
            for command in clockwork::due(&world.fleet, world.now) {
                world.heed(&command, &mut check);
            }
        }
        90..94 => {
            let silences: Vec<Silence> = world.fleet.index.silences.keys().copied().collect();
            let silence = (!silences.is_empty())
                .then(|| silences[world.random.index(silences.len())])
                // Hosts fall silent more seldom than people.
                .filter(|it| !matches!(it, Silence::Worker(_)) || world.random.chance(4));
            if let Some(silence) = silence {
                world.heed(&clockwork::lapsed(silence), &mut check);
            }
        }
        94..96 => guest_goes_off(world),
        96 => somebody_logs_off(world),
        _ => world.settle(&mut check),
    }
}

/// Nobody has looked first whether it is possible.
fn may_be_refused(world: &mut World, command: wire::Command) {
    drop(world.send_wire(command, &mut check));
}

/// A report arrives, or is lost, or arrives twice or much later, or comes from a host that has no
/// say; or something went wrong, and then the host may say that it went well all the same.
fn deliver(world: &mut World) {
    world.publish();
    if !world.late.is_empty() && world.random.chance(20) {
        let nth = world.random.index(world.late.len());
        let late = world.late.swap_remove(nth);
        world.heed(&late, &mut check);
    }
    if world.reports.is_empty() {
        return;
    }
    let nth = world.random.index(world.reports.len().min(4));
    let Some(report) = world.reports.remove(nth) else { return };
    let Command::ReportOutcome(outcome) = &report else { return };
    let told = match world.random.below(20) {
        0 => return,
        1 => {
            world.reports.push_back(report.clone());
            report
        }
        2 => {
            let host = world.random.index(world.fleet.hypervisors.len().max(1));
            let host = world.fleet.hypervisors.iter().nth(host).map(|(id, _)| id);
            let hypervisor = host.unwrap_or(outcome.hypervisor);
            ReportOutcome { hypervisor, ..outcome.clone() }.into()
        }
        3 => world.hosts.fails(outcome, &mut world.random).into(),
        4 => {
            let failed = world.hosts.fails(outcome, &mut world.random);
            world.late.push(report);
            failed.into()
        }
        5 => {
            world.late.push(report);
            return;
        }
        _ => report,
    };
    world.heed(&told, &mut check);
}

fn guest_goes_off(world: &mut World) {
    let running: Vec<_> = world.hosts.running().collect();
    if running.is_empty() {
        return;
    }
    let one = running[world.random.index(running.len())];
    let cause = [StopCause::Guest, StopCause::Crash][world.random.index(2)];
    if let Some(report) = world.hosts.goes_off(one, cause) {
        world.heed(&report.into(), &mut check);
    }
}

fn somebody_logs_off(world: &mut World) {
    let leased = world.fleet.sessions.iter().filter_map(|(id, it)| Some((id, it.machine()?)));
    let leased: Vec<_> = leased.collect();
    if leased.is_empty() {
        return;
    }
    let (session, machine) = leased[world.random.index(leased.len())];
    let machine = world.fleet.machines.get(machine).expect("a lease is on a machine");
    let Some(hypervisor) = machine.place else { return };
    let report = ReportOutcome {
        hypervisor,
        generation: machine.generation,
        thing: Reported::Machine { id: machine.id, outcome: Outcome::LoggedOff { session } },
    };
    world.heed(&report.into(), &mut check);
}

/// What is in the log up to some moment gives the fleet of that moment.
fn replay(world: &World, moments: &[(usize, Fleet)]) {
    let (mut fleet, mut read) = (Fleet::default(), 0);
    for (upto, then) in moments {
        for event in &world.log[read..*upto] {
            fleet = evolve(fleet, &again(event));
        }
        read = *upto;
        assert!(fleet == *then, "folding the first {upto} facts gives another fleet");
    }
}

/// Whoever starts from a snapshot has what those have who folded.
fn is_the_same_from_a_snapshot(fleet: &Fleet) {
    let mut bytes = Vec::new();
    fleet.write_snapshot(&mut bytes).expect("bytes");
    let again = Fleet::from_snapshot(&bytes).expect("a fleet");
    assert!(again == *fleet, "a snapshot gives another fleet");
}
