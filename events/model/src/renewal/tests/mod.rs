//! What is given, asked for, and comes of it: fresh disks.

mod before;
mod reset;
mod silence;
mod steps;
mod times;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::event::{Event, MachineFact};
use crate::ids::MachineId;
use crate::image::tests::Site;
use crate::machine::{RenewalStep, StopCause};
use crate::version::latest::Nothing;

/// One child that is populated with this beside `initial`.
pub(super) fn populating(beside: Value) -> (Site, MachineId) {
    let (mut site, children) = Site::with_children(1);
    populate(&mut site, beside);
    (site, children[0])
}

pub(super) fn populate(site: &mut Site, beside: Value) -> Vec<Event> {
    let mut data = json!({ "initial": "win11" });
    if let (Some(data), Value::Object(beside)) = (data.as_object_mut(), beside) {
        data.extend(beside);
    }
    site.given("Populate", data)
}

pub(crate) fn step(site: &Site, id: MachineId) -> Option<RenewalStep> {
    site.get(id).renewal.as_ref().map(|renewing| renewing.step)
}

/// Until its first boot runs.
pub(super) fn in_first_boot(done: &str) -> (Site, MachineId) {
    let (mut site, child) = populating(json!({ "first_boot": { "done": done } }));
    site.applied(child);
    site.started(child);
    assert_eq!(step(&site, child), Some(RenewalStep::FirstBoot));
    (site, child)
}

/// The steps as they are called in the diagram.
fn name(step: RenewalStep) -> &'static str {
    match step {
        RenewalStep::Pending => "pending",
        RenewalStep::Stopping => "stopping",
        RenewalStep::Overlaying => "overlaying",
        RenewalStep::FirstBoot => "first boot",
        RenewalStep::Finishing => "finishing",
    }
}

/// What stands in a diagram, without its arrows and what is written on them.
fn drawn(source: &str, above: &str, labels: &[&str]) -> BTreeSet<String> {
    let code = source.find(above).expect("the code below the diagram");
    let from = source[..code].rfind("/// ```text").expect("a diagram");
    let lines = source[from..code].lines().skip(1).take_while(|line| !line.contains("```"));
    let mut found = BTreeSet::new();
    for line in lines {
        let line = line.trim_start_matches('/');
        for word in line.split(['-', '>', '|', '+', '^', '(', ')', ',']) {
            let word = word.trim();
            if !word.is_empty() && !labels.contains(&word) {
                found.insert(word.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_step_of_the_diagram_is_reached_and_no_other() {
    let mut seen = BTreeSet::new();
    let mut see = |site: &Site, id: MachineId| {
        let step = step(site, id).map(name);
        seen.extend(step.map(str::to_owned));
    };
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    let session = site.lease(child);
    let beside = json!({ "first_boot": { "done": "agent" }, "discard_data": true });
    populate(&mut site, beside);
    see(&site, child);
    site.on(child);
    site.lease_ends(session);
    see(&site, child);
    site.off(child, StopCause::Command);
    see(&site, child);
    site.applied(child);
    see(&site, child);
    site.started(child);
    site.happens(child, MachineFact::FirstBootEnded(Nothing {}));
    see(&site, child);
    site.off(child, StopCause::Command);
    site.decides(|deciding| crate::renewal::reset(deciding, child));
    site.applied(child);
    site.started(child);
    site.happens(child, MachineFact::FirstBootEnded(Nothing {}));
    site.off(child, StopCause::Command);
    populate(&mut site, json!({}));
    populate(&mut site, json!({}));
    site.story.wait(crate::renewal::OVERLAY_SECONDS);
    site.advance();
    for (kind, end) in [
        ("machine.populated", "populated"),
        ("machine.cleaned", "cleaned"),
        ("machine.renewal_dropped", "dropped"),
        ("machine.renewal_failed", "failed"),
    ] {
        if site.story.log.iter().any(|event| event.kind() == kind) {
            seen.insert(end.to_owned());
        }
    }
    let labels = ["without a first boot", "each but pending"];
    let source = include_str!("../../machine/mod.rs");
    assert_eq!(drawn(source, "pub enum RenewalStep", &labels), seen);
}
