//! What a person may use.

use carrel_model::ids::ClientId;
use carrel_projections::{DesktopKind, DesktopState, desktops};
use serde_json::json;

use crate::random::founded;

fn client(world: &carrel_testkit::world::World, nth: usize) -> ClientId {
    world.fleet.clients.iter().map(|(id, _)| id).nth(nth).expect("somebody")
}

#[test]
fn people_see_the_pools_that_they_may_use_and_what_is_theirs() {
    let mut world = founded(5);
    let anna = client(&world, 0);
    let told = desktops(&world.fleet, anna);
    let shown: Vec<_> = told
        .iter()
        .map(|it| (it.name.as_str(), it.kind, it.state, it.mine, it.available))
        .collect();
    let pool = DesktopKind::Pool;
    assert_eq!(
        shown,
        [
            ("desk", pool, DesktopState::Available, false, 2),
            ("room", pool, DesktopState::Available, false, 2)
        ]
    );
    assert!(!told[0].protocols.is_empty());

    let given = |world: &mut carrel_testkit::world::World, name: &str, data| {
        let told = world.send(name, &data, &mut |_| {});
        assert!(told.is_ok(), "{name}: {told:?}");
        world.settle(&mut |_| {});
    };
    let asked = json!({ "pool": "room", "client": anna, "protocol": "spice" });
    given(&mut world, "RequestDesktop", asked);
    given(&mut world, "CreateMachine", json!({ "name": "own", "kind": "simple" }));
    given(&mut world, "AssignClient", json!({ "client": anna, "machine": "own" }));
    given(&mut world, "RevokePool", json!({ "client": anna, "pool": "desk" }));
    let told = desktops(&world.fleet, anna);
    let shown: Vec<_> = told.iter().map(|it| (it.name.as_str(), it.kind, it.mine)).collect();
    assert_eq!(shown, [("room", pool, true), ("own", DesktopKind::Machine, true)]);
    assert_eq!(told[0].state, DesktopState::Running);
    assert_eq!(told[1].state, DesktopState::Off);

    given(&mut world, "BlockClient", json!({ "client": anna }));
    assert_eq!(desktops(&world.fleet, anna), []);
}
