//! Room is promised once, and a full disk leaves nothing half-made.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use carrel_images::{Claim, DiskFile, Failed, Frozen, Hope, Images, Unwatched, Upload, Watch};

use crate::site::{GIB, MIB, Site, io, run, same, text};

/// A file system of so many MiB, which root can have.
struct Small(PathBuf);

impl Small {
    fn new(site: &Site, mib: u64) -> Self {
        let path = site.path("small");
        fs::create_dir(&path).unwrap();
        let size = format!("size={mib}m");
        // Whoever is not root can't have one, and then this fails: it must not be left out.
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", text(&path)]);
        Self(path)
    }

    fn disk(&self, name: &str) -> DiskFile {
        DiskFile::named(self.0.join(name))
    }

    fn names(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run("umount", &[text(&self.0)]);
    }
}

fn full(site: &Site, name: &str, mib: u64) -> DiskFile {
    let disk = site.disk(name);
    site.images.make_disk(&disk, GIB, None).unwrap();
    io(&disk, &[&format!("write -P 1 0 {mib}M")]);
    disk
}

fn no_space(failed: &Failed) -> (u64, u64) {
    assert_eq!((failed.code(), failed.hope()), ("no_space", Hope::Again), "{failed}");
    let Failed::NoSpace { free_mib, needed_mib, .. } = failed else { panic!("{failed}") };
    (*free_mib, *needed_mib)
}

#[test]
fn what_does_not_fit_is_refused_before_it_begins() {
    let mut site = Site::with_tool("exit 1");
    let disk = full(&site, "disk.qcow2", 40);
    let small = Small::new(&site, 32);
    let images = &site.images;
    let failed = images.copy(&disk, &small.disk("to.qcow2"), &Unwatched).unwrap_err();
    let (free, needed) = no_space(&failed);
    assert!((30..=32).contains(&free) && (40..=44).contains(&needed), "{failed}");
    let upload = Upload { path: disk.path.clone(), claim: Claim::Qcow2, sha256: None };
    no_space(&images.import(&upload, &small.disk("to.qcow2"), &Unwatched).unwrap_err());
    assert_eq!((site.calls(), small.names()), (0, Vec::new()));

    site.images = Images::default();
    let disk = full(&site, "other.qcow2", 20);
    site.images.copy(&disk, &small.disk("to.qcow2"), &Unwatched).unwrap();
    assert!(same(&disk, &small.disk("to.qcow2")));
}

#[test]
fn a_small_file_that_unpacks_to_much_is_known_before() {
    let site = Site::with_tool("exit 1");
    let disk = full(&site, "disk.qcow2", 60);
    let packed = site.path("packed");
    let words = ["convert", "-c", "-f", "qcow2", "-O", "qcow2", text(&disk.path), text(&packed)];
    run("qemu-img", &words);
    assert!(packed.metadata().unwrap().len() < MIB);
    let small = Small::new(&site, 32);
    let upload = Upload { path: packed, claim: Claim::Qcow2, sha256: None };
    let failed = site.images.import(&upload, &small.disk("to.qcow2"), &Unwatched).unwrap_err();
    no_space(&failed);
    assert_eq!((site.calls(), small.names()), (0, Vec::new()));
}

/// Tells when it is in the middle, and goes on when it may.
struct Middle(mpsc::SyncSender<()>, std::sync::Mutex<mpsc::Receiver<()>>);

impl Watch for Middle {
    fn is_cancelled(&self) -> bool {
        if self.0.try_send(()).is_ok() {
            let _ = self.1.lock().unwrap().recv();
        }
        false
    }
}

#[test]
fn what_one_copy_was_promised_no_other_gets() {
    // The tool writes nothing, so all that was promised stays open.
    let site = Site::with_tool("exec sleep 1000");
    let disk = full(&site, "disk.qcow2", 20);
    let small = Small::new(&site, 32);
    let before = site.images.free_mib(&small.0).unwrap();
    let cancelled = std::sync::atomic::AtomicBool::new(false);
    let watch = Flag(&cancelled);
    thread::scope(|scope| {
        let one = scope.spawn(|| site.images.copy(&disk, &small.disk("one.qcow2"), &watch));
        while site.calls() == 0 {
            thread::yield_now();
        }
        let free = site.images.free_mib(&small.0).unwrap();
        assert!((20..=22).contains(&(before - free)), "{before} {free}");
        let failed = site.images.copy(&disk, &small.disk("two.qcow2"), &Unwatched).unwrap_err();
        no_space(&failed);
        cancelled.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(one.join().unwrap().unwrap_err().code(), "cancelled");
    });
    assert_eq!(site.images.free_mib(&small.0).unwrap(), before);
    assert!(small.names().is_empty());
}

struct Flag<'a>(&'a std::sync::atomic::AtomicBool);

impl Watch for Flag<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// Somebody else fills the disk while a copy is under way.
#[test]
fn a_disk_that_is_full_in_the_middle_leaves_nothing() {
    let site = Site::new();
    let disk = full(&site, "disk.qcow2", 20);
    let small = Small::new(&site, 32);
    let (told, heard) = mpsc::sync_channel(1);
    let (go_on, goes) = mpsc::channel();
    let watch = Middle(told, std::sync::Mutex::new(goes));
    let failed = thread::scope(|scope| {
        let copy = scope.spawn(|| site.images.copy(&disk, &small.disk("to.qcow2"), &watch));
        // Asked first while it counts, then when the tool is to be started.
        heard.recv().unwrap();
        go_on.send(()).unwrap();
        heard.recv().unwrap();
        fs::write(small.0.join("of somebody else"), vec![1; 20 << 20]).unwrap();
        drop((go_on, heard));
        copy.join().unwrap().unwrap_err()
    });
    let (free, needed) = no_space(&failed);
    assert!(free < 13 && (20..24).contains(&needed), "{failed}");
    assert_eq!(small.names(), [small.0.join("of somebody else")]);
}

fn fill(folder: &Path) {
    let all = vec![1; 64 << 20];
    assert!(fs::write(folder.join("all"), all).is_err());
}

#[test]
fn disks_that_need_next_to_nothing_say_so_too() {
    let site = Site::new();
    let small = Small::new(&site, 8);
    let disk = small.disk("a.qcow2");
    site.images.make_disk(&disk, 64 * MIB, None).unwrap();
    io(&disk, &["write -P 1 0 2M"]);
    let taken = [Frozen { disk: disk.clone(), kept: small.0.join("s.a.qcow2") }];
    site.images.take_snapshot(&taken).unwrap();
    io(&disk, &["write -P 2 0 1M"]);
    let before = site.disk("before.raw");
    site.images.copy(&disk, &before, &Unwatched).unwrap();
    fill(&small.0);
    no_space(&site.images.make_disk(&small.disk("b.qcow2"), GIB, None).unwrap_err());
    no_space(&site.images.delete_snapshot(&taken, &Unwatched).unwrap_err());
    fs::remove_file(small.0.join("all")).unwrap();
    assert!(same(&disk, &before));
    assert_eq!(small.names().len(), 2);
    site.images.delete_snapshot(&taken, &Unwatched).unwrap();
    assert!(same(&disk, &before));
}

#[test]
fn no_room_for_a_snapshot_leaves_the_disk_where_it_is() {
    let site = Site::new();
    let small = Small::new(&site, 8);
    let disk = small.disk("a.qcow2");
    site.images.make_disk(&disk, 64 * MIB, None).unwrap();
    io(&disk, &["write -P 1 0 2M"]);
    let before = site.disk("before.raw");
    site.images.copy(&disk, &before, &Unwatched).unwrap();
    let taken = [Frozen { disk: disk.clone(), kept: small.0.join("s.a.qcow2") }];
    fill(&small.0);
    no_space(&site.images.take_snapshot(&taken).unwrap_err());
    fs::remove_file(small.0.join("all")).unwrap();
    assert_eq!(small.names(), std::slice::from_ref(&disk.path));
    assert!(same(&disk, &before));
    io(&disk, &["write -P 2 0 1M"]);
    site.images.take_snapshot(&taken).unwrap();
}
