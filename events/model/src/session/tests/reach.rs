//! What can't be started for a reason of its own stands for no other.

use serde_json::{Value, json};

use super::site::{HOST, Site, machine};
use crate::machine::StopCause;

/// Beside the first host there is another one, with room for all.
fn second_host(site: &mut Site) {
    let capacity = json!({ "memory_mib": 1 << 20, "vcpus": 1000 });
    let host = json!({ "name": "node2", "settings": { "capacity": capacity } });
    site.given("RegisterHypervisor", host);
    let hosts = json!({ "hosts": { "node2": "/var/lib/carrel" } });
    site.given("UpdateStorage", json!({ "storage": "disks", "settings": hosts }));
}

fn falls_silent(site: &mut Site) {
    site.given("ReportHostSilent", json!({ "hypervisor": HOST }));
}

/// So many machines are off that were on a host which is silent now, and one that never was
/// anywhere.
fn at_rest_on_a_silent_host(count: u32, settings: impl Into<Value>) -> Site {
    let mut site = Site::with_pool(settings, count + 1, 1);
    for n in 0..count {
        site.runs(n);
        site.stopped(n, StopCause::Guest);
    }
    second_host(&mut site);
    falls_silent(&mut site);
    site
}

fn serve(site: &mut Site) {
    let pool = site.pool_id("pool");
    site.given("ServePool", json!({ "pool": pool }));
}

fn needs_a_gpu(site: &mut Site, n: u32) {
    let hardware = json!({ "hardware": { "counters": { "gpu/a16": 1 } } });
    site.given("UpdateMachine", json!({ "machine": machine(n), "settings": hardware }));
}

#[test]
fn somebody_gets_what_was_never_placed_beside_machines_of_a_silent_host() {
    for count in [1, 3, 20] {
        let mut site = at_rest_on_a_silent_host(count, json!({}));
        site.ask(0);
        assert_eq!(site.machine_of(0), Some(machine(count)));
    }
}

#[test]
fn somebody_gets_what_fits_beside_machines_that_need_what_no_host_has() {
    let mut site = Site::with_pool(json!({}), 21, 1);
    (0..20).for_each(|n| needs_a_gpu(&mut site, n));
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(20)));
}

#[test]
fn a_spare_is_started_beside_machines_of_a_silent_host() {
    let mut site = at_rest_on_a_silent_host(3, json!({ "spares": { "keep_started": 0 } }));
    let spares = json!({ "spares": { "keep_started": 1 } });
    site.given("UpdatePool", json!({ "pool": "pool", "settings": spares }));
    assert!(site.at(3).uses_host());
}

#[test]
fn a_spare_is_started_beside_machines_that_need_what_no_host_has() {
    let mut site = Site::with_pool(json!({}), 4, 0);
    (0..3).for_each(|n| needs_a_gpu(&mut site, n));
    let spares = json!({ "spares": { "keep_started": 1 } });
    site.given("UpdatePool", json!({ "pool": "pool", "settings": spares }));
    assert!(site.at(3).uses_host());
}

#[test]
fn a_lab_keeps_running_what_it_can_beside_machines_of_a_silent_host() {
    let mut site = at_rest_on_a_silent_host(3, json!({}));
    let settings = json!({ "pools": ["pool"], "start_instances": 1 });
    site.given("CreateLab", json!({ "name": "b12", "settings": settings }));
    let lab = site.story.fleet.labs.last().expect("the lab");
    site.given("KeepLab", json!({ "lab": lab }));
    assert!(site.at(3).uses_host());
}

#[test]
fn a_spare_makes_way_for_what_is_only_short_of_room_behind_what_no_host_can_take() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    needs_a_gpu(&mut site, 0);
    needs_a_gpu(&mut site, 1);
    site.pool("spares", json!({ "spares": { "keep_started": 1 } }));
    site.vdi(2);
    site.join(2, "spares");
    site.started(2);
    let capacity = json!({ "memory_mib": 1 << 20, "vcpus": 2 });
    let over = json!({ "memory_percent": 100, "vcpus_percent": 100 });
    let full = json!({ "capacity": capacity, "overcommit": over });
    site.given("UpdateHypervisor", json!({ "hypervisor": "node1", "settings": full }));
    site.vdi(3);
    site.join(3, "pool");
    site.ask(0);
    assert!(site.at(2).power.wish.is_off(), "the GPU is not what is in the way");
    site.stopped(2, StopCause::Command);
    serve(&mut site);
    assert_eq!(site.machine_of(0), Some(machine(3)));
}
