//! What a guest writes to: made, made larger, put onto another file, removed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use carrel_images::{DiskFile, Format, Hope, Unwatched};

use crate::site::{GIB, MIB, Site, check, info, io, qemu_img, same, text, write};

/// One cluster of L1 entries, less, more, and sizes that are no full clusters.
const SIZES: &[u64] =
    &[512, 65536, MIB, 512 * MIB, 512 * MIB + 512, 20 * GIB, 4096 * GIB, 5000 * GIB];

#[test]
fn an_overlay_is_what_qemu_img_would_have_made() {
    let site = Site::new();
    let base = site.written("base.qcow2", 64, None);
    for (number, size) in SIZES.iter().enumerate() {
        let ours = site.disk(&format!("ours-{number}.qcow2"));
        let theirs = site.disk(&format!("theirs-{number}.qcow2"));
        site.images.make_disk(&ours, *size, Some(&base)).unwrap();
        let (below, above, bytes) = (text(&base.path), text(&theirs.path), size.to_string());
        qemu_img(&["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, above, &bytes]);
        check(&ours);
        let (mut one, mut other) = (info(&ours), info(&theirs));
        for told in [&mut one, &mut other] {
            told["filename"] = serde_json::Value::Null;
            told["actual-size"] = serde_json::Value::Null;
        }
        assert_eq!(one, other);
        assert!(same(&ours, &theirs));
        assert!(ours.path.metadata().unwrap().blocks() <= theirs.path.metadata().unwrap().blocks());
        if *size > MIB {
            let last = format!("write -P 5 {} 512", size - 512);
            for disk in [&ours, &theirs] {
                write(disk, "write -P 3 100k 100k", &last);
            }
            check(&ours);
            let read = format!("read -P 5 {} 512", size - 512);
            io(&ours, &["read -P 3 100k 100k", "read -P 7 0 64k", &read]);
            assert!(same(&ours, &theirs));
        }
    }
}

#[test]
fn a_blank_disk_is_zeros_in_both_formats() {
    let site = Site::new();
    for name in ["a.qcow2", "a.raw"] {
        let disk = site.disk(name);
        site.images.make_disk(&disk, 3 * GIB, None).unwrap();
        check_if_it_can(&disk);
        assert_eq!(info(&disk)["virtual-size"], 3 * GIB);
        io(&disk, &["read -P 0 0 1M", "write -P 1 2G 1M", "read -P 1 2G 1M"]);
        check_if_it_can(&disk);
    }
}

fn check_if_it_can(disk: &DiskFile) {
    if disk.format == Format::Qcow2 {
        check(disk);
    }
}

#[test]
fn made_twice_it_is_made_once() {
    let site = Site::new();
    let base = site.written("base.qcow2", 4, None);
    let disk = site.written("top.qcow2", 4, Some(&base));
    let before = fs::read(&disk.path).unwrap();
    site.images.make_disk(&disk, 4 * MIB, Some(&base)).unwrap();
    assert_eq!(fs::read(&disk.path).unwrap(), before);
    // It may have grown since.
    site.images.make_disk(&disk, 2 * MIB, Some(&base)).unwrap();
    let failed = site.images.make_disk(&disk, 8 * MIB, Some(&base)).unwrap_err();
    assert_eq!((failed.code(), failed.hope()), ("file_differs", Hope::Never));
    let failed = site.images.make_disk(&disk, 4 * MIB, None).unwrap_err();
    assert_eq!(failed.code(), "file_differs");
    assert_eq!(fs::read(&disk.path).unwrap(), before);
    assert_eq!(site.names(), ["base.qcow2", "top.qcow2"]);
}

#[test]
fn nothing_stands_on_what_is_not_there_or_no_good() {
    let site = Site::new();
    let disk = site.disk("top.qcow2");
    let failed = site.images.make_disk(&disk, MIB, Some(&site.disk("no.qcow2"))).unwrap_err();
    assert_eq!(failed.code(), "file_missing");
    let base = site.written("base.qcow2", 4, None);
    let whole = fs::read(&base.path).unwrap();
    fs::write(&base.path, &whole[..100_000]).unwrap();
    let failed = site.images.make_disk(&disk, MIB, Some(&base)).unwrap_err();
    assert_eq!(failed.code(), "image_cut_off", "{failed}");
    let failed = site.images.make_disk(&site.disk("x.raw"), MIB, Some(&base)).unwrap_err();
    assert_eq!(failed.code(), "image_cut_off");
    fs::write(&base.path, whole).unwrap();
    let failed = site.images.make_disk(&site.disk("x.raw"), MIB, Some(&base)).unwrap_err();
    assert_eq!(failed.code(), "file_unfit");
    assert_eq!(site.names(), ["base.qcow2"]);
}

#[test]
fn it_only_grows() {
    let site = Site::new();
    for name in ["a.qcow2", "a.raw"] {
        let disk = site.written(name, 4, None);
        for size in [8 * MIB, 8 * MIB, 6 * MIB, 600 * GIB, 600 * GIB] {
            site.images.resize(&disk, size, &Unwatched).unwrap();
            check_if_it_can(&disk);
        }
        assert_eq!(info(&disk)["virtual-size"], 600 * GIB);
        io(&disk, &["read -P 7 0 64k", "read -P 9 1M 200k", "read -P 0 8M 1M"]);
    }
    let missing = site.images.resize(&site.disk("no.qcow2"), GIB, &Unwatched).unwrap_err();
    assert_eq!(missing.code(), "file_missing");
}

#[test]
fn an_overlay_is_put_onto_another_file_of_the_same_content() {
    let site = Site::new();
    let (one, other) = (site.written("one.qcow2", 64, None), site.disk("a longer name.raw"));
    let disk = site.disk("top.qcow2");
    site.images.make_disk(&disk, 80 * MIB, Some(&one)).unwrap();
    write(&disk, "write -P 1 3M 64k", "write -P 2 70M 64k");
    site.images.copy(&disk, &site.disk("before.qcow2"), &Unwatched).unwrap();
    site.images.copy(&one, &other, &Unwatched).unwrap();
    // To and fro, so that names are written to all places that there are for them.
    for onto in [&other, &one, &other, &other, &one, &other] {
        site.images.rebase(&disk.path, onto, &Unwatched).unwrap();
        let told = info(&disk);
        assert_eq!(told["backing-filename"], text(&onto.path));
        assert_eq!(told["backing-filename-format"], onto.format.word());
        check(&disk);
        assert!(same(&disk, &site.disk("before.qcow2")));
    }
}

#[test]
fn what_qemu_img_has_made_is_rebased_too() {
    let site = Site::new();
    let (one, other) = (site.written("one.qcow2", 8, None), site.disk("other.qcow2"));
    site.images.copy(&one, &other, &Unwatched).unwrap();
    for (name, format) in [("with.qcow2", true), ("without.qcow2", false)] {
        let disk = site.disk(name);
        let (below, above) = (text(&one.path), text(&disk.path));
        qemu_img(&["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, above]);
        if !format {
            // As overlays were made before QEMU 6.1 asked for it.
            let mut bytes = fs::read(&disk.path).unwrap();
            let known = bytes.windows(4).position(|it| it == [0xe2, 0x79, 0x2a, 0xca]).unwrap();
            bytes[known..known + 4].copy_from_slice(b"none");
            fs::write(&disk.path, bytes).unwrap();
            let failed = site.images.verify(&disk, &Unwatched).unwrap_err();
            assert_eq!(failed.code(), "file_unfit");
        }
        site.images.rebase(&disk.path, &other, &Unwatched).unwrap();
        let told = info(&disk);
        assert_eq!(told["backing-filename"], text(&other.path));
        assert_eq!(told["backing-filename-format"], "qcow2");
        assert!(same(&disk, &one));
        check(&disk);
    }
}

#[test]
fn an_overlay_is_not_put_onto_what_cannot_be_the_same() {
    let site = Site::new();
    let one = site.written("one.qcow2", 8, None);
    let disk = site.written("top.qcow2", 8, Some(&one));
    let above = site.written("above.qcow2", 8, Some(&disk));
    let smaller = site.written("smaller.qcow2", 4, None);
    let before = fs::read(&disk.path).unwrap();
    for (onto, code) in [
        (&smaller, "file_unfit"),
        (&above, "file_unfit"),
        (&disk, "file_unfit"),
        (&site.disk("no.qcow2"), "file_missing"),
    ] {
        let failed = site.images.rebase(&disk.path, onto, &Unwatched).unwrap_err();
        assert_eq!(failed.code(), code, "{failed}");
    }
    assert_eq!(fs::read(&disk.path).unwrap(), before);
}

/// Holds a disk open as a running guest does, until it is dropped.
pub(crate) struct Guest(std::process::Child);

impl Guest {
    pub(crate) fn on(disk: &DiskFile) -> Self {
        use std::io::{Read as _, Write as _};

        let mut child = Command::new("qemu-io")
            .args(["-f", disk.format.word()])
            .arg(&disk.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It answers when it has the file open.
        child.stdin.as_mut().unwrap().write_all(b"length\n").unwrap();
        let mut answer = [0; 16];
        assert!(child.stdout.as_mut().unwrap().read(&mut answer).unwrap() > 0);
        Self(child)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_guest_has_open_is_left_alone() {
    let site = Site::new();
    let (one, other) = (site.written("one.qcow2", 8, None), site.disk("other.qcow2"));
    site.images.copy(&one, &other, &Unwatched).unwrap();
    let disk = site.written("top.qcow2", 8, Some(&one));
    let guest = Guest::on(&disk);
    let images = &site.images;
    let tried = [
        images.rebase(&disk.path, &other, &Unwatched),
        images.resize(&disk, GIB, &Unwatched),
        images.copy(&disk, &site.disk("copy.qcow2"), &Unwatched),
        images.seal(&disk, &site.path("sealed.qcow2")).map(drop),
    ];
    for failed in tried {
        let failed = failed.unwrap_err();
        assert_eq!((failed.code(), failed.hope()), ("locked", Hope::Again), "{failed}");
    }
    drop(guest);
    images.rebase(&disk.path, &other, &Unwatched).unwrap();
    images.seal(&disk, &site.path("sealed.qcow2")).unwrap();
    assert_eq!(site.names(), ["one.qcow2", "other.qcow2", "sealed.qcow2"]);
}

/// Versions are flattened and checked while machines run on them.
#[test]
fn what_guests_only_read_can_be_copied() {
    let site = Site::new();
    let base = site.written("images/i/1-0.qcow2", 8, None);
    let disk = site.written("top.qcow2", 8, Some(&base));
    let _guest = Guest::on(&disk);
    let flat = site.disk("images/i/1-1.qcow2");
    let made = site.images.copy_version(&base, &flat, &Unwatched).unwrap();
    assert_eq!(site.images.verify(&base, &Unwatched).unwrap(), made.digest);
    // But nobody writes to it.
    let failed = site.images.resize(&base, GIB, &Unwatched).unwrap_err();
    assert_eq!(failed.code(), "locked");
}

#[test]
fn removed_twice_it_is_gone_with_its_leftovers() {
    let site = Site::new();
    let disk = site.written("machines/m/a.qcow2", 1, None);
    let other = site.written("machines/m/b.qcow2", 1, None);
    fs::write(site.path("machines/m/.a.qcow2.part"), "half").unwrap();
    for _ in 0..2 {
        site.images.remove(std::slice::from_ref(&disk.path)).unwrap();
        assert_eq!(site.names(), ["machines/m/b.qcow2"]);
    }
    for _ in 0..2 {
        site.images.remove(&[disk.path.clone(), other.path.clone()]).unwrap();
        assert!(!site.path("machines/m").exists());
    }
}

/// Whoever removes the last file of a folder removes the folder, under those who make others.
#[test]
fn a_folder_that_goes_is_made_again() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let disk = site.disk(&format!("images/i/{number}.qcow2"));
            let images = &site.images;
            scope.spawn(move || {
                for _ in 0..25 {
                    images.make_disk(&disk, MIB, None).unwrap();
                    images.remove(std::slice::from_ref(&disk.path)).unwrap();
                }
            });
        }
    });
    assert!(site.names().is_empty());
}

#[test]
fn a_path_that_is_not_absolute_is_refused() {
    let site = Site::with_tool("exit 1");
    for path in ["nbd:localhost:1", "json:{}", "-o", "a/b.qcow2", ""] {
        let disk = DiskFile::new(path, Format::Qcow2);
        let good = site.disk("x.qcow2");
        assert!(site.images.make_disk(&disk, MIB, None).is_err());
        assert!(site.images.make_disk(&good, MIB, Some(&disk)).is_err());
        assert!(site.images.copy(&disk, &good, &Unwatched).is_err());
        assert!(site.images.verify(&disk, &Unwatched).is_err());
        assert!(site.images.remove(&[path.into()]).is_err());
    }
    assert_eq!((site.calls(), site.names().len()), (0, 0));
}
