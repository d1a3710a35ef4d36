//! What breaks, and who notices.

use carrel_model::event::Event;
use carrel_model::machine::{Outcome, Reason, State};
use serde_json::json;

use super::{asks, desktops, given, given_without, machine, pool, refused, site, wait};
use carrel_testkit::invariants::check;

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

#[test]
fn guest_not_answering() {
    let mut world = site();
    pool(&mut world, 2, &["anna"]);
    let silent =
        |said: &Outcome| !matches!(said, Outcome::Ready { .. } | Outcome::DisplayArmed { .. });
    let ask = json!({ "client": "anna", "pool": "room" });
    given_without(&mut world, ("RequestDesktop", &ask), silent);
    let first = desktops(&world)[0];
    let seen = world.fleet.machines.get(first).expect("it").observed;
    assert_eq!(seen.state, State::Running, "its guest runs and doesn't answer");

    // She is given another one instead of waiting.
    wait(&mut world, 600);
    assert!(desktops(&world)[0] != first, "another one");

    // Again and again: it is put aside, and somebody has to look at it.
    let name = world.fleet.machines.get(first).expect("it").name.to_string();
    let it = json!({ "machines": [name] });
    for _ in 0..3 {
        if machine(&world, &name).at_rest() {
            given_without(&mut world, ("StartMachine", &it), silent);
        }
        world.wait(181);
        let due = carrel_model::clockwork::due(&world.fleet, world.now);
        for command in due {
            world.heed(&command, &mut check);
        }
        if machine(&world, &name).maintenance.is_empty() {
            given_without(&mut world, ("PowerOffMachine", &it), silent);
        }
    }
    assert!(machine(&world, &name).maintenance.contains(&Reason::Quarantine));
}

#[test]
fn guest_that_ignores_its_power_button() {
    let mut world = site();
    given(&mut world, "StartMachine", &json!({ "machines": ["gold"] }));
    let silent = |said: &Outcome| !matches!(said, Outcome::Stopped { .. });
    let it = json!({ "machines": ["gold"] });
    given_without(&mut world, ("ShutdownMachine", &it), silent);
    world.wait(180);
    let due = carrel_model::clockwork::due(&world.fleet, world.now);
    let mut told: Vec<Event> = Vec::new();
    for command in due {
        told.extend(world.tell(&command, &mut check).expect("it is due"));
    }
    let kinds: Vec<_> = told.iter().map(Event::kind).collect();
    assert!(kinds.contains(&"machine.shutdown_ignored"), "{kinds:?}");
    assert_eq!(machine(&world, "gold").observed.state, State::Running);
}
