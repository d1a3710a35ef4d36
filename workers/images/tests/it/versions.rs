//! Copies, seals and imports.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use carrel_images::{Claim, DiskFile, Format, Hope, Unwatched, Upload, Watch};
use sha2::{Digest as _, Sha256};

use crate::site::{GIB, MIB, Site, check, info, io, qemu_img, same, text, write};

const FORMATS: [(&str, Format); 2] = [("qcow2", Format::Qcow2), ("raw", Format::Raw)];

fn mode(disk: &DiskFile) -> u32 {
    disk.path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_chain_becomes_one_file_and_again_nothing() {
    let site = Site::new();
    let base = site.written("base.raw", 64, None);
    let middle = site.written("middle.qcow2", 80, Some(&base));
    let top = site.disk("top.qcow2");
    site.images.make_disk(&top, 3 * GIB, Some(&middle)).unwrap();
    write(&top, "write -P 1 2G 3M", "write -z 0 64k");
    for (ending, _) in FORMATS {
        let copy = site.disk(&format!("images/i/copy.{ending}"));
        site.images.copy(&top, &copy, &Unwatched).unwrap();
        assert!(same(&top, &copy));
        assert_eq!(info(&copy)["virtual-size"], 3 * GIB);
        assert!(info(&copy).get("backing-filename").is_none());
        assert_eq!(mode(&copy), 0o600);
        // It is the initial's own now, and may have changed.
        write(&copy, "write -P 4 0 64k", "write -P 4 1G 64k");
        let before = copy.path.metadata().unwrap().modified().unwrap();
        site.images.copy(&top, &copy, &Unwatched).unwrap();
        assert_eq!(copy.path.metadata().unwrap().modified().unwrap(), before);
    }
    assert!(site.names().iter().all(|name| !name.ends_with(".part")));
}

#[test]
fn a_version_is_copied_sealed_and_known_by_its_digest() {
    let site = Site::new();
    let base = site.written("base.qcow2", 64, None);
    let disk = site.written("disk.qcow2", 64, Some(&base));
    let stat = site.images.seal(&disk, &site.path("images/i/1-0.qcow2")).unwrap();
    let version = site.disk("images/i/1-0.qcow2");
    assert_eq!(site.images.seal(&disk, &version.path).unwrap(), stat);
    assert!(!disk.path.exists());
    assert_eq!(mode(&version), 0o444);
    let digest = site.images.verify(&version, &Unwatched).unwrap();
    for (ending, _) in FORMATS {
        let file = site.disk(&format!("images/i/1-1.{ending}"));
        let made = site.images.copy_version(&version, &file, &Unwatched).unwrap();
        assert_eq!(made.digest, digest);
        assert_eq!(mode(&file), 0o444);
        assert_eq!(site.images.copy_version(&version, &file, &Unwatched).unwrap(), made);
        assert_eq!(made.stat.size_bytes, file.path.metadata().unwrap().len());
    }
    assert_eq!(site.images.seal(&version, &version.path).unwrap(), stat);
}

#[test]
fn nothing_is_sealed_over_what_is_there_or_from_nothing() {
    let site = Site::new();
    let disk = site.written("disk.qcow2", 4, None);
    let other = site.written("other.qcow2", 4, None);
    let failed = site.images.seal(&disk, &other.path).unwrap_err();
    assert_eq!(failed.code(), "file_differs");
    let failed = site.images.seal(&site.disk("no.qcow2"), &site.path("new.qcow2")).unwrap_err();
    assert_eq!((failed.code(), failed.hope()), ("file_missing", Hope::Never));
    assert_eq!(site.names(), ["disk.qcow2", "other.qcow2"]);
}

#[test]
fn a_backing_file_that_is_gone_stops_what_stands_on_it() {
    let site = Site::new();
    let base = site.written("base.qcow2", 4, None);
    let disk = site.written("disk.qcow2", 4, Some(&base));
    fs::remove_file(&base.path).unwrap();
    let to = site.disk("to.qcow2");
    assert_eq!(site.images.copy(&disk, &to, &Unwatched).unwrap_err().code(), "file_missing");
    assert_eq!(site.images.seal(&disk, &to.path).unwrap_err().code(), "file_missing");
    assert_eq!(site.images.verify(&disk, &Unwatched).unwrap_err().code(), "file_missing");
    assert_eq!(site.names(), ["disk.qcow2"]);
}

/// A disk of so many MiB in every format that is imported.
fn upload(site: &Site, claim: Claim, options: &[&str], from: &DiskFile) -> Upload {
    let path = site.path(&format!("upload-{}{}", claim.driver(), options.len()));
    let mut arguments = vec!["convert", "-f", from.format.word(), "-O", claim.driver()];
    arguments.extend(options);
    arguments.extend([text(&from.path), text(&path)]);
    qemu_img(&arguments);
    let sha256 = Some(Sha256::digest(fs::read(&path).unwrap()).into());
    Upload { path, claim, sha256 }
}

#[test]
fn every_format_is_imported_and_keeps_its_content() {
    let site = Site::new();
    let disk = site.written("disk.raw", 24, None);
    let cases: &[(Claim, &[&str])] = &[
        (Claim::Raw, &[]),
        (Claim::Qcow2, &[]),
        (Claim::Qcow2, &["-o", "compat=0.10"]),
        (Claim::Qcow2, &["-c", "-o", "cluster_size=4k"]),
        (Claim::Vmdk, &[]),
        (Claim::Vmdk, &["-o", "subformat=streamOptimized"]),
        (Claim::Vhd, &["-o", "force_size=on"]),
        (Claim::Vhd, &["-o", "subformat=fixed,force_size=on", "-q"]),
        (Claim::Vhdx, &[]),
        (Claim::Vhdx, &["-o", "subformat=fixed,block_size=1M"]),
    ];
    let digest = site.images.verify(&disk, &Unwatched).unwrap();
    for (number, (claim, options)) in cases.iter().enumerate() {
        let upload = upload(&site, *claim, options, &disk);
        let header = site.images.inspect(&upload, &Unwatched).unwrap();
        assert_eq!(header.virtual_bytes, 24 * MIB, "{claim:?} {options:?}");
        for (ending, _) in FORMATS {
            let to = site.disk(&format!("images/{number}/1-0.{ending}"));
            let stat = site.images.import(&upload, &to, &Unwatched).unwrap();
            assert_eq!(site.images.import(&upload, &to, &Unwatched).unwrap(), stat);
            assert_eq!(mode(&to), 0o444);
            assert_eq!(site.images.verify(&to, &Unwatched).unwrap(), digest, "{claim:?}");
            assert!(to.format == Format::Raw || info(&to).get("backing-filename").is_none());
        }
    }
}

/// As VirtualBox writes them: the geometry is rounded down, and QEMU would take that for the size.
#[test]
fn a_vhd_keeps_what_lies_beyond_its_geometry() {
    let site = Site::new();
    let disk = site.written("disk.raw", 100, None);
    io(&disk, &["write -P 3 99M 1M"]);
    let mut upload = upload(&site, Claim::Vhd, &["-o", "force_size=on"], &disk);
    let mut bytes = fs::read(&upload.path).unwrap();
    let end = bytes.len() - 512;
    for at in [0, end] {
        let footer = &mut bytes[at..at + 512];
        footer[28..32].copy_from_slice(b"vbox");
        footer[56..60].copy_from_slice(&[0, 100, 16, 63]);
        footer[64..68].fill(0);
        let sum = !footer.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        footer[64..68].copy_from_slice(&sum.to_be_bytes());
    }
    fs::write(&upload.path, bytes).unwrap();
    upload.sha256 = None;
    let to = site.disk("to.qcow2");
    site.images.import(&upload, &to, &Unwatched).unwrap();
    assert!(same(&disk, &to));
}

#[test]
fn other_bytes_than_those_that_were_told_are_not_imported() {
    let site = Site::with_tool("exit 1");
    fs::write(site.path("upload"), vec![1; 4096]).unwrap();
    let upload = Upload { path: site.path("upload"), claim: Claim::Raw, sha256: Some([7; 32]) };
    let failed = site.images.import(&upload, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
    assert_eq!(failed.code(), "digest_differs");
    assert_eq!((site.calls(), site.names()), (0, vec!["upload".to_owned()]));
}

#[derive(Default)]
struct Heard(Mutex<Vec<(u64, Option<u64>)>>);

impl Watch for Heard {
    fn is(&self, done_bytes: u64, of_bytes: Option<u64>) {
        self.0.lock().unwrap().push((done_bytes, of_bytes));
    }
}

#[test]
fn it_is_told_how_far_it_is() {
    let site = Site::new();
    let disk = site.disk("disk.qcow2");
    site.images.make_disk(&disk, 128 * MIB, None).unwrap();
    io(&disk, &["write -P 1 0 100M"]);
    let heard = Heard::default();
    site.images.copy(&disk, &site.disk("copy.qcow2"), &heard).unwrap();
    check(&site.disk("copy.qcow2"));
    let told = heard.0.into_inner().unwrap();
    assert!(told.len() > 5 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(128 * MIB, Some(128 * MIB))));
    // Twice over the disk: once to copy it, and once for its digest.
    let heard = Heard::default();
    site.images.copy_version(&disk, &site.disk("version.qcow2"), &heard).unwrap();
    let told = heard.0.into_inner().unwrap();
    assert!(told.is_sorted() && told.iter().all(|it| it.1 == Some(256 * MIB)), "{told:?}");
    assert_eq!(told.last(), Some(&(256 * MIB, Some(256 * MIB))));
}

/// Does not want it any more after so many questions.
struct Until(AtomicUsize);

impl Watch for Until {
    fn is_cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn what_nobody_wants_any_more_ends_and_leaves_nothing() {
    let site = Site::with_tool("exec sleep 1000");
    let disk = site.written("disk.qcow2", 4, None);
    for questions in 0..6 {
        let watch = Until(AtomicUsize::new(questions));
        let failed = site.images.copy(&disk, &site.disk("copy.qcow2"), &watch).unwrap_err();
        assert_eq!((failed.code(), failed.hope()), ("cancelled", Hope::Cancelled));
        assert_eq!(site.names(), ["disk.qcow2"]);
    }
    assert!(site.calls() > 0);
    let watch = Until(AtomicUsize::new(0));
    assert_eq!(site.images.verify(&disk, &watch).unwrap_err().code(), "cancelled");
}
