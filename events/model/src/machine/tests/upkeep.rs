//! Machines that run once without their throwaway overlay.

use serde_json::json;

use super::scene::{add_storage, create, fact, machine, report, run, site};
use crate::command::Command;
use crate::event::MachineFact as Fact;
use crate::image::tests::Site;
use crate::machine::{Outcome, StopCause, VirtualSnapshot, Writes};
use crate::testing::{command, kinds};
use crate::version::latest::machine::VirtualSnapshotChanged;

fn for_upkeep() -> Command {
    command("StartMachine", json!({ "machines": ["m"], "persistent_once": true }))
}

#[test]
fn what_was_written_for_upkeep_is_not_lost_unasked() {
    let (mut site, children) = Site::with_children(2);
    let (kept, plain) = (children[0], children[1]);
    site.given("EnableVirtualSnapshot", json!({ "children_of": "win11" }));
    for id in [kept, plain] {
        let once = if id == kept { Persistence::Once } else { Persistence::AsSet };
        let name = site.get(id).name.to_string();
        let start = json!({ "machines": [name], "persistent_once": once == Persistence::Once });
        site.given("StartMachine", start);
        site.started(id);
        site.off(id, StopCause::Guest);
    }
    site.given("Populate", json!({ "initial": "win11" }));
    let failed: Vec<_> = site.operation().failed.iter().collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((*failed[0].0, failed[0].1.code.as_str()), (kept, "CRL-0313"));
    assert!(site.get(plain).being_renewed());
    site.given("Populate", json!({ "initial": "win11", "discard_data": true }));
    site.applied(kept);
    assert!(!site.get(kept).upkeep);
    site.given("Populate", json!({ "initial": "win11" }));
    assert!(site.get(kept).being_renewed());
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Persistence {
    Once,
    AsSet,
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
