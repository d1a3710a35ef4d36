//! What is given, asked for, and comes of it.

use serde_json::json;

use crate::command::Command;
use crate::event::{ImageFact, MachineFact};
use crate::ids::{CommandId, ImageId, MediaId, StorageId};
use crate::machine::{Kind, Settings};
use crate::testing::{Story, command, kinds, machine_made};
use crate::version::latest::image::{Origin, SealRequested, Sealed};
use crate::version::latest::machine::OfMedia;

fn add(name: &str, storage: &str) -> Command {
    let digest = "0".repeat(64);
    let fields = json!({ "name": name, "kind": "iso", "storage": storage, "size_bytes": 1, "digest": digest });
    command("AddMedia", fields)
}

fn remove() -> Command {
    command("RemoveMedia", json!({ "media": "debian" }))
}

fn given() -> (Story, MediaId) {
    let mut story = Story::new();
    for (name, roles) in [("iso", "media"), ("ssd", "disks")] {
        let settings = json!({ "roles": [roles] });
        story.given(command("CreateStorage", json!({ "name": name, "settings": settings })));
    }
    let events = story.given(add("debian", "iso"));
    assert_eq!(kinds(&events), ["operation.accepted", "media.added"]);
    let media = story.fleet.media.last().expect("the medium");
    (story, media)
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    assert_eq!(crate::testing::drawn(include_str!("mod.rs")), ["added --> removed"]);
    let (mut story, _) = given();
    story.refused(add("debian", "iso"), "CRL-0002");
    story.refused(add("win11", "tape"), "CRL-0001");
    assert_eq!(kinds(&story.given(remove()))[1..], ["media.removed"]);
    story.refused(remove(), "CRL-0001");
}

#[test]
fn media_live_where_media_may() {
    let (mut story, _) = given();
    story.refused(add("win11", "ssd"), "CRL-0808");
}

#[test]
fn what_a_guest_is_given_is_raw() {
    let (mut story, _) = given();
    for kind in ["iso", "drivers"] {
        for format in ["qcow2", "vmdk", "vhd", "vhdx"] {
            let digest = "0".repeat(64);
            let fields = json!({
                "name": "drivers", "kind": kind, "format": format, "storage": "iso",
                "size_bytes": 1, "digest": digest,
            });
            let refused = story.refused(command("AddMedia", fields), "CRL-0813");
            let text = "drivers is no disk, and only a disk can be anything but raw";
            assert_eq!(refused.to_string(), text);
        }
    }
}

#[test]
fn what_is_in_a_drive_stays() {
    let (mut story, media) = given();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let attached = MachineFact::MediaAttached(OfMedia { media });
    story.happens(|deciding| deciding.fact(machine, attached));
    let refused = story.refused(remove(), "CRL-0809");
    assert_eq!(refused.to_string(), "debian is still attached to pc");
    let detached = MachineFact::MediaDetached(OfMedia { media });
    story.happens(|deciding| deciding.fact(machine, detached));
    story.given(remove());
}

#[test]
fn what_an_image_is_made_from_stays_until_it_is_made() {
    let (mut story, media) = given();
    let initial = machine_made(&mut story, "win11", Kind::Source, Vec::new());
    let requested = SealRequested {
        base: None,
        initial,
        number: 1,
        origin: Origin::Imported { media },
        operation: CommandId::from_bytes([6; 16]),
        storage: StorageId::from_bytes([7; 16]),
        format: crate::version::latest::machine::Format::Qcow2,
        depth: 1,
        size_gib: 20,
        settings: Settings::default(),
        tags: Vec::new(),
    };
    let image = ImageId::from_bytes([5; 16]);
    story.happens(|deciding| deciding.fact(image, ImageFact::SealRequested(requested)));
    let refused = story.refused(remove(), "CRL-0810");
    assert_eq!(refused.to_string(), "win11@1 is being made from debian");
    let sealed = ImageFact::Sealed(Sealed { file: 0, stat: crate::testing::STAT });
    story.happens(|deciding| deciding.fact(image, sealed));
    story.given(remove());
}
