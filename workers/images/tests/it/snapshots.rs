//! What disks held, kept below them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use carrel_images::{DiskFile, Format, Frozen, Unwatched};

use crate::site::{GIB, MIB, Site, check, info, io, same};

fn frozen(site: &Site, name: &str) -> Vec<Frozen> {
    ["a", "b"]
        .map(|disk| Frozen {
            disk: site.disk(&format!("machines/m/{disk}-1.qcow2")),
            kept: site.path(&format!("machines/m/{name}.{disk}.qcow2")),
        })
        .to_vec()
}

fn start(on_base: bool) -> (Site, DiskFile) {
    let site = Site::new();
    let base = site.written("base.qcow2", 16, None);
    for disk in ["a", "b"] {
        site.written(&format!("machines/m/{disk}-1.qcow2"), 16, on_base.then_some(&base));
    }
    let disk = site.disk("machines/m/a-1.qcow2");
    (site, disk)
}

/// As a guest reads it now, in a file of its own.
fn held(site: &Site, disk: &DiskFile, name: &str) -> DiskFile {
    let copy = site.disk(&format!("held/{name}.raw"));
    site.images.copy(disk, &copy, &Unwatched).unwrap();
    copy
}

#[test]
fn taken_reverted_and_deleted_each_twice() {
    for on_base in [true, false] {
        let (site, disk) = start(on_base);
        let images = &site.images;
        let (one, two) = (frozen(&site, "one"), frozen(&site, "two"));
        let first = held(&site, &disk, "first");
        for _ in 0..2 {
            images.take_snapshot(&one).unwrap();
            assert!(same(&disk, &first));
        }
        assert_eq!(info(&disk)["backing-filename"], one[0].kept.to_str().unwrap());
        io(&disk, &["write -P 11 2M 1M", "write -z 0 64k"]);
        let second = held(&site, &disk, "second");
        images.take_snapshot(&two).unwrap();
        io(&disk, &["write -P 12 3M 1M", "write -P 13 8M 64k"]);
        let third = held(&site, &disk, "third");
        images.take_snapshot(&one).unwrap();
        assert!(same(&disk, &third));

        for _ in 0..2 {
            images.delete_snapshot(&one, &Unwatched).unwrap();
            check(&disk);
            assert!(same(&disk, &third));
            assert!(same(&DiskFile::named(&two[0].kept), &second));
        }
        for _ in 0..2 {
            images.revert_snapshot(&two).unwrap();
            check(&disk);
            assert!(same(&disk, &second));
        }
        io(&disk, &["write -P 14 5M 64k"]);
        images.revert_snapshot(&two).unwrap();
        assert!(same(&disk, &second));
        io(&disk, &["write -P 15 5M 64k"]);
        let fourth = held(&site, &disk, "fourth");
        images.delete_snapshot(&two, &Unwatched).unwrap();
        assert!(same(&disk, &fourth));
        check(&disk);
        let names = site.names();
        let names: Vec<&String> = names.iter().filter(|name| !name.starts_with("held")).collect();
        assert_eq!(names, ["base.qcow2", "machines/m/a-1.qcow2", "machines/m/b-1.qcow2"]);
        let backing = info(&disk).get("backing-filename").is_some();
        assert_eq!(backing, on_base);
    }
}

#[test]
fn a_disk_that_has_grown_since_keeps_its_content() {
    for on_base in [true, false] {
        let (site, disk) = start(on_base);
        let one = frozen(&site, "one");
        site.images.take_snapshot(&one).unwrap();
        for size in [16 * MIB + 512, 20 * MIB, 3 * GIB] {
            site.images.resize(&disk, size, &Unwatched).unwrap();
        }
        io(&disk, &["write -P 5 15M 2M", "write -P 6 2G 1M"]);
        let before = held(&site, &disk, "before");
        site.images.delete_snapshot(&one, &Unwatched).unwrap();
        assert!(same(&disk, &before));
        check(&disk);
    }
}

#[test]
fn all_that_stands_on_it_keeps_its_content() {
    let (site, disk) = start(true);
    let (one, two) = (frozen(&site, "one"), frozen(&site, "two"));
    let images = &site.images;
    images.take_snapshot(&one).unwrap();
    io(&disk, &["write -P 21 1M 1M"]);
    images.take_snapshot(&two).unwrap();
    images.revert_snapshot(&one).unwrap();
    io(&disk, &["write -P 22 4M 1M"]);
    let kept = DiskFile::named(&two[0].kept);
    let (ours, theirs) = (held(&site, &disk, "ours"), held(&site, &kept, "theirs"));
    images.delete_snapshot(&one, &Unwatched).unwrap();
    assert!(same(&disk, &ours) && same(&kept, &theirs));
    assert!(!one[0].kept.exists() && !one[1].kept.exists());
}

#[test]
fn what_may_stand_on_it_is_not_left_without_it() {
    let (site, disk) = start(true);
    let one = frozen(&site, "one");
    site.images.take_snapshot(&one).unwrap();
    fs::write(site.path("machines/m/odd.qcow2"), "this is none").unwrap();
    let failed = site.images.delete_snapshot(&one, &Unwatched).unwrap_err();
    assert_eq!(failed.code(), "image_other_format");
    assert!(one[0].kept.exists());
    check(&disk);
}

/// It was there before Carrel, elsewhere and by another name.
#[test]
fn a_disk_by_any_name_has_them() {
    let site = Site::new();
    let base = site.written("old/base.img.qcow2", 8, None);
    let made = site.written("old/made.qcow2", 8, Some(&base));
    let disk = DiskFile::new(site.path("old/windows"), Format::Qcow2);
    fs::rename(&made.path, &disk.path).unwrap();
    let before = held(&site, &disk, "before");
    let kept = site.path("machines/m/s.a.qcow2");
    let frozen = [Frozen { disk: disk.clone(), kept: kept.clone() }];
    site.images.take_snapshot(&frozen).unwrap();
    io(&disk, &["write -P 3 3M 64k"]);
    site.images.revert_snapshot(&frozen).unwrap();
    assert!(same(&disk, &before));
    io(&disk, &["write -P 4 3M 64k"]);
    let before = held(&site, &disk, "later");
    site.images.delete_snapshot(&frozen, &Unwatched).unwrap();
    assert!(same(&disk, &before) && !kept.exists());
    assert_eq!(info(&disk)["backing-filename"], base.path.to_str().unwrap());
}

#[test]
fn a_raw_disk_has_none() {
    let site = Site::new();
    let disk = site.written("a.raw", 4, None);
    let frozen = [Frozen { disk, kept: site.path("s.qcow2") }];
    let failed = site.images.take_snapshot(&frozen).unwrap_err();
    assert_eq!(failed.code(), "file_unfit");
    assert_eq!(site.names(), ["a.raw"]);
}

#[test]
fn all_disks_are_looked_at_before_one_is_touched() {
    let (site, disk) = start(true);
    let raw = site.written("machines/m/c-1.raw", 4, None);
    let gone = site.disk("machines/m/d-1.qcow2");
    let of = |disk: &DiskFile, name: &str| Frozen { disk: disk.clone(), kept: site.path(name) };
    let before = site.names();
    for (other, code) in [(&raw, "file_unfit"), (&gone, "file_missing")] {
        let both = [of(&disk, "machines/m/s.a.qcow2"), of(other, "machines/m/s.c.qcow2")];
        let inode = disk.path.metadata().unwrap().ino();
        assert_eq!(site.images.take_snapshot(&both).unwrap_err().code(), code);
        assert_eq!(site.names(), before);
        assert_eq!(disk.path.metadata().unwrap().ino(), inode, "it is not put back either");
    }
}

/// It was killed between two disks, and the other one can't be kept any more.
#[test]
fn what_was_begun_is_undone() {
    let (site, disk) = start(true);
    let frozen = frozen(&site, "one");
    let (before, first) = (site.names(), held(&site, &disk, "first"));
    let other = frozen[1].disk.path.clone();
    for is_written in [false, true] {
        site.images.take_snapshot(&frozen[..1]).unwrap();
        if is_written {
            io(&disk, &["write -P 3 3M 64k"]);
        }
        let now = held(&site, &disk, "now");
        fs::rename(&other, other.with_extension("away")).unwrap();
        assert_eq!(site.images.take_snapshot(&frozen).unwrap_err().code(), "file_missing");
        fs::rename(other.with_extension("away"), &other).unwrap();
        assert_eq!(frozen[0].kept.exists(), is_written, "nothing that was written is lost");
        assert!(same(&disk, &now));
        if !is_written {
            assert!(same(&disk, &first));
            io(&disk, &["write -P 2 3M 64k"]);
            let names = site.names();
            let names = names.into_iter().filter(|name| !name.starts_with("held"));
            assert_eq!(names.collect::<Vec<_>>(), before);
        }
        fs::remove_file(site.path("held/now.raw")).unwrap();
    }
}
