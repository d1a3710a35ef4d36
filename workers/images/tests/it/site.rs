//! A storage of its own for each test, and what QEMU's tools make of files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use carrel_images::{DiskFile, Images, Limits, Tools};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;

pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) images: Images,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), images: Images::default() }
    }

    /// With a tool that writes a line for each of its runs, and then does what `then` says.
    pub(crate) fn with_tool(then: &str) -> Self {
        let mut site = Self::new();
        let tool = site.path("tool");
        let calls = site.path("calls");
        let script = format!("#!/bin/sh\necho \"$@\" >> {}\n{then}\n", calls.display());
        fs::write(&tool, script).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let tools = Tools { qemu_img: tool, ..Tools::default() };
        site.images = Images::new(tools, Limits::default());
        site
    }

    /// How often the tool was run.
    pub(crate) fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |calls| calls.lines().count())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn disk(&self, name: &str) -> DiskFile {
        DiskFile::named(self.path(name))
    }

    /// A disk of so many MiB in which something is written at some places.
    pub(crate) fn written(&self, name: &str, mib: u64, on: Option<&DiskFile>) -> DiskFile {
        let disk = self.disk(name);
        self.images.make_disk(&disk, mib * MIB, on).unwrap();
        let (first, second) = if mib > 1 { ("0 64k", "1M 200k") } else { ("0 64k", "512k 64k") };
        write(&disk, &format!("write -P 7 {first}"), &format!("write -P 9 {second}"));
        disk
    }

    /// All files below the storage, by their names, but for the tool's.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        walk(self.folder.path(), &mut |path| {
            let name = path.strip_prefix(self.folder.path()).unwrap().display().to_string();
            names.push(name);
        });
        names.sort();
        names.retain(|name| name != "tool" && name != "calls");
        names
    }
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, each);
        } else {
            each(&path);
        }
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn qemu_img(arguments: &[&str]) -> String {
    run("qemu-img", arguments)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// By qemu-io.
pub(crate) fn write(disk: &DiskFile, one: &str, other: &str) {
    io(disk, &[one, other]);
}

pub(crate) fn io(disk: &DiskFile, commands: &[&str]) -> String {
    let mut arguments = vec!["-f", disk.format.word()];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    arguments.push(text(&disk.path));
    run("qemu-io", &arguments)
}

pub(crate) fn check(disk: &DiskFile) {
    qemu_img(&["check", "-f", disk.format.word(), text(&disk.path)]);
}

/// What QEMU says of a file.
pub(crate) fn info(disk: &DiskFile) -> serde_json::Value {
    let told = qemu_img(&["info", "--output=json", "-f", disk.format.word(), text(&disk.path)]);
    serde_json::from_str(&told).unwrap()
}

/// As QEMU reads both, with all that they stand on.
pub(crate) fn same(one: &DiskFile, other: &DiskFile) -> bool {
    let arguments = ["compare", "-q", "-f", one.format.word(), "-F", other.format.word()];
    let status =
        Command::new("qemu-img").args(arguments).args([&one.path, &other.path]).status().unwrap();
    status.success()
}

/// A small generator, from a seed (Vigna's xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
