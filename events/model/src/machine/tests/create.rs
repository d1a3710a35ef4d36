//! Machines come: by a name and a kind, from templates, sources and images, and as clones.

use serde_json::json;

use super::scene::{add_storage, add_version, create, fact, machine, on, report, run, site};
use crate::event::{NetworkFact, TemplateFact};
use crate::ids::{NetworkId, TemplateId};
use crate::machine::{Base, DiskSource, Kind, Outcome, Task};
use crate::name::Name;
use crate::testing::{Story, command, kinds};
use crate::version::latest::{network, template};

fn create_with(fields: serde_json::Value) -> crate::command::Command {
    command("CreateMachine", fields)
}

#[test]
fn a_name_and_a_kind_make_a_usable_machine() {
    let mut story = site(&["node1"]);
    let events = story.given(create_with(json!({ "name": "web", "kind": "simple" })));
    assert_eq!(kinds(&events), ["operation.accepted", "machine.created"]);
    let web = machine(&story, "web");
    assert_eq!((web.settings.hardware.memory_mib, web.settings.hardware.cpu.vcpus()), (2048, 2));
    assert_eq!(web.disks[0].size_gib, 20);
    assert_eq!(web.identity.hostname.as_str(), "web");
    assert!(web.identity.mac.to_string().starts_with("52:54:00:"));
    run(&mut story, "web");
}

#[test]
fn several_get_numbers_and_each_an_identity_of_its_own() {
    let mut story = site(&["node1"]);
    let wanted = json!({ "name": "training-room-desk", "kind": "simple", "count": 12 });
    let events = story.given(create_with(wanted));
    assert_eq!(events.len(), 13);
    let (first, last) =
        (machine(&story, "training-room-desk-01"), machine(&story, "training-room-desk-12"));
    assert_eq!(first.identity.hostname.as_str(), "training-room01");
    assert_ne!(first.identity.uuid, last.identity.uuid);
    assert_eq!(story.fleet.index.macs.len(), 12);
}

#[test]
fn a_host_name_is_made_from_any_name() {
    for (name, hostname) in [
        ("win11-001", "win11-001"),
        ("Office_PC.7", "Office-PC-7"),
        ("a-very-long-name-indeed", "a-very-long-nam"),
        ("a-very-long-name-17", "a-very-long-n17"),
        ("12345", "vm12345"),
        ("1234567890123456789", "vm123456789012"),
        ("___", "vm"),
        ("-x-", "x"),
    ] {
        let name = Name::new(name).expect("a name");
        assert_eq!(crate::machine::new::hostname(&name).as_str(), hostname, "{name}");
    }
}

#[test]
fn the_template_called_default_is_used_and_the_command_changes_it() {
    let mut story = site(&["node1"]);
    let settings =
        serde_json::from_value(json!({ "hardware": { "memory_mib": 8192 }, "disk_gib": 40 }));
    let created = template::Created {
        name: super::scene::name("default"),
        settings: settings.expect("them"),
    };
    fact(&mut story, TemplateId::from_bytes([1; 16]), TemplateFact::Created(created));
    let attachment = json!({ "attachment": { "bridge": { "name": "br0" } } });
    let created = network::Created {
        name: super::scene::name("office"),
        settings: serde_json::from_value(attachment).expect("settings"),
    };
    let office = NetworkId::from_bytes([2; 16]);
    fact(&mut story, office, NetworkFact::Created(created));
    let changed = json!({ "hardware": { "cpu": { "cores": 4 } } });
    story.given(create_with(json!({ "name": "a", "kind": "source", "settings": changed })));
    let a = machine(&story, "a");
    assert_eq!((a.settings.hardware.memory_mib, a.settings.hardware.cpu.vcpus()), (8192, 4));
    assert_eq!((a.disks[0].size_gib, &a.settings.networks[..]), (40, &[office][..]));
    assert_eq!(a.kind, Kind::Source);
}

#[test]
fn an_initial_has_the_hardware_of_its_source_and_a_child_that_of_its_version() {
    let mut story = site(&["node1"]);
    let settings = json!({ "hardware": { "memory_mib": 4096 } });
    story.given(create_with(json!({ "name": "gold", "kind": "source", "settings": settings })));
    story.given(create_with(json!({ "name": "i", "kind": "initial", "source": "gold" })));
    assert_eq!(machine(&story, "i").settings.hardware.memory_mib, 4096);
    story.refused(create_with(json!({ "name": "c", "kind": "vdi", "initial": "i" })), "CRL-0222");
    add_version(&mut story, "i", 1);
    let newest = add_version(&mut story, "i", 2);
    story.given(create_with(json!({ "name": "c", "kind": "vdi", "initial": "i" })));
    let child = machine(&story, "c");
    assert_eq!(child.disks[0].source, DiskSource::Overlay(Base { image: newest, file: 0 }));
    assert_eq!((child.disks[0].size_gib, child.settings.hardware.memory_mib), (30, 2048));
}

#[test]
fn a_kind_has_its_fields_and_no_others() {
    let mut story = site(&["node1"]);
    story.refused(create_with(json!({ "name": "i", "kind": "initial" })), "CRL-0220");
    story.refused(create_with(json!({ "name": "c", "kind": "vdi" })), "CRL-0220");
    let strange = json!({ "name": "s", "kind": "simple", "source": "gold" });
    story.refused(create_with(strange), "CRL-0221");
    create(&mut story, "plain");
    let wrong = json!({ "name": "i", "kind": "initial", "source": "plain" });
    story.refused(create_with(wrong), "CRL-0223");
    let wrong = json!({ "name": "c", "kind": "vdi", "initial": "plain" });
    story.refused(create_with(wrong), "CRL-0223");
}

#[test]
fn numbers_have_their_limits() {
    let mut story = site(&["node1"]);
    for count in [0, 101] {
        let many = json!({ "name": "m", "kind": "simple", "count": count });
        story.refused(create_with(many), "CRL-0224");
    }
    let long = json!({ "name": "x".repeat(62), "kind": "simple", "count": 2 });
    story.refused(create_with(long), "CRL-0225");
    create(&mut story, "m-2");
    let taken = json!({ "name": "m", "kind": "simple", "count": 3 });
    story.refused(create_with(taken), "CRL-0002");
    let none = json!({ "hardware": { "cpu": { "cores": 0 } } });
    let none = json!({ "name": "m", "kind": "simple", "settings": none });
    story.refused(create_with(none), "CRL-0811");
    story.refused(create_with(json!({ "name": "m", "kind": "simple", "disk_gib": 0 })), "CRL-0811");
}

#[test]
fn a_disk_goes_where_it_may() {
    let mut story = Story::new();
    story.refused(create_with(json!({ "name": "m", "kind": "simple" })), "CRL-0218");
    let mut story = site(&["node1"]);
    add_storage(&mut story, "iso", &["node1"], &json!(["media"]), "disk");
    let wrong = json!({ "name": "m", "kind": "simple", "storage": "iso" });
    story.refused(create_with(wrong), "CRL-0219");
    let first = add_storage(&mut story, "nvme", &["node1"], &json!(["disks"]), "disk");
    create(&mut story, "m");
    assert_eq!(machine(&story, "m").disks[0].storage, first, "the first by name");
}

#[test]
fn an_external_machine_has_an_address_and_no_disks() {
    let mut story = site(&["node1"]);
    let external = json!({ "address": "10.0.0.7", "protocols": ["rdp"], "seats": 12 });
    let fields = json!({ "name": "ts", "kind": "external", "external": external });
    story.given(create_with(fields));
    let server = machine(&story, "ts");
    assert!(server.is_external() && server.disks.is_empty());
    story.refused(on("StartMachine", "ts"), "CRL-0212");
    for seats in [0, 1025] {
        let external = json!({ "address": "10.0.0.8", "protocols": ["rdp"], "seats": seats });
        let fields = json!({ "name": "ts2", "kind": "external", "external": external });
        story.refused(create_with(fields), "CRL-0811");
    }
    story.refused(on("PowerOffMachine", "ts"), "CRL-0208");
}

#[test]
fn addresses_run_out_at_last() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    let id = machine(&story, "m").id;
    // The same command in the same context would get this address, and looks on from there.
    let mut twin = story.clone();
    create(&mut twin, "n");
    let [.., a, b, c] = machine(&twin, "n").identity.mac.0;
    let first = u32::from_be_bytes([0, a, b, c]);
    for step in 0..4096 {
        story.fleet.index.macs.insert(crate::mac::Mac::of_guest(first + step), id);
    }
    story.refused(create_with(json!({ "name": "n", "kind": "simple" })), "CRL-0226");
}

#[test]
fn a_clone_is_a_full_copy_with_an_identity_of_its_own() {
    let mut story = site(&["node1"]);
    create(&mut story, "a");
    let clone = command("CloneMachine", json!({ "machine": "a", "name": "b" }));
    run(&mut story, "a");
    story.refused(clone.clone(), "CRL-0211");
    let boot_epoch = 1;
    let cause = crate::machine::StopCause::Guest;
    report(&mut story, "a", Outcome::Stopped { boot_epoch, cause });
    let events = story.given(clone.clone());
    let (a, b) = (machine(&story, "a"), machine(&story, "b"));
    assert_eq!(b.task, Some(Task::Copying { source: a.id }));
    assert_eq!(events[1].kind(), "machine.created");
    assert_ne!((a.identity.uuid, a.identity.mac), (b.identity.uuid, b.identity.mac));
    assert_ne!(a.disks[0].id, b.disks[0].id);
    assert_eq!(story.fleet.operations.len(), 1, "its end is waited for");
    story.refused(on("StartMachine", "a"), "CRL-0213");
    story.refused(on("StartMachine", "b"), "CRL-0203");
    story.refused(clone, "CRL-0002");
}
