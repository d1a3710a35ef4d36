//! A host that has promised more than it has.

use serde_json::json;

use crate::machine::Outcome;
use crate::machine::tests::scene::{create, machine, on, report, run, site};
use crate::testing::command;

#[test]
fn a_host_that_turns_out_to_have_less_stops_nothing_and_starts_nothing() {
    let mut story = site(&["node1"]);
    for name in ["a", "b"] {
        create(&mut story, name);
    }
    run(&mut story, "a");
    let less = json!({ "capacity": { "memory_mib": 1024, "vcpus": 1 } });
    story.given(command("UpdateHypervisor", json!({ "hypervisor": "node1", "settings": less })));
    assert!(!machine(&story, "a").at_rest());
    story.refused(on("StartMachine", "b"), "CRL-0201");
}

#[test]
fn a_domain_that_runs_there_is_adopted_although_there_is_no_room() {
    let mut story = site(&["node1"]);
    create(&mut story, "b");
    let fields = json!({
        "hypervisor": "node1",
        "name": "mail",
        "uuid": uuid::Uuid::from_bytes([7; 16]),
        "mac": "52:54:00:00:00:01",
        "settings": { "hardware": { "memory_mib": 1 << 20 } },
    });
    story.given(command("AdoptMachine", fields));
    report(&mut story, "mail", Outcome::Started { boot_epoch: 0 });
    assert!(!machine(&story, "mail").at_rest());
    story.refused(on("StartMachine", "b"), "CRL-0201");
}
