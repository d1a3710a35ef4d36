//! What is set on a machine, and words on its screen.

use serde_json::{Value, json};

use super::scene::{create, machine, on, report, run, site};
use crate::command::Command;
use crate::machine::{Outcome, Reason, StopCause};
use crate::testing::{command, kinds};

fn update(fields: &Value) -> Command {
    let mut all = json!({ "machine": "m" });
    all.as_object_mut().expect("an object").extend(fields.as_object().cloned().expect("one"));
    command("UpdateMachine", all)
}

#[test]
fn a_running_guest_gets_new_hardware_with_its_next_power_cycle() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let identity = machine(&story, "m").identity;
    let memory = json!({ "hardware": { "memory_mib": 4096 } });
    story.given(update(&json!({ "name": "m", "settings": memory })));
    let m = machine(&story, "m");
    assert!(m.has_pending_settings());
    assert_eq!(m.reserved.memory_mib, 2048);
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    run(&mut story, "m");
    let m = machine(&story, "m");
    assert!(!m.has_pending_settings());
    assert_eq!((m.reserved.memory_mib, m.identity), (4096, identity));
}

#[test]
fn an_update_is_for_the_version_that_was_seen_and_for_what_can_be() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    create(&mut story, "n");
    story.refused(update(&json!({ "name": "x", "if_version": 9 })), "CRL-0003");
    story.refused(update(&json!({ "name": "n" })), "CRL-0002");
    story.refused(update(&json!({ "settings": { "identity": {} } })), "CRL-0004");
    let nowhere = json!({ "networks": [uuid::Uuid::nil()] });
    story.refused(update(&json!({ "settings": nowhere })), "CRL-0001");
    let nothing = story.given(update(&json!({ "name": "m" })));
    assert_eq!(kinds(&nothing), ["operation.accepted"]);
    story.given(update(&json!({ "name": "o", "if_version": 1 })));
    assert_eq!(machine(&story, "o").version.0, 2);
}

#[test]
fn networks_are_named_by_id_or_by_name() {
    let mut story = site(&["node1"]);
    for name in ["office", "lab"] {
        story.given(command("CreateNetwork", json!({ "name": name })));
    }
    let ids: Vec<_> = story.fleet.networks.iter().map(|(id, _)| id).collect();
    let settings = json!({ "networks": ["lab"] });
    let wanted = json!({ "name": "m", "kind": "simple", "settings": settings });
    story.given(command("CreateMachine", wanted));
    let of = |story: &crate::testing::Story| {
        let network = |id| story.fleet.networks.get(id).expect("it").name.to_string();
        let networks = machine(story, "m").settings.networks.clone();
        networks.into_iter().map(network).collect::<Vec<_>>()
    };
    assert_eq!(of(&story), ["lab"]);
    story.given(update(&json!({ "settings": { "networks": ["office", "lab"] } })));
    assert_eq!(of(&story), ["office", "lab"]);
    story.given(update(&json!({ "settings": { "networks": ids } })));
    story.refused(update(&json!({ "settings": { "networks": ["attic"] } })), "CRL-0001");
}

#[test]
fn a_lock_is_on_or_off() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    let (lock, unlock) = (json!({ "machine": "m" }), json!({ "machine": "m" }));
    let (lock, unlock) = (command("LockMachine", lock), command("UnlockMachine", unlock));
    assert_eq!(kinds(&story.given(unlock.clone())), ["operation.accepted"]);
    assert_eq!(kinds(&story.given(lock.clone()))[1..], ["machine.locked"]);
    assert_eq!(kinds(&story.given(lock)), ["operation.accepted"]);
    story.refused(on("StartMachine", "m"), "CRL-0202");
    assert_eq!(kinds(&story.given(unlock))[1..], ["machine.unlocked"]);
    story.given(on("StartMachine", "m"));
}

#[test]
fn maintenance_is_for_many_at_once() {
    let mut story = site(&["node1"]);
    story.given(command("CreateMachine", json!({ "name": "m", "kind": "simple", "count": 3 })));
    let all = json!({ "machines": ["m-1", "m-2", "m-3"], "on": true });
    let events = story.given(command("SetMaintenance", all));
    let changes = kinds(&events).into_iter().filter(|it| *it == "machine.maintenance_changed");
    assert_eq!(changes.count(), 3);
    assert!(machine(&story, "m-2").maintenance.contains(&Reason::Admin));
    assert!(story.fleet.operations.is_empty());
}

#[test]
fn words_are_shown_to_whoever_sits_there() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    let message = json!({ "machines": ["m"], "text": "Lunch!" });
    story.refused(command("MessageMachine", message.clone()), "CRL-0210");
    run(&mut story, "m");
    story.given(command("MessageMachine", message));
    assert_eq!(story.fleet.operations.len(), 1);
    report(&mut story, "m", Outcome::Applied);
    assert!(story.fleet.operations.is_empty());
}
