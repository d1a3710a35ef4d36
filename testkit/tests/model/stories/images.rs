//! How an image reaches people, and how nothing of it is lost.

use std::collections::BTreeMap;

use carrel_model::image::{DEFAULT, Hold};
use carrel_model::machine::{Outcome, Ready, State};
use carrel_model::name::Name;
use serde_json::json;

use super::{asks, desktops, given, given_without, machine, pool, refused, session, site, wait};

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
fn image_roll_out_qvd() {
    let mut world = site();
    pool(&mut world, 2, &["anna"]);
    given(&mut world, "TagImage", &json!({ "image": "win11:head", "tag": "default" }));
    let follow = json!({ "image": { "initial": "win11", "tag": "default" } });
    given(&mut world, "UpdatePool", &json!({ "pool": "room", "settings": follow }));
    asks(&mut world, "anna");
    let hers = desktops(&world)[0];
    let version = |world: &carrel_testkit::world::World, id| {
        let image = world.fleet.machines.get(id).and_then(carrel_model::machine::Machine::image);
        image.and_then(|image| world.fleet.images.get(image)).map(|image| image.number)
    };
    let other = world.fleet.machines.iter().find(|(id, it)| it.pool.is_some() && *id != hers);
    let other = other.expect("the other one").0;

    // A file that can't be made is a failure with its message, and nothing else changes.
    given(&mut world, "StartMachine", &json!({ "machines": ["win11"] }));
    given(&mut world, "PowerOffMachine", &json!({ "machines": ["win11"] }));
    let seal = json!({ "initial": "win11" });
    given_without(&mut world, ("SealImage", &seal), |said| !matches!(said, Outcome::Sealed { .. }));
    let failed = json!({ "failed": { "failure": { "code": "io", "detail": "the disk is full" } } });
    let initial = machine(&world, "win11");
    let report = json!({
        "hypervisor": initial.place, "generation": initial.generation,
        "thing": { "machine": { "id": initial.id, "outcome": failed } },
    });
    let told = given(&mut world, "ReportOutcome", &report);
    let kinds: Vec<_> = told.iter().map(carrel_model::event::Event::kind).collect();
    assert!(kinds.contains(&"machine.seal_failed") && kinds.contains(&"operation.finished"));
    assert_eq!((version(&world, hers), version(&world, other)), (Some(1), Some(1)));

    // The tag moves: the free one changes at once, hers when she is gone (soft).
    given(&mut world, "SealImage", &seal);
    assert_eq!((version(&world, hers), version(&world, other)), (Some(1), Some(1)));
    given(&mut world, "TagImage", &json!({ "image": "win11:head", "tag": "default" }));
    let head = version(&world, other);
    assert!(head > Some(1) && version(&world, hers) == Some(1));

    // At a given time, with a warning (hard).
    let at = world.now.plus_seconds(3600);
    let hard = json!({ "initial": "win11", "when": { "at": at }, "warn_seconds": 600 });
    given(&mut world, "Populate", &hard);
    assert!(world.fleet.machines.get(hers).is_some_and(|it| it.message.is_none()));
    wait(&mut world, 3000);
    assert!(world.fleet.machines.get(hers).is_some_and(|it| it.message.is_some()), "she is warned");
    assert_eq!(desktops(&world), [hers]);
    wait(&mut world, 600);
    assert_eq!((desktops(&world).len(), version(&world, hers)), (0, head));

    // The old default goes, and the newest version takes its place.
    let newest = json!({ "image": { "initial": "win11", "tag": "head" } });
    given(&mut world, "UpdatePool", &json!({ "pool": "room", "settings": newest }));
    given(&mut world, "TagImage", &json!({ "image": "win11@1", "tag": "default" }));
    let default = |world: &carrel_testkit::world::World| {
        let tagged = |tags: &BTreeMap<Name, Hold>| tags.keys().any(|tag| tag.as_str() == DEFAULT);
        let image = world.fleet.images.iter().find(|(_, image)| tagged(&image.tags));
        image.map(|(_, image)| image.number)
    };
    assert_eq!(default(&world), Some(1));
    given(&mut world, "RetireImage", &json!({ "image": "win11@1" }));
    assert_eq!(default(&world), head);
    asks(&mut world, "anna");
    assert_eq!(version(&world, desktops(&world)[0]), head);
    let gone = session(&world);
    given(&mut world, "EndSession", &json!({ "session": gone }));
}

#[test]
fn soft_delete_safety() {
    let mut world = site();
    pool(&mut world, 2, &["anna"]);
    let initial = json!({ "machines": ["win11"] });
    refused(&mut world, "DeleteMachine", &initial);
    refused(&mut world, "RetireImage", &json!({ "image": "win11@1" }));
    refused(&mut world, "DeletePool", &json!({ "pool": "room" }));
    refused(&mut world, "RemoveStorage", &json!({ "storage": "main" }));
    refused(&mut world, "RemoveHypervisor", &json!({ "hypervisor": "node1" }));
    asks(&mut world, "anna");
    let used = desktops(&world)[0];
    refused(&mut world, "DeleteMachine", &json!({ "machines": [used] }));
    given(&mut world, "LockMachine", &json!({ "machine": "win11-002" }));
    let locked = refused(&mut world, "DeleteMachine", &json!({ "machines": ["win11-002"] }));
    assert_eq!(locked.code(), "CRL-0202");
    assert!(world.fleet.machines.iter().count() >= 4, "nothing is gone");

    // Step by step it can go, the children first.
    given(&mut world, "UnlockMachine", &json!({ "machine": "win11-002" }));
    let ended = session(&world);
    given(&mut world, "EndSession", &json!({ "session": ended }));
    let children = json!({ "pool": "room", "machines": ["win11-001", "win11-002"] });
    given(&mut world, "RemoveFromPool", &children);
    given(&mut world, "DeletePool", &json!({ "pool": "room" }));
    given(&mut world, "DeleteMachine", &json!({ "children_of": "win11" }));
    assert_eq!(world.fleet.machines.len(), 2, "the source and the initial are left");
    assert_eq!(world.fleet.images.len(), 1);
    given(&mut world, "DeleteMachine", &initial);
    assert_eq!(world.fleet.images.len(), 0, "its versions go with it");
    assert_eq!(world.fleet.machines.len(), 1, "what it was copied from is left");
    assert_eq!(world.fleet.operations.len(), 0, "and whoever asked for it has heard");
}
