//! The main job: one golden machine, five desktops, a person at one of them.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use carrel_lab::{backing, eventually, spice};
use serde_json::Value;

use crate::site::Site;

/// So often its guest says that this was its boot.
fn boots(site: &Site, machine: &str, boot: u32) -> usize {
    site.console(machine).matches(&format!("boot {boot} of")).count()
}

#[track_caller]
fn until(site: &Site, machine: &str, boot: u32, times: usize) {
    let what = format!("{machine} has booted {times} times as boot {boot}");
    eventually(&what, || (boots(site, machine, boot) == times).then_some(()));
}

fn power(site: &Site, command: &str, machine: &str) {
    site.does(&["do", command, "--machines", machine, "--wait"]);
}

fn is_written_by_nobody(file: &Path) -> bool {
    std::fs::metadata(file).expect("a file").permissions().readonly()
}

#[test]
fn a_golden_machine_becomes_five_desktops_and_a_person_gets_one() {
    let site = Site::with_initial("win11");
    site.does(&["do", "Populate", "--initial", "win11", "--count", "5", "--wait"]);

    // One version below all of them, and nobody writes to it.
    let mut below = Vec::new();
    for number in 1..=5 {
        let machine = format!("win11-00{number}");
        let disk = site.disk(&machine);
        assert_eq!(site.domain_disks(&machine), std::slice::from_ref(&disk));
        let (file, format) = backing(&disk).expect("it stands on something");
        assert_eq!(format, "qcow2");
        assert!(is_written_by_nobody(&file));
        below.push(file);
    }
    below.dedup();
    assert_eq!(below.len(), 1);
    assert_eq!(backing(&below[0]), None, "it is whole by itself");

    keeps_what_it_writes(&site);
    forgets_what_it_writes(&site);
    a_person_gets_one(&site);
    site.has_what_it_should();
}

/// Over resets, reboots and power cycles.
fn keeps_what_it_writes(site: &Site) {
    power(site, "StartMachine", "win11-001");
    until(site, "win11-001", 1, 1);
    power(site, "ResetMachine", "win11-001");
    until(site, "win11-001", 2, 1);
    power(site, "RebootMachine", "win11-001");
    until(site, "win11-001", 3, 1);
    power(site, "PowerOffMachine", "win11-001");
    power(site, "StartMachine", "win11-001");
    until(site, "win11-001", 4, 1);
    power(site, "PowerOffMachine", "win11-001");
}

/// With a virtual snapshot each start is the same, and without it the guest goes on counting. As
/// long as the power is on, it counts as well.
fn forgets_what_it_writes(site: &Site) {
    let snapshot = |command: &str| site.does(&["do", command, "--machines", "win11-001", "--wait"]);
    snapshot("EnableVirtualSnapshot");
    for times in 1..=2 {
        power(site, "StartMachine", "win11-001");
        until(site, "win11-001", 5, times);
        power(site, "RebootMachine", "win11-001");
        until(site, "win11-001", 6, times);
        power(site, "PowerOffMachine", "win11-001");
    }
    let left = std::fs::read_dir(site.storage().join("throwaway"));
    let left = left.into_iter().flatten().filter_map(Result::ok);
    let files = left.filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten();
    assert_eq!(files.count(), 0, "what was thrown away is gone");
    snapshot("DisableVirtualSnapshot");
    for boot in 5..=6 {
        let before = boots(site, "win11-001", boot);
        power(site, "StartMachine", "win11-001");
        until(site, "win11-001", boot, before + 1);
        power(site, "PowerOffMachine", "win11-001");
    }
}

/// Seen on this host alone, with this password; by VNC behind Carrel alone, and with none yet. What
/// is written down lets nobody in.
fn is_shown_to_nobody_else(site: &Site, machine: &str, password: &str) {
    let of =
        |kind: &str, part: &str| site.xml(machine, &format!("//graphics[@type='{kind}']{part}"));
    assert_eq!(of("spice", "/listen/@address"), ["127.0.0.1"]);
    assert_eq!(of("spice", "/@passwd"), [password]);
    assert_eq!(of("vnc", "/listen/@type"), ["socket"]);
    assert_eq!(of("vnc", "/@passwd"), [""]);
    let socket = of("vnc", "/listen/@socket").concat();
    // As the lab's libvirtd sees it.
    let socket = site.lab.folder().join("lib").join(socket.trim_start_matches("/var/lib/libvirt/"));
    assert!(socket.metadata().expect("it is there").file_type().is_socket());
    assert_eq!(site.defined_xml(machine, "//graphics/@passwd"), ["", ""]);
}

fn a_person_gets_one(site: &Site) {
    site.does(&["do", "CreatePool", "--name", "room", "--wait"]);
    site.does(&["do", "EnableVirtualSnapshot", "--children-of", "win11", "--wait"]);
    site.does(&["do", "AddToPool", "--pool", "room", "--children-of", "win11", "--wait"]);
    site.person("anna");
    site.does(&["do", "AssignClient", "--client", "anna", "--pool", "room", "--wait"]);
    let viewer = site.connects("anna", "room");
    is_shown_to_nobody_else(site, &viewer.machine, &viewer.password);
    let sign_in = |password: &str| {
        spice::sign_in(site.lab.connect(viewer.port), password).expect("it answers")
    };
    sign_in("ABCDEFGHIJKLMNOPQRSTUVWXYZ").must_be_refused();
    let mut inside = sign_in(&viewer.password).must_be_in();
    // It lets in once: then it is changed.
    site.takes_back(&viewer.machine, &viewer.password);
    sign_in(&viewer.password).must_be_refused();
    site.ends_session();
    assert!(spice::is_cut(&mut inside), "whoever's session is over is cut off");
    let space = site.does(&["space", "--pool", "room", "--output", "json"]);
    let space: Value = serde_json::from_str(&space).expect("JSON");
    let count = |name: &str| space[name].as_array().map(Vec::len);
    assert_eq!((count("machines"), count("unknown")), (Some(5), Some(0)));
    assert!(space["kept_bytes"].as_u64() >= Some(5 * 4096), "an overlay has a header: {space}");
    let machine = &viewer.machine;
    eventually("it is clean", || {
        let found = site.get("machines", machine);
        (found["state"] == "off").then_some(())
    });
}
