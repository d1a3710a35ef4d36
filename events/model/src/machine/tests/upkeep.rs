//! Machines that run once without their throwaway overlay.

use serde_json::json;

use super::scene::{add_storage, create, fact, machine, report, run, site};
use crate::command::Command;
use crate::event::MachineFact as Fact;
use crate::machine::{Outcome, StopCause, VirtualSnapshot, Writes};
use crate::testing::{command, kinds};
use crate::version::latest::machine::VirtualSnapshotChanged;

fn for_upkeep() -> Command {
    command("StartMachine", json!({ "machines": ["m"], "persistent_once": true }))
}

#[test]
fn upkeep_is_not_begun_on_what_is_thrown_away() {
    let mut story = site(&["node1"]);
    add_storage(&mut story, "fast", &["node1"], &json!(["volatile"]), "disk");
    create(&mut story, "m");
    let id = machine(&story, "m").id;
    let setting = Some(VirtualSnapshot { on_reboot: Default::default() });
    fact(&mut story, id, Fact::VirtualSnapshotChanged(VirtualSnapshotChanged { setting }));
    run(&mut story, "m");
    let refused = story.refused(for_upkeep(), "CRL-0242");
    let words = "m is on already, and what is written on it is thrown away";
    assert_eq!(refused.to_string(), words);
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story.given(for_upkeep());
    assert_eq!(machine(&story, "m").power.writes, Writes::Kept);
    report(&mut story, "m", Outcome::Started { boot_epoch: 2 });
    let events = story.given(for_upkeep());
    assert!(!kinds(&events).contains(&"machine.start_requested"), "it is on for upkeep already");
}
