//! The workflows of the systems that Carrel takes the place of, with hosts that do their work.

use carrel_model::command::Command;
use carrel_model::event::Event;
use carrel_model::ids::{MachineId, SessionId};
use carrel_model::machine::{Machine, Outcome, Reported};
use carrel_model::rejection::Rejection;
use carrel_testkit::world::World;
use serde_json::{Value, json};

use carrel_testkit::invariants::check;

mod failures;
mod images;
mod people;
mod sessions;

/// Two hosts, one storage, and a golden machine.
fn site() -> World {
    let mut world = World::new(1);
    for host in ["node1", "node2"] {
        let capacity = json!({ "memory_mib": 65_536, "vcpus": 32 });
        let settings = json!({ "capacity": capacity });
        given(&mut world, "RegisterHypervisor", &json!({ "name": host, "settings": settings }));
    }
    let hosts = json!({ "node1": "/srv/a", "node2": "/srv/a" });
    let roles = json!(["images", "disks", "volatile", "media"]);
    let settings = json!({ "roles": roles, "hosts": hosts });
    given(&mut world, "CreateStorage", &json!({ "name": "main", "settings": settings }));
    given(&mut world, "CreateMachine", &json!({ "name": "gold", "kind": "source" }));
    let initial = json!({ "name": "win11", "kind": "initial", "source": "gold" });
    given(&mut world, "CreateMachine", &initial);
    world
}

/// It is accepted, and everything that follows from it happens.
#[track_caller]
fn given(world: &mut World, name: &str, data: &Value) -> Vec<Event> {
    let told = world.send(name, data, &mut check);
    let told = told.unwrap_or_else(|refused| panic!("{name} is refused: {refused}"));
    world.settle(&mut check);
    told
}

/// As [`given`], but its hosts don't say all about machines.
#[track_caller]
fn given_without(
    world: &mut World,
    (name, data): (&str, &Value),
    is_said: impl Fn(&Outcome) -> bool,
) {
    let told = world.send(name, data, &mut check);
    assert!(told.is_ok(), "{name} is refused: {told:?}");
    let said = |report: &Command| {
        let Command::ReportOutcome(report) = report else { return true };
        match &report.thing {
            Reported::Machine { outcome, .. } => is_said(outcome),
            Reported::Image { .. } => true,
        }
    };
    loop {
        world.publish();
        world.reports.retain(said);
        let Some(report) = world.reports.pop_front() else { return };
        world.heed(&report, &mut check);
    }
}

/// Time passes, and what is due happens.
fn wait(world: &mut World, seconds: u32) {
    world.wait(seconds);
    world.settle(&mut check);
}

#[track_caller]
fn refused(world: &mut World, name: &str, data: &Value) -> Rejection {
    world.send(name, data, &mut check).expect_err("this is refused")
}

fn machine<'a>(world: &'a World, name: &str) -> &'a Machine {
    let found = world.fleet.machines.iter().find(|(_, machine)| machine.name.as_str() == name);
    found.expect("the machine").1
}

/// A pool of so many children, and people who may use it.
fn pool(world: &mut World, children: u32, people: &[&str]) {
    given(world, "CopyFromSource", &json!({ "initial": "win11" }));
    let then = json!({ "virtual_snapshot": true });
    let populate = json!({ "initial": "win11", "count": children, "then": then });
    given(world, "Populate", &populate);
    given(world, "CreatePool", &json!({ "name": "room" }));
    given(world, "AddToPool", &json!({ "pool": "room", "children_of": "win11" }));
    for person in people {
        given(world, "CreateClient", &json!({ "name": person }));
        given(world, "EntitlePool", &json!({ "pool": "room", "client": person }));
    }
}

fn asks(world: &mut World, person: &str) {
    given(world, "RequestDesktop", &json!({ "client": person, "pool": "room" }));
}

fn desktops(world: &World) -> Vec<MachineId> {
    world.fleet.sessions.iter().filter_map(|(_, session)| session.machine()).collect()
}

/// Of whoever has or waits for the first desktop.
fn session(world: &World) -> SessionId {
    world.fleet.sessions.iter().next().expect("a session").0
}

fn waiting(world: &World) -> usize {
    world.fleet.sessions.iter().filter(|(_, session)| session.machine().is_none()).count()
}
