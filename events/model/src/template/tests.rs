//! What is given, asked for, and comes of it.

use serde_json::{Value, json};

use crate::command::Command;
use crate::testing::{Story, command, kinds};

fn create(settings: &Value) -> Command {
    command("CreateTemplate", json!({ "name": "default", "settings": settings }))
}

fn update(settings: &Value) -> Command {
    command("UpdateTemplate", json!({ "template": "default", "settings": settings }))
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    let drawn = crate::testing::drawn(include_str!("mod.rs"));
    assert_eq!(drawn, ["created --> (updated)* --> deleted"]);
    let mut story = Story::new();
    let events = story.given(command("CreateTemplate", json!({ "name": "default" })));
    assert_eq!(kinds(&events), ["operation.accepted", "template.created"]);
    let (_, template) = story.fleet.templates.iter().next().expect("the template");
    assert_eq!((template.settings.hardware.memory_mib, template.settings.disk_gib), (2048, 20));
    assert_eq!(kinds(&story.given(update(&json!({ "disk_gib": 64 }))))[1..], ["template.updated"]);
    let delete = command("DeleteTemplate", json!({ "template": "default" }));
    assert_eq!(kinds(&story.given(delete.clone()))[1..], ["template.deleted"]);
    story.refused(delete, "CRL-0001");
}

#[test]
fn a_machine_has_bounds() {
    let mut story = Story::new();
    let cpu = |sockets: u16, cores: u16, threads: u16| json!({ "hardware": { "cpu": { "sockets": sockets, "cores": cores, "threads": threads } } });
    let usb = json!({ "usb_redirections": 16 });
    let display = json!({ "protocols": ["spice"], "graphics": "qxl", "monitors": 0 });
    for bad in [
        json!({ "hardware": { "memory_mib": 63 } }),
        json!({ "hardware": { "memory_mib": 4_194_305 } }),
        cpu(0, 2, 1),
        cpu(16, 16, 1),
        cpu(65535, 65535, 65535),
        json!({ "disk_gib": 0 }),
        json!({ "disk_gib": 16_385 }),
        json!({ "hardware": { "devices": usb } }),
        json!({ "hardware": { "boot": [] } }),
        json!({ "hardware": { "boot": ["disk", "disk", "disk", "disk"] } }),
        json!({ "display": display }),
    ] {
        story.refused(create(&bad), "CRL-0811");
    }
    story.given(create(&json!({ "disk_gib": 1, "hardware": { "memory_mib": 64 } })));
    let refused = story.refused(update(&json!({ "disk_gib": 0 })), "CRL-0811");
    let text = "the size of a disk in GiB is 0, and can be from 1 to 16384";
    assert_eq!(refused.to_string(), text);
    story.given(update(&cpu(5, 51, 1)));
}
