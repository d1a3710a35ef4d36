//! Disks of guests, by tools that are none of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/lab/guest-image");

/// A disk that boots: 1 GiB of qcow2, of which some 20 MiB are there.
#[track_caller]
pub fn guest_image(file: &Path) {
    let made = Command::new(SCRIPT).arg(file).output().expect("a script");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// `qemu-img` with these arguments.
#[track_caller]
pub fn make(arguments: &[&str]) {
    let output = Command::new("qemu-img").args(arguments).output().expect("qemu-img");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a guest would read first on it is another thing from then on.
#[track_caller]
pub fn change(disk: &Path) {
    let words = ["-f", "qcow2", "-c", "write -P 90 0 64k"];
    let output = Command::new("qemu-io").args(words).arg(disk).output().expect("qemu-io");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The file that another one stands on, and its format, as QEMU reads them.
#[track_caller]
pub fn backing(file: &Path) -> Option<(PathBuf, String)> {
    let output = Command::new("qemu-img").args(["info", "-U", "--output=json"]).arg(file).output();
    let output = output.expect("qemu-img");
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let path = info["full-backing-filename"].as_str()?.into();
    Some((path, info["backing-filename-format"].as_str().unwrap_or_default().to_owned()))
}
