//! Each step is killed at each of its calls that change something, and taken again: the end is
//! that of one that nobody has disturbed.
//!
//! A child takes the step under strace, which kills it as it enters the n-th such call. The tool
//! that the child starts is killed at its n-th one, too.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use carrel_images::{
    Claim, Digest, DiskFile, Failed, Format, Frozen, Images, Kind, Unwatched, Upload,
};

use crate::site::{GIB, Site, io, run, text};

const CALLS: &[&str] = &[
    "renameat2",
    "fsync",
    "fdatasync",
    "fchmod",
    "unlink",
    "rmdir",
    "mkdir",
    "ftruncate",
    "pwrite64",
    "fallocate",
];
/// A copy of a small disk makes a call about thirty times.
const CALLS_MAX: usize = 200;

const IN: &str = "/machines/m/a-1.qcow2";

struct Step {
    words: &'static [&'static str],
}

/// Names are below the site's folder.
const STEPS: &[Step] = &[
    Step { words: &["make", "/machines/n/b-1.qcow2", "/images/i/1-0.qcow2"] },
    Step { words: &["make", "/machines/n/b-1.raw"] },
    Step { words: &["resize", IN] },
    Step { words: &["rebase", "/machines/m/s.a.qcow2", "/images/i/1-1.qcow2"] },
    Step { words: &["copy", IN, "/machines/n/c-1.qcow2"] },
    Step { words: &["copy_version", "/images/i/1-0.qcow2", "/images/j/1-2.raw"] },
    Step { words: &["import", "/media/upload.qcow2", "/images/k/1-0.qcow2"] },
    Step { words: &["seal", IN, "/images/l/2-0.qcow2"] },
    Step { words: &["remove", "/images/i/1-1.qcow2", "/media/upload.qcow2"] },
    Step { words: &["take", IN, "/machines/m/t.a.qcow2"] },
    Step { words: &["revert", IN, "/machines/m/s.a.qcow2"] },
    Step { words: &["delete", IN, "/machines/m/s.a.qcow2"] },
    Step { words: &["put", "/machines/n/config.iso"] },
    Step { words: &["put", "/media/before.iso"] },
];

fn take(images: &Images, words: &[&str]) -> Result<(), Failed> {
    let disk = |at: usize| DiskFile::named(words[at]);
    let frozen = || [Frozen { disk: disk(1), kept: words[2].into() }];
    match words[0] {
        "make" if words.len() == 3 => images.make_disk(&disk(1), 3 * GIB, Some(&disk(2))),
        "make" => images.make_disk(&disk(1), 3 * GIB, None),
        "resize" => images.resize(&disk(1), 700 * GIB, &Unwatched),
        "rebase" => images.rebase(&disk(1).path, &disk(2), &Unwatched),
        "copy" => images.copy(&disk(1), &disk(2), &Unwatched),
        "copy_version" => images.copy_version(&disk(1), &disk(2), &Unwatched).map(drop),
        "import" => {
            let upload = Upload { path: disk(1).path, claim: Claim::Qcow2, sha256: None };
            images.import(&upload, &disk(2), &Unwatched).map(drop)
        }
        "seal" => images.seal(&disk(1), &disk(2).path).map(drop),
        "remove" => images.remove(&[disk(1).path, disk(2).path]),
        "take" => images.take_snapshot(&frozen()),
        "revert" => images.revert_snapshot(&frozen()),
        "put" => images.put(&disk(1).path, &[7; 4096]),
        "delete" => images.delete_snapshot(&frozen(), &Unwatched),
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "other tests run it as a child"]
#[expect(clippy::disallowed_methods, reason = "how the test that runs it tells it what to do")]
fn the_child_takes_a_step() {
    let step = std::env::var("STEP").unwrap();
    let words: Vec<&str> = step.split(' ').collect();
    take(&Images::default(), &words).unwrap();
}

/// A version and a flattened file of it, a machine on it with a snapshot, and an upload.
fn start(site: &Site) {
    let first = site.written("machines/i/x-1.qcow2", 8, None);
    // Several L2 tables, so that it matters in which order they are written.
    site.images.resize(&first, 2 * GIB, &Unwatched).unwrap();
    io(&first, &["write -P 4 600M 64k", "write -P 5 1900M 64k"]);
    let version = site.disk("images/i/1-0.qcow2");
    site.images.seal(&first, &version.path).unwrap();
    let flat = site.disk("images/i/1-1.qcow2");
    site.images.copy_version(&version, &flat, &Unwatched).unwrap();
    let disk = site.disk(&IN[1..]);
    site.images.make_disk(&disk, 2 * GIB, Some(&version)).unwrap();
    io(&disk, &["write -P 1 2M 100k", "write -P 1 700M 64k", "write -P 1 1500M 64k"]);
    let kept = site.path("machines/m/s.a.qcow2");
    site.images.take_snapshot(&[Frozen { disk: disk.clone(), kept }]).unwrap();
    io(&disk, &["write -P 2 5M 100k", "write -P 2 1100M 64k"]);
    site.images.copy(&disk, &site.disk("media/upload.qcow2"), &Unwatched).unwrap();
    fs::write(site.path("media/before.iso"), [1; 4096]).unwrap();
}

/// Every file: what it is written in, whether it is sealed, what it stands on, what it reads as.
type State = BTreeMap<PathBuf, String>;

fn state(site: &Site) -> State {
    let mut state = State::new();
    for found in site.images.list(site.folder.path()).unwrap() {
        let digest = match found.kind {
            // Whatever has a name is whole.
            Kind::File => site.images.verify(&DiskFile::named(&found.path), &Unwatched).unwrap(),
            Kind::Leftover | Kind::Other => Digest([0; 32]),
        };
        let mode = found.path.metadata().unwrap().permissions().mode() & 0o777;
        let told = format!("{:?} {mode:o} {:?} {digest}", found.kind, found.backing);
        state.insert(found.path, told);
    }
    state
}

/// Files go back to where they were, so that names in them stay right.
fn restore(site: &Site, from: &Path) {
    for folder in ["images", "machines", "media"] {
        let _ = fs::remove_dir_all(site.path(folder));
        run("cp", &["-a", text(&from.join(folder)), text(site.folder.path())]);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Done,
    Killed,
    /// Its tool was.
    Failed,
}

/// What becomes of a call.
const KILLED: &str = "signal=SIGKILL";
const FULL: &str = "error=ENOSPC";

fn child(words: &[String], (call, becomes): (&str, &str), when: usize) -> End {
    let own = std::env::current_exe().unwrap();
    let inject = format!("inject={call}:{becomes}:when={when}");
    let status = Command::new("strace")
        .args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
        .args(["-E", &format!("STEP={}", words.join(" "))])
        .arg(own)
        .args(["killed::the_child_takes_a_step", "--exact", "--ignored", "--test-threads=1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    match (status.success(), status.signal()) {
        (true, _) => End::Done,
        (false, Some(_)) => End::Killed,
        (false, None) => End::Failed,
    }
}

/// A site, another one that has the same, and the step in it.
fn sites(step: &Step) -> (Site, Site, Vec<String>) {
    let (site, saved) = (Site::new(), Site::new());
    start(&site);
    for folder in ["images", "machines", "media"] {
        run("cp", &["-a", text(&site.path(folder)), text(saved.folder.path())]);
    }
    let words = step.words.iter().map(|word| match word.strip_prefix('/') {
        Some(name) => site.path(name).display().to_string(),
        None => (*word).to_owned(),
    });
    let words = words.collect();
    (site, saved, words)
}

fn at_every_call(step: &Step) {
    let (site, saved, words) = sites(step);
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    let before = state(&site);
    take(&site.images, &plain).unwrap();
    let end = state(&site);
    assert!(end != before, "{plain:?}");
    take(&site.images, &plain).unwrap();
    assert_eq!(state(&site), end, "{plain:?} twice");

    let mut kills = 0;
    for call in CALLS {
        // A tool makes one call many times: of the later ones not each is taken.
        let mut next = 1;
        loop {
            let when = next;
            next += 1 + when / 2;
            restore(&site, saved.folder.path());
            let ended = child(&words, (call, KILLED), when);
            if ended == End::Done {
                assert_eq!(state(&site), end, "{plain:?}, {call} {when}");
                break;
            }
            kills += 1;
            state(&site);
            assert!(when < CALLS_MAX, "{plain:?}, {call}: it never ends");
            for _ in 0..2 {
                take(&site.images, &plain).unwrap_or_else(|failed| {
                    panic!("{plain:?} after a kill at {call} {when}: {failed}")
                });
                assert_eq!(state(&site), end, "{plain:?}, {call} {when}, {ended:?}");
            }
        }
    }
    assert!(kills > 0, "{plain:?}");
}

macro_rules! steps {
    ($($name:ident $number:literal,)*) => {$(
        #[test]
        fn $name() {
            at_every_call(&STEPS[$number]);
        }
    )*

        #[test]
        fn all_steps_are_killed() {
            assert_eq!([$($number),*].len(), STEPS.len());
        }
    };
}

steps! {
    making_an_overlay 0,
    making_a_raw_disk 1,
    resizing 2,
    rebasing 3,
    copying 4,
    copying_a_version 5,
    importing 6,
    sealing 7,
    removing 8,
    taking_a_snapshot 9,
    reverting_to_a_snapshot 10,
    deleting_a_snapshot 11,
    putting_a_file 12,
    putting_a_file_in_the_place_of_another 13,
}

/// A machine whose snapshot can't be taken has its disk, and can write to it.
#[test]
fn a_snapshot_that_fails_at_any_call_leaves_all_as_it_was() {
    let (site, saved, words) = sites(&STEPS[9]);
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    let before = state(&site);
    let mut fails = 0;
    for call in CALLS {
        for when in 1.. {
            restore(&site, saved.folder.path());
            if child(&words, (call, FULL), when) == End::Done {
                break;
            }
            fails += 1;
            assert_eq!(state(&site), before, "{call} {when}");
            take(&site.images, &plain).unwrap();
        }
    }
    assert!(fails > 5, "{fails}");
}

/// What is left of a temporary file is nothing that a second call stumbles over.
#[test]
fn leftovers_of_any_length_are_cleared_up() {
    let site = Site::new();
    let disk = site.written("disk.qcow2", 4, None);
    let to = site.disk("to.qcow2");
    site.images.copy(&disk, &to, &Unwatched).unwrap();
    let whole = fs::read(&to.path).unwrap();
    for bytes in [0, 1, 100, 65_536, 70_000, whole.len()] {
        for mode in [0o600, 0o444] {
            fs::remove_file(&to.path).unwrap();
            let part = site.path(".to.qcow2.part");
            fs::write(&part, &whole[..bytes]).unwrap();
            fs::set_permissions(&part, fs::Permissions::from_mode(mode)).unwrap();
            site.images.copy(&disk, &to, &Unwatched).unwrap();
            assert_eq!(site.names(), ["disk.qcow2", "to.qcow2"]);
            assert_eq!(fs::read(&to.path).unwrap(), whole);
        }
    }
    assert_eq!(to.format, Format::Qcow2);
}

/// A tool that outlived us would go on writing to what the next process takes for a leftover.
#[test]
fn a_tool_does_not_outlive_who_has_started_it() {
    let site = Site::with_tool("");
    let disk = site.written("disk.qcow2", 4, None);
    let (tool, pid) = (site.path("tool"), site.path("calls.pid"));
    let script =
        format!("#!/bin/sh\necho $$ > {0}.new\nmv {0}.new {0}\nexec sleep 1000\n", pid.display());
    fs::write(&tool, script).unwrap();
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new(own)
        .args(["killed::the_child_waits_for_a_tool", "--exact", "--ignored", "--test-threads=1"])
        .env("STEP", format!("{} {}", text(&tool), text(&disk.path)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !pid.exists() {
        thread::yield_now();
    }
    let number = fs::read_to_string(&pid).unwrap();
    let process = Path::new("/proc").join(number.trim());
    assert!(process.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    // Gone, or dead and not yet missed by whoever has inherited it.
    let lives = || {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    while lives() {
        thread::yield_now();
    }
}

#[test]
#[ignore = "another test runs it as a child"]
#[expect(clippy::disallowed_methods, reason = "how the test that runs it tells it what to do")]
fn the_child_waits_for_a_tool() {
    let step = std::env::var("STEP").unwrap();
    let (tool, disk) = step.split_once(' ').unwrap();
    let tools = carrel_images::Tools { qemu_img: tool.into(), ..Default::default() };
    let images = Images::new(tools, carrel_images::Limits::default());
    let to = DiskFile::named(format!("{disk}.copy.qcow2"));
    images.copy(&DiskFile::named(disk), &to, &Unwatched).unwrap();
}
