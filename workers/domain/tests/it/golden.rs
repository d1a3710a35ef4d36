//! What libvirt is told of two desktops, to be read and compared by people.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use carrel_domain::Domain;

use crate::examples::{linux, windows};

const SCHEMA_TOOL: &str = "virt-xml-validate";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.xml"))
}

/// Leaves beside the golden file what there is now, so that people can compare and take it.
fn assert_golden(name: &str, domain: &Domain) {
    assert_eq!(domain.check(), Ok(()));
    let path = golden(name);
    let now = format!("{}\n", domain.render());
    let golden = fs::read_to_string(&path).unwrap_or_default();
    if golden != now {
        let beside = path.with_extension("now");
        fs::write(&beside, &now).expect("the folder can be written");
        panic!("{} is not {}", beside.display(), path.display());
    }
}

/// libvirt reads more than its schema knows, and passes over what it doesn't know.
fn assert_known(name: &str) {
    let validated = Command::new(SCHEMA_TOOL)
        .arg(golden(name))
        .arg("domain")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    match validated {
        Ok(output) => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {complaint}");
        }
        Err(error) => println!("skipped: {SCHEMA_TOOL}: {error}"),
    }
}

#[test]
fn a_linux_desktop() {
    assert_golden("linux", &linux());
    assert_known("linux");
}

#[test]
fn an_installation_of_windows() {
    assert_golden("windows", &windows());
    assert_known("windows");
}

#[test]
fn no_display_is_open_and_nothing_is_left_to_guess() {
    for domain in [linux(), windows()] {
        let text = domain.render();
        let displays: Vec<&str> = text.lines().filter(|line| line.contains("<graphics")).collect();
        assert_eq!(displays.len(), 2);
        assert!(displays.iter().all(|line| line.contains("passwd=\"\"")), "{displays:?}");
        assert!(!text.contains("type=\"vnc\" port"), "a port for VNC");
        for forbidden in ["hostdev", "commandline", "filesystem", "0.0.0.0", "auto_login"] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
    }
}
