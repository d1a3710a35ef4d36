//! What is given, asked for, and comes of it.

use serde_json::{Value, json};

use super::{Role, Settings};
use crate::command::Command;
use crate::event::{HypervisorFact, ImageFact, MachineFact, StorageFact};
use crate::fleet::Fleet;
use crate::ids::{CommandId, HypervisorId, ImageId, MachineId, StorageId};
use crate::machine::{DiskSource, Kind, Placement, Reservation, Settings as MachineSettings};
use crate::name::PlatformName;
use crate::record::Timestamp;
use crate::testing::{Story, command, disk, kinds, machine_made};
use crate::version::latest::image::{FileRequested, Origin, SealRequested};
use crate::version::latest::machine::{Placed, StartRequested, Volatile};
use crate::version::latest::storage::SpaceLowChanged;
use crate::version::latest::{Nothing, Switch};

fn with_host(story: &mut Story, name: &str) -> HypervisorId {
    let capacity = json!({ "memory_mib": 65536, "vcpus": 16 });
    let settings = json!({ "capacity": capacity });
    story.given(command("RegisterHypervisor", json!({ "name": name, "settings": settings })));
    let mut hosts = story.fleet.hypervisors.iter();
    hosts.find(|(_, host)| host.name.as_str() == name).expect("a host").0
}

fn create(name: &str, settings: &Value) -> Command {
    command("CreateStorage", json!({ "name": name, "settings": settings }))
}

fn update(settings: &Value) -> Command {
    command("UpdateStorage", json!({ "storage": "ssd", "settings": settings }))
}

fn remove() -> Command {
    command("RemoveStorage", json!({ "storage": "ssd" }))
}

fn only(fleet: &Fleet) -> (StorageId, Settings) {
    let (id, storage) = fleet.storages.iter().next().expect("a storage");
    (id, storage.settings.clone())
}

/// Two hosts, and a storage that both see.
fn given() -> (Story, StorageId, HypervisorId) {
    let mut story = Story::new();
    let host = with_host(&mut story, "node1");
    with_host(&mut story, "node2");
    let hosts = json!({ "node1": "/srv/carrel", "node2": "/srv/carrel" });
    let events = story.given(create("ssd", &json!({ "hosts": hosts })));
    assert_eq!(kinds(&events), ["operation.accepted", "storage.created"]);
    let (storage, _) = only(&story.fleet);
    (story, storage, host)
}

#[test]
fn more_space_than_there_can_be_is_not_low() {
    let (mut story, ..) = given();
    story.refused(update(&json!({ "low_space_mib": u64::MAX })), "CRL-0811");
}

fn placed(story: &mut Story, machine: MachineId, host: HypervisorId, volatile: bool) {
    let (storage, _) = only(&story.fleet);
    let volatile = volatile.then_some(Volatile { storage, size_mib: 1024 });
    let placement = Placement {
        policy: PlatformName::new("test").expect("a name"),
        chosen_for: Default::default(),
        considered: 1,
        refused: Default::default(),
    };
    let reserved = Reservation { volatile, ..Default::default() };
    story.happens(|deciding| {
        deciding
            .fact(machine, MachineFact::Placed(Placed { hypervisor: host, reserved, placement }));
        let deadline = Timestamp::MAX;
        let start =
            StartRequested { boot_epoch: 1, deadline: Some(deadline), persistent_once: false };
        deciding.fact(machine, MachineFact::StartRequested(start));
    });
}

fn image_of(story: &mut Story, initial: MachineId, storage: StorageId) -> ImageId {
    let id = ImageId::from_bytes([5; 16]);
    let requested = SealRequested {
        base: None,
        initial,
        number: 3,
        origin: Origin::Sealed,
        operation: CommandId::from_bytes([6; 16]),
        storage,
        format: crate::version::latest::machine::Format::Qcow2,
        depth: 1,
        size_gib: 20,
        settings: MachineSettings::default(),
        tags: Vec::new(),
    };
    story.happens(|deciding| deciding.fact(id, ImageFact::SealRequested(requested)));
    id
}

#[test]
fn hosts_are_named_as_people_write_them() {
    let (mut story, _, host) = given();
    story.refused(create("ssd", &json!({ "hosts": {} })), "CRL-0002");
    story.refused(create("hdd", &json!({ "hosts": { "node3": "/srv" } })), "CRL-0001");
    let twice = json!({ "hosts": { "node1": "/srv", host.to_string(): "/srv" } });
    story.refused(create("hdd", &twice), "CRL-0004");
    let many: serde_json::Map<_, _> =
        (0..513).map(|at| (format!("node-{at}"), json!("/srv"))).collect();
    story.refused(create("hdd", &json!({ "hosts": many })), "CRL-0005");
}

#[test]
fn a_change_names_hosts_by_name_or_id_and_null_takes_one_away() {
    let (mut story, _, host) = given();
    let change = json!({ "hosts": { "node2": null, host.to_string(): "/srv/other" } });
    assert_eq!(kinds(&story.given(update(&change)))[1..], ["storage.updated"]);
    let (_, settings) = only(&story.fleet);
    assert_eq!(settings.hosts.len(), 1);
    assert_eq!(settings.hosts[&host].as_str(), "/srv/other");
    assert_eq!(kinds(&story.given(update(&change))), ["operation.accepted"]);
    story.refused(update(&json!({ "hosts": { "node9": null } })), "CRL-0001");
    story.refused(update(&json!({ "hosts": { "bad name": null } })), "CRL-0004");
    let stale = json!({ "storage": "ssd", "name": "nvme", "if_version": 1 });
    story.refused(command("UpdateStorage", stale), "CRL-0003");
    story.given(command("UpdateStorage", json!({ "storage": "ssd", "name": "nvme" })));
    assert_eq!(story.fleet.storages.iter().next().expect("it").1.name.as_str(), "nvme");
}

#[test]
fn a_storage_is_for_everything_unless_it_is_in_memory() {
    let (mut story, ..) = given();
    assert_eq!(only(&story.fleet).1.roles, Role::ALL.into());
    story.refused(create("none", &json!({ "roles": [] })), "CRL-0803");
    let keeps = json!({ "medium": "memory", "roles": ["volatile", "disks"] });
    story.refused(create("ram", &keeps), "CRL-0804");
    story.given(create("ram", &json!({ "medium": "memory" })));
    let ram = story.fleet.storages.iter().find(|(_, it)| it.name.as_str() == "ram").expect("it");
    assert_eq!(ram.1.settings.roles, [Role::Volatile].into());
}

#[test]
fn a_storage_is_removed_when_nothing_is_on_it() {
    let (mut story, ..) = given();
    assert_eq!(kinds(&story.given(remove()))[1..], ["storage.removed"]);
    story.refused(remove(), "CRL-0001");
}

#[test]
fn a_storage_with_disks_stays_and_stays_for_disks() {
    let (mut story, storage, host) = given();
    let machine =
        machine_made(&mut story, "pc", Kind::Simple, vec![disk(storage, DiskSource::Blank)]);
    let refused = story.refused(remove(), "CRL-0801");
    assert_eq!(refused.to_string(), "ssd still holds disks of pc");
    story.refused(update(&json!({ "roles": ["images", "media"] })), "CRL-0801");
    story.given(update(&json!({ "roles": ["disks"] })));
    // A host that is not responsible for it can go, also to another path.
    story.given(update(&json!({ "hosts": { "node1": "/srv/other" } })));
    placed(&mut story, machine, host, false);
    let refused = story.refused(update(&json!({ "hosts": { "node1": "/srv" } })), "CRL-0802");
    assert_eq!(refused.to_string(), "node1 needs ssd for pc");
    story.refused(update(&json!({ "hosts": { "node1": null } })), "CRL-0802");
    story.given(update(&json!({ "hosts": { "node2": null } })));
}

#[test]
fn a_storage_with_throwaway_overlays_stays() {
    let (mut story, _, host) = given();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    placed(&mut story, machine, host, true);
    let refused = story.refused(remove(), "CRL-0801");
    assert_eq!(refused.to_string(), "ssd still holds throwaway overlays of pc");
    story.refused(update(&json!({ "hosts": { "node1": null } })), "CRL-0802");
}

#[test]
fn a_storage_with_versions_of_images_stays() {
    let (mut story, storage, host) = given();
    let initial = machine_made(&mut story, "win11", Kind::Source, Vec::new());
    let image = image_of(&mut story, initial, storage);
    let refused = story.refused(remove(), "CRL-0801");
    assert_eq!(refused.to_string(), "ssd still holds images of win11@3");
    story.given(update(&json!({ "hosts": { "node1": "/srv/other" } })));
    let file = FileRequested {
        file: 2,
        storage,
        format: crate::machine::Format::Qcow2,
        depth: 1,
        hypervisor: host,
    };
    story.happens(|deciding| deciding.fact(image, ImageFact::FileRequested(file)));
    let refused = story.refused(update(&json!({ "hosts": { "node1": null } })), "CRL-0802");
    assert_eq!(refused.to_string(), "node1 needs ssd for win11@3");
}

#[test]
fn a_storage_with_media_stays() {
    let (mut story, ..) = given();
    let digest = "0".repeat(64);
    let add = json!({ "name": "iso", "kind": "iso", "storage": "ssd", "size_bytes": 1, "digest": digest });
    story.given(command("AddMedia", add));
    let refused = story.refused(remove(), "CRL-0801");
    assert_eq!(refused.to_string(), "ssd still holds media of iso");
}

#[test]
fn a_host_that_is_gone_is_in_nobodys_way() {
    let (mut story, storage, host) = given();
    story.happens(|deciding| {
        deciding.fact(host, HypervisorFact::Removed(Nothing {}));
    });
    story.given(update(&json!({ "low_space_mib": 1 })));
    assert_eq!(story.fleet.storages.get(storage).expect("it").settings.hosts.len(), 1);
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    let drawn = crate::testing::drawn(include_str!("mod.rs"));
    assert_eq!(drawn, ["created --> usable <--> low on space --> removed"]);
    let (mut story, storage, _) = given();
    let low = |story: &Story| story.fleet.storages.get(storage).map(|it| it.low_on_space);
    assert_eq!(low(&story), Some(false));
    for (switch, is_low) in [(Switch::On, true), (Switch::Off, false)] {
        let change = SpaceLowChanged { switch, free_mib: 1 };
        story.happens(|deciding| deciding.fact(storage, StorageFact::SpaceLowChanged(change)));
        assert_eq!(low(&story), Some(is_low));
    }
    story.given(remove());
    assert_eq!(low(&story), None);
}

#[test]
fn a_folder_of_a_host_is_one_storage() {
    let (mut story, ..) = given();
    for path in ["/srv/carrel", "/srv/carrel/", "/srv//./carrel"] {
        let twice = create("more", &json!({ "hosts": { "node2": path } }));
        let refused = story.refused(twice, "CRL-0816");
        assert_eq!(refused.to_string(), format!("ssd is at {path} on node2 already"));
    }
    story.given(create("more", &json!({ "hosts": { "node2": "/srv/carrel2" } })));
    let there = json!({ "hosts": { "node2": "/srv/carrel" } });
    let moved = json!({ "storage": "more", "settings": there });
    story.refused(command("UpdateStorage", moved), "CRL-0816");
    let renamed = json!({ "storage": "more", "name": "other", "settings": {} });
    story.given(command("UpdateStorage", renamed));
}
