//! A host that says nothing for a while leaves nothing behind.

use serde_json::json;

use super::{populate, populating, step};
use crate::hypervisor::commands::{ReportHostHeard, ReportHostSilent};
use crate::image::tests::{Site, ended};
use crate::machine::{RenewalStep, StopCause};
use crate::operation::Outcome;
use crate::renewal::OVERLAY_SECONDS;
use crate::testing::kinds;

fn falls_silent(site: &mut Site) {
    site.story.given(ReportHostSilent { hypervisor: site.host });
}

fn is_heard(site: &mut Site) {
    site.story.given(ReportHostHeard { hypervisor: site.host });
}

#[test]
fn an_overlay_on_a_host_that_is_silent_for_a_night_is_waited_for() {
    let (mut site, child) = populating(json!({}));
    falls_silent(&mut site);
    let mut facts = 0;
    for _ in 0..720 {
        site.story.wait(60);
        facts += site.advance().len();
    }
    assert!(facts < 24, "it is said {facts} times");
    assert_eq!(step(&site, child), Some(RenewalStep::Overlaying));
    is_heard(&mut site);
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
    assert!(site.get(child).maintenance.is_empty());
}

#[test]
fn power_that_a_silent_host_has_not_cut_is_waited_for() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    site.on(child);
    populate(&mut site, json!({}));
    assert_eq!(step(&site, child), Some(RenewalStep::Stopping));
    falls_silent(&mut site);
    for _ in 0..20 {
        site.story.wait(61);
        site.advance();
    }
    is_heard(&mut site);
    site.off(child, StopCause::Command);
    assert_eq!(step(&site, child), Some(RenewalStep::Overlaying));
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
    assert!(site.get(child).maintenance.is_empty());
}

#[test]
fn a_host_that_is_back_has_some_time_and_no_more() {
    let (mut site, child) = populating(json!({}));
    falls_silent(&mut site);
    site.story.wait(OVERLAY_SECONDS);
    assert_eq!(kinds(&site.advance()), ["machine.renewal_delayed"]);
    is_heard(&mut site);
    site.story.wait(60);
    assert_eq!(kinds(&site.advance()), ["machine.renewal_delayed"]);
    site.story.wait(120);
    assert_eq!(ended(&site.advance()), Some(Outcome::Failed));
    assert_eq!(step(&site, child), None);
}
