//! What a host has, and what is promised of it.

use std::fs;

use serde_json::{Value, json};

use crate::site::Site;

fn host(site: &Site) -> Value {
    let hosts = site.does(&["get", "hypervisors", "--output", "json"]);
    let mut hosts: Value = serde_json::from_str(&hosts).expect("JSON");
    hosts[0].take()
}

/// What the only host is known to have.
fn stands(site: &Site) -> Value {
    let host = host(site);
    let figure = |name: &str| host[name].as_u64().expect("a figure");
    json!({ "memory_mib": figure("memory_mib"), "vcpus": figure("vcpus") })
}

fn says(site: &Site, capacity: &Value) {
    let settings = json!({ "capacity": capacity });
    let update = json!({ "hypervisor": host(site)["id"], "settings": settings });
    site.does(&["do", "UpdateHypervisor", "--data", &update.to_string(), "--wait"]);
}

fn starts_anew(site: &mut Site) {
    site.stop();
    site.up();
}

#[test]
fn what_was_taken_back_is_promised_again_when_it_is_there_again() {
    let mut site = Site::start();
    let has = stands(&site);
    let less = json!({ "memory_mib": 256, "vcpus": 1 });
    says(&site, &less);
    starts_anew(&mut site);
    assert_eq!(stands(&site), less, "an administrator has said so");

    // As if the host itself had had no more.
    site.stop();
    let said = json!({
        "memory_mib": { "said": [256], "at_most": null },
        "vcpus": { "said": [1], "at_most": null },
    });
    fs::write(site.data().join("promised"), format!("{said}\n")).expect("written");
    site.up();
    assert_eq!(stands(&site), has);
    starts_anew(&mut site);
    assert_eq!(stands(&site), has);
}
