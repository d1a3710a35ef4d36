//! The workflows of the systems that Carrel takes the place of, with hosts that do their work.

use carrel_model::event::Event;
use carrel_model::ids::MachineId;
use carrel_model::machine::{Machine, Ready, State};
use carrel_model::rejection::Rejection;
use carrel_testkit::world::World;
use serde_json::{Value, json};

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
    let told = world.send(name, data);
    let told = told.unwrap_or_else(|refused| panic!("{name} is refused: {refused}"));
    world.settle(&mut |_| {});
    told
}

#[track_caller]
fn refused(world: &mut World, name: &str, data: &Value) -> Rejection {
    world.send(name, data).expect_err("this is refused")
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

fn waiting(world: &World) -> usize {
    world.fleet.sessions.iter().filter(|(_, session)| session.machine().is_none()).count()
}

#[test]
fn image_roll_out_kvm_vdi() {
    let mut world = site();
    given(&mut world, "StartMachine", &json!({ "machines": ["gold"] }));
    let copy = json!({ "initial": "win11" });
    assert_eq!(refused(&mut world, "CopyFromSource", &copy).code(), "CRL-0211");
    given(&mut world, "PowerOffMachine", &json!({ "machines": ["gold"] }));
    given(&mut world, "CopyFromSource", &copy);

    // Sysprep in the initial; children come when it is off again.
    given(&mut world, "StartMachine", &json!({ "machines": ["win11"] }));
    let first_boot = json!({ "done": "guest_poweroff", "timeout_seconds": 600 });
    let then = json!({ "virtual_snapshot": true });
    let populate =
        json!({ "initial": "win11", "count": 3, "first_boot": first_boot, "then": then });
    refused(&mut world, "Populate", &populate);
    given(&mut world, "PowerOffMachine", &json!({ "machines": ["win11"] }));
    given(&mut world, "Populate", &populate);
    for child in ["win11-001", "win11-002", "win11-003"] {
        let child = machine(&world, child);
        assert!(child.virtual_snapshot.is_some(), "writes vanish from now on");
        assert!(child.maintenance.is_empty() && child.at_rest());
    }
    assert!(world.fleet.operations.is_empty(), "everything has ended");

    given(&mut world, "CreatePool", &json!({ "name": "room" }));
    given(&mut world, "AddToPool", &json!({ "pool": "room", "children_of": "win11" }));
    given(&mut world, "CreateClient", &json!({ "name": "anna" }));
    given(&mut world, "EntitlePool", &json!({ "pool": "room", "client": "anna" }));
    asks(&mut world, "anna");
    let desktop = desktops(&world)[0];
    let seen = world.fleet.machines.get(desktop).expect("her desktop").observed;
    assert_eq!((seen.state, seen.ready), (State::Running, Ready::Yes));
    let (session, _) = world.fleet.sessions.iter().next().expect("her session");
    given(&mut world, "EndSession", &json!({ "session": session }));
    let after = world.fleet.machines.get(desktop).expect("the machine");
    assert!(after.at_rest() && after.written.is_none(), "what she wrote went with the power");
}

#[test]
fn pool_exhaustion_and_race() {
    let people = ["anna", "jonas", "ona", "petras"];
    let mut world = site();
    pool(&mut world, 3, &people);
    people.iter().for_each(|person| asks(&mut world, person));
    let mut had = desktops(&world);
    had.dedup();
    assert_eq!((had.len(), waiting(&world)), (3, 1), "exactly one waits");
    let leased = world.fleet.sessions.iter().find(|(_, session)| session.machine().is_some());
    let (session, _) = leased.expect("somebody has a desktop");
    given(&mut world, "EndSession", &json!({ "session": session }));
    assert_eq!((desktops(&world).len(), waiting(&world)), (3, 0), "the next one is served");
}

#[test]
fn node_loss() {
    let mut world = site();
    pool(&mut world, 2, &["anna"]);
    asks(&mut world, "anna");
    let before = desktops(&world)[0];
    let host = world.fleet.machines.get(before).and_then(|it| it.place).expect("a host");
    let loss = json!({ "hypervisor": host });
    refused(&mut world, "ConfirmHypervisorLost", &loss);
    given(&mut world, "ReportHostSilent", &loss);
    assert_eq!(desktops(&world), [before], "silence alone takes nothing from anybody");
    given(&mut world, "ConfirmHypervisorLost", &loss);
    asks(&mut world, "anna");
    let after = desktops(&world)[0];
    let place = world.fleet.machines.get(after).and_then(|it| it.place);
    assert!(place.is_some_and(|it| it != host), "she goes on elsewhere");
    for (_, machine) in world.fleet.machines.iter() {
        assert!(machine.place != Some(host) || machine.at_rest());
    }
}
