//! What a person is given opens in the viewer that people have.

use carrel_lab::{Screen, Viewer, eventually};
use serde_json::Value;

use crate::site::Site;

/// SPICE's number for the channel over which a picture comes.
const DISPLAY: u64 = 2;

/// Whether QEMU shows somebody its screen.
fn shows(site: &Site, machine: &str) -> bool {
    let asked = r#"{"execute": "query-spice"}"#;
    let answer = site.lab.virsh(&["qemu-monitor-command", machine, asked]);
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let channels = answer["return"]["channels"].as_array().into_iter().flatten();
    channels.filter(|channel| channel["channel-type"] == DISPLAY).count() > 0
}

#[test]
fn remote_viewer_shows_a_desktop_once_for_each_ticket() {
    let site = Site::with_initial("win11");
    site.does(&["do", "Populate", "--initial", "win11", "--count", "1", "--wait"]);
    site.person("anna");
    site.does(&["do", "AssignClient", "--client", "anna", "--machine", "win11-001", "--wait"]);
    let file = site.viewer_file("anna", "win11-001");
    let again = file.with_file_name("again.vv");
    let given = crate::site::Viewer::read(&std::fs::read_to_string(&file).expect("text"));
    // It may remove the file that it has opened.
    std::fs::copy(&file, &again).expect("a copy");
    let screen = Screen::start();
    assert!(!shows(&site, "win11-001"), "nobody is there yet");

    let viewer = Viewer::open(&site.lab, &screen, &file);
    eventually("it shows the desktop", || shows(&site, "win11-001").then_some(()));
    site.takes_back("win11-001", &given.password);
    assert!(shows(&site, "win11-001"), "whoever is in stays in");
    drop(viewer);
    eventually("it has gone", || (!shows(&site, "win11-001")).then_some(()));

    let viewer = Viewer::open(&site.lab, &screen, &again);
    eventually("its password is refused", || viewer.said().contains("auth failure").then_some(()));
    assert!(!shows(&site, "win11-001"));
}
