//! Files that somebody has made to do harm. Each is refused with its reason, nothing that it names
//! is opened, and no tool is started for it.
//!
//! Each format begins with a small image that is let through and that QEMU can read; a hostile one
//! differs from it in one thing.

mod places;
mod qcow2;
mod raw;
mod vhd;
mod vhdx;
mod vmdk;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use carrel_images::header::inspect;
use carrel_images::{Claim, Hope, Images, Limits, Unwatched, Upload};

use crate::site::{MIB, Site, qemu_img, run, text};

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) claim: Claim,
    /// By which word it is refused.
    code: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// What is changed in the good image, and by which word it is refused then.
type Change = (&'static str, &'static str, fn(&mut Vec<u8>));

fn changed(claim: Claim, good: &[u8], changes: &[Change]) -> Vec<Case> {
    let case = |(name, code, change): &Change| {
        let mut bytes = good.to_vec();
        change(&mut bytes);
        assert!(bytes != good, "{claim:?}: {name}");
        Case { name: format!("{} {name}", claim.word()), claim, code, bytes }
    };
    changes.iter().map(case).collect()
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

/// Good ones, by name.
pub(crate) fn good() -> Vec<(&'static str, Claim, Vec<u8>)> {
    vec![
        ("raw", Claim::Raw, raw::good()),
        ("qcow2", Claim::Qcow2, qcow2::good()),
        ("qcow2 of version 2", Claim::Qcow2, qcow2::good_v2()),
        ("VMDK", Claim::Vmdk, vmdk::good()),
        ("VMDK, in one go", Claim::Vmdk, vmdk::good_stream()),
        ("VHD", Claim::Vhd, vhd::good()),
        ("VHD, fixed", Claim::Vhd, vhd::good_fixed()),
        ("VHDX", Claim::Vhdx, vhdx::good()),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = raw::cases();
    cases.extend(qcow2::cases());
    cases.extend(vmdk::cases());
    cases.extend(vhd::cases());
    cases.extend(vhdx::cases());
    // What is one of these is none of the others, and none is raw.
    for (name, is, bytes) in good() {
        for claim in Claim::ALL.iter().filter(|claim| **claim != is && is != Claim::Raw) {
            let code = if *claim == Claim::Raw { "image_disguised" } else { "image_other_format" };
            let name = format!("{name} said to be {}", claim.word());
            cases.push(Case { name, claim: *claim, code, bytes: bytes.clone() });
        }
    }
    for claim in Claim::ALL {
        let name = format!("empty {}", claim.word());
        cases.push(Case { name, claim: *claim, code: "image_empty", bytes: Vec::new() });
    }
    cases
}

#[test]
fn good_ones_are_let_through_and_read_as_qemu_reads_them() {
    let site = Site::new();
    for (number, (name, claim, bytes)) in good().into_iter().enumerate() {
        let path = site.path(&format!("good-{number}"));
        fs::write(&path, &bytes).unwrap();
        let raw = site.disk(&format!("theirs-{number}.raw"));
        let from = claim.driver();
        qemu_img(&["convert", "-f", from, "-O", "raw", text(&path), text(&raw.path)]);
        let content = fs::read(&raw.path).unwrap();
        assert_eq!(content.len() as u64, MIB, "{name}");
        assert_eq!(&content[..5], b"hello", "{name}");
        let upload = Upload { path, claim, sha256: None };
        let to = site.disk(&format!("ours-{number}.raw"));
        site.images.import(&upload, &to, &Unwatched).unwrap_or_else(|it| panic!("{name}: {it}"));
        assert_eq!(fs::read(&to.path).unwrap(), content, "{name}");
    }
}

#[test]
fn hostile_ones_are_refused_and_no_tool_is_started() {
    let site = Site::with_tool("exit 1");
    let cases = cases();
    assert!(cases.len() > 150, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let path = site.path("upload");
        fs::write(&path, &case.bytes).unwrap();
        let upload = Upload { path, claim: case.claim, sha256: None };
        let to = site.disk("images/i/1-0.qcow2");
        match site.images.import(&upload, &to, &Unwatched) {
            Err(failed) if (failed.code(), failed.hope()) == (case.code, Hope::Never) => {}
            other => wrong.push(format!("{}: {other:?}, not {}", case.name, case.code)),
        }
        assert_eq!(site.names(), ["upload"], "{}", case.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(site.calls(), 0);
}

/// Any case that names another file names this one.
const SECRET: &str = "/tmp/carrel-images-secret";

#[test]
fn what_they_name_is_not_opened() {
    let site = Site::with_tool("exit 1");
    for (number, case) in cases().iter().enumerate() {
        let name = format!("{}-{number}", case.claim.driver());
        fs::write(site.path(&name), &case.bytes).unwrap();
    }
    let (own, trace) = (std::env::current_exe().unwrap(), site.path("calls.trace"));
    let folder = format!("FOLDER={}", site.folder.path().display());
    let calls = "trace=open,openat,openat2,execve,execveat,connect,stat,newfstatat,readlink";
    let words = ["-f", "-o", text(&trace), "-e", calls, "-E", &folder, text(&own)];
    let test = ["hostile::the_child_imports_all", "--exact", "--ignored", "--test-threads=1"];
    run("strace", &[&words[..], &test[..]].concat());
    let trace = fs::read_to_string(trace).unwrap();
    // Each was looked at.
    assert!(trace.matches("/qcow2-").count() >= 50, "{trace}");
    assert!(!trace.contains(SECRET) && !trace.contains("connect("));
    assert_eq!(trace.matches("execve").count(), 1);
    assert_eq!(site.calls(), 0);
}

#[test]
#[ignore = "another test runs it as a child"]
#[expect(clippy::disallowed_methods, reason = "how the test that runs it tells it what to do")]
fn the_child_imports_all() {
    let folder = std::env::var("FOLDER").unwrap();
    let folder = Path::new(&folder);
    let tools = carrel_images::Tools { qemu_img: folder.join("tool"), ..Default::default() };
    let images = Images::new(tools, Limits::default());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is = |claim: &&Claim| name.starts_with(&format!("{}-", claim.driver()));
        if let Some(claim) = Claim::ALL.iter().find(is) {
            let upload = Upload { path, claim: *claim, sha256: None };
            let to = carrel_images::DiskFile::named(folder.join("to.qcow2"));
            images.import(&upload, &to, &Unwatched).unwrap_err();
        }
    }
}

#[test]
fn limits_hold_for_good_ones_too() {
    for (name, claim, bytes) in good() {
        let small = Limits { virtual_bytes_max: MIB - 1, ..Limits::default() };
        let refused = inspect(&mut Cursor::new(&bytes), claim, &small).unwrap_err();
        assert_eq!(refused.code(), "image_disk_too_large", "{name}");
        let short = Limits { inspected_bytes_max: 100, ..Limits::default() };
        let refused = inspect(&mut Cursor::new(&bytes), claim, &short).unwrap_err();
        assert_eq!(refused.code(), "image_too_much_to_read", "{name}");
    }
}

/// The words by which files are refused. Once released they stay the same.
const WORDS: &[&str] = &[
    "image_backing_file",
    "image_bitmaps",
    "image_checksum",
    "image_compression",
    "image_contradiction",
    "image_cut_off",
    "image_data_elsewhere",
    "image_disguised",
    "image_disk_too_large",
    "image_empty",
    "image_encrypted",
    "image_kind",
    "image_malformed",
    "image_marked_corrupt",
    "image_not_closed",
    "image_odd_size",
    "image_other_format",
    "image_overlap",
    "image_sector_size",
    "image_snapshots",
    "image_table_too_large",
    "image_unknown_feature",
    "image_version",
];

/// Those that are not here are of what is no file, of limits, and of disks that fail.
#[test]
fn every_reason_has_a_case() {
    let mut shown: Vec<&str> = cases().iter().map(|case| case.code).collect();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown, WORDS);
}
