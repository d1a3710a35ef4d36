//! What runs for nobody makes way, wherever it is and whatever never goes off.

use serde_json::{Value, json};

use super::site::{HOST, STORAGE, Site, machine};
use crate::clockwork::due;
use crate::event::{HypervisorFact, MachineFact, StorageFact};
use crate::ids::HypervisorId;
use crate::session::tests::site::fact;
use crate::testing::BEGINNING;

const MINUTE: u32 = 60;

/// A host with room for two machines of the usual size.
fn small() -> Value {
    let capacity = json!({ "memory_mib": 1 << 20, "vcpus": 2 });
    let over = json!({ "memory_percent": 100, "vcpus_percent": 100 });
    json!({ "capacity": capacity, "overcommit": over })
}

fn time_passes(site: &mut Site) {
    site.story.wait(MINUTE);
    for command in due(&site.story.fleet, site.story.now) {
        site.story.given(command);
    }
}

fn only_when_the_first_has_not_gone_off_the_second_does(site: &mut Site) {
    site.given("PowerOffMachine", json!({ "machines": [machine(0)] }));
    site.story.given(Site::request(0, "other"));
    assert!(!site.at(1).power.wish.is_off(), "the first one goes off, and that is enough");
    time_passes(site);
    site.story.given(Site::request(0, "other"));
    assert!(site.at(1).power.wish.is_off(), "it should be off by now");
}

#[test]
fn what_never_goes_off_holds_up_no_spare_on_another_host() {
    let mut site = Site::with_pool(json!({}), 2, 0);
    site.pool("other", json!({}));
    site.vdi(2);
    site.join(2, "other");
    site.person(0);
    site.entitle(0, "other");
    site.given("UpdateHypervisor", json!({ "hypervisor": "node1", "settings": small() }));
    site.given("RegisterHypervisor", json!({ "name": "node2", "settings": small() }));
    let hosts = json!({ "hosts": { "node2": "/var/lib/carrel" } });
    site.given("UpdateStorage", json!({ "storage": "disks", "settings": hosts }));
    let spares = json!({ "spares": { "keep_started": 2 } });
    site.given("UpdatePool", json!({ "pool": "pool", "settings": spares }));
    (0..2).for_each(|n| drop(site.started(n)));
    assert_ne!(site.at(0).place, site.at(1).place);
    only_when_the_first_has_not_gone_off_the_second_does(&mut site);
}

#[test]
fn a_lab_does_not_wait_for_what_never_goes_off() {
    let mut site = Site::with_pool(json!({ "spares": { "keep_started": 2 } }), 2, 0);
    (0..2).for_each(|n| drop(site.started(n)));
    let other = site.pool("other", json!({}));
    site.vdi(2);
    site.join(2, "other");
    site.person(0);
    site.entitle(0, "other");
    let pools = json!([site.pool_id("pool"), other]);
    let settings = json!({ "pools": pools, "max_instances": 2 });
    site.given("CreateLab", json!({ "name": "b12", "settings": settings }));
    only_when_the_first_has_not_gone_off_the_second_does(&mut site);
}

fn host(n: u32) -> HypervisorId {
    let mut bytes = [0xc1; 16];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    HypervisorId::from_bytes(bytes)
}

/// A machine runs on a host since long ago.
fn runs_on(site: &mut Site, n: u32, host: HypervisorId) {
    let placement = json!({ "policy": "test", "chosen_for": "", "considered": 1 });
    let reserved = json!({ "memory_mib": 2048, "vcpus": 1 });
    let placed = json!({ "hypervisor": host, "reserved": reserved, "placement": placement });
    site.story.was(machine(n), MachineFact::Placed(fact(placed)));
    let start = json!({ "boot_epoch": 1 });
    site.story.was(machine(n), MachineFact::StartRequested(fact(start)));
    let started = json!({ "boot_epoch": 1, "at": BEGINNING, "ready_by": BEGINNING });
    site.story.was(machine(n), MachineFact::Started(fact(started)));
}

/// On each of many hosts a spare and an operator's machine are all that there is room for; on the
/// last one there are two spares.
fn only_the_last_host_can_make_way(hosts: u32) -> Site {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.given("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true }));
    let spares = site.pool("spares", json!({}));
    let mut seen = serde_json::Map::new();
    seen.insert(HOST.to_string(), json!("/a"));
    for n in 0..hosts {
        let registered = json!({ "name": format!("h{n}"), "settings": small() });
        site.story.was(host(n), HypervisorFact::Registered(fact(registered)));
        seen.insert(host(n).to_string(), json!("/a"));
    }
    let settings = json!({ "roles": ["images", "disks", "volatile"], "hosts": seen });
    let updated = json!({ "name": "disks", "settings": settings });
    site.story.was(STORAGE, StorageFact::Updated(fact(updated)));
    for n in 0..2 * hosts {
        site.vdi(n + 1);
        if n % 2 == 1 || n / 2 == hosts - 1 {
            let joined = json!({ "pool": spares });
            site.story.was(machine(n + 1), MachineFact::PoolChanged(fact(joined)));
        }
        runs_on(&mut site, n + 1, host(n / 2));
    }
    site
}

#[test]
fn spares_make_way_on_whichever_of_many_hosts_they_are() {
    for hosts in [64, 65, 150] {
        let mut site = only_the_last_host_can_make_way(hosts);
        let makes_way = |site: &mut Site| {
            site.story.wait(MINUTE);
            site.ask(0);
            (1..=2 * hosts).any(|n| site.at(n).power.wish.is_off())
        };
        assert!((0..20).any(|_| makes_way(&mut site)), "of {hosts} hosts");
    }
}
