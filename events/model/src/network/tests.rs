//! What is given, asked for, and comes of it.

use serde_json::{Value, json};

use crate::command::Command;
use crate::event::{HypervisorFact, MachineFact};
use crate::machine::Kind;
use crate::testing::{Story, command, kinds, machine_made};
use crate::version::latest::Nothing;
use crate::version::latest::machine::{Settings, Updated};

fn create(name: &str, settings: &Value) -> Command {
    command("CreateNetwork", json!({ "name": name, "settings": settings }))
}

fn update(settings: &Value) -> Command {
    command("UpdateNetwork", json!({ "network": "lan", "settings": settings }))
}

fn remove() -> Command {
    command("RemoveNetwork", json!({ "network": "lan" }))
}

fn given() -> Story {
    let mut story = Story::new();
    let bridge = json!({ "attachment": { "bridge": { "name": "br0" } } });
    let events = story.given(create("lan", &bridge));
    assert_eq!(kinds(&events), ["operation.accepted", "network.created"]);
    story
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    let drawn = crate::testing::drawn(include_str!("mod.rs"));
    assert_eq!(drawn, ["created --> (updated)* --> removed"]);
    let mut story = given();
    story.refused(create("lan", &json!({})), "CRL-0002");
    let policy = json!({ "policy": { "isolated": true } });
    assert_eq!(kinds(&story.given(update(&policy)))[1..], ["network.updated"]);
    assert_eq!(kinds(&story.given(update(&policy))), ["operation.accepted"]);
    assert_eq!(kinds(&story.given(remove()))[1..], ["network.removed"]);
    story.refused(remove(), "CRL-0001");
}

#[test]
fn a_vlan_has_one_of_the_tags_that_there_are() {
    let mut story = given();
    let vlan = |tag: u16| json!({ "vlan": { "bridge": "br0", "tag": tag } });
    for tag in [0, 4095, 65535] {
        story.refused(create("vlan", &json!({ "attachment": vlan(tag) })), "CRL-0805");
    }
    for tag in [1, 4094] {
        let mut attachment = vlan(tag);
        attachment["bridge"] = Value::Null;
        story.given(update(&json!({ "attachment": attachment })));
    }
    let capacity = json!({ "memory_mib": 65536, "vcpus": 16 });
    let host = json!({ "name": "node1", "settings": { "capacity": capacity } });
    story.given(command("RegisterHypervisor", host));
    story.refused(update(&json!({ "hosts": { "node1": vlan(4095) } })), "CRL-0805");
    story.refused(update(&json!({ "hosts": { "node2": vlan(7) } })), "CRL-0001");
    story.given(update(&json!({ "hosts": { "node1": vlan(7) } })));
    let host = story.fleet.hypervisors.last().expect("a host");
    story.happens(|deciding| deciding.fact(host, HypervisorFact::Removed(Nothing {})));
    story.given(update(&json!({ "policy": { "isolated": true } })));
    let (_, lan) = story.fleet.networks.iter().next().expect("the network");
    assert!(lan.settings.hosts.is_empty());
}

#[test]
fn a_range_of_addresses_goes_upwards_within_a_family() {
    let mut story = given();
    let range = |first: &str, last: &str| json!({ "addresses": { "first": first, "last": last } });
    story.refused(update(&range("10.0.0.9", "10.0.0.1")), "CRL-0806");
    story.refused(update(&range("10.0.0.1", "fd00::1")), "CRL-0806");
    story.refused(update(&range("10.0.0.1", "10.0.0.256")), "CRL-0004");
    story.given(update(&range("10.0.0.1", "10.0.0.1")));
    story.given(update(&range("fd00::1", "fd00::ff")));
}

#[test]
fn a_network_with_a_machine_on_it_stays() {
    let mut story = given();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let network = story.fleet.networks.last().expect("the network");
    let name = story.fleet.machines.get(machine).expect("it").name.clone();
    let settings = Settings { networks: vec![network], ..Settings::default() };
    let updated = Updated { name, settings };
    story.happens(|deciding| deciding.fact(machine, MachineFact::Updated(updated)));
    let refused = story.refused(remove(), "CRL-0807");
    assert_eq!(refused.to_string(), "pc is on lan");
}

#[test]
fn a_network_that_a_version_of_an_image_brings_stays() {
    use crate::event::ImageFact;
    use crate::ids::{CommandId, ImageId, StorageId};
    use crate::version::latest::image::{Origin, SealRequested};
    let mut story = given();
    let initial = machine_made(&mut story, "win11", Kind::Source, Vec::new());
    let network = story.fleet.networks.last().expect("the network");
    let requested = SealRequested {
        base: None,
        initial,
        number: 1,
        origin: Origin::Sealed,
        operation: CommandId::from_bytes([6; 16]),
        storage: StorageId::from_bytes([7; 16]),
        format: crate::version::latest::machine::Format::Qcow2,
        depth: 1,
        size_gib: 20,
        settings: Settings { networks: vec![network], ..Settings::default() },
        tags: Vec::new(),
    };
    let image = ImageId::from_bytes([5; 16]);
    story.happens(|deciding| deciding.fact(image, ImageFact::SealRequested(requested)));
    let refused = story.refused(remove(), "CRL-0807");
    assert_eq!(refused.to_string(), "win11@1 is on lan");
}
