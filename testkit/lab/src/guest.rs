//! Disks of guests, by tools that are none of ours.

use std::fs;
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

/// Of what a guest reads from its disk, by QEMU's own tool; of so much of it, or of all.
#[track_caller]
pub fn digest(disk: &Path, of_mib: Option<u64>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = folder.path().join("raw");
    let mut convert = Command::new("qemu-img");
    let output = convert.args(["convert", "-O", "raw"]).arg(disk).arg(&raw).output();
    let output = output.expect("qemu-img");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if let Some(mib) = of_mib {
        let file = fs::File::options().write(true).open(&raw).expect("it was made");
        file.set_len(mib << 20).expect("cut");
    }
    // It is by far the quickest at a gigabyte.
    let mut openssl = Command::new("openssl");
    let output = openssl.args(["dgst", "-sha256", "-r"]).arg(&raw).output().expect("openssl");
    let said = String::from_utf8(output.stdout).expect("text");
    said.split_whitespace().next().expect("a digest").to_owned()
}
