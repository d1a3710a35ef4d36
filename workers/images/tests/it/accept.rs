//! Files of versions that came back from a backup: known again by what they read as.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use carrel_images::{Digest, DiskFile, Failed, Images, Unwatched};

use crate::site::{Site, io, text};

/// A sealed file, and what it reads as.
fn sealed(site: &Site, name: &str) -> (DiskFile, Digest) {
    let disk = site.written("machines/m/a.qcow2", 1, None);
    let sealed = site.disk(name);
    site.images.seal(&disk, &sealed.path).unwrap();
    let digest = site.images.verify(&sealed, &Unwatched).unwrap();
    (sealed, digest)
}

/// As `tar` gives it back: the same bytes in another file, of another time.
fn restored(disk: &DiskFile) {
    let bytes = fs::read(&disk.path).unwrap();
    fs::remove_file(&disk.path).unwrap();
    fs::write(&disk.path, bytes).unwrap();
}

fn accepted(disk: &DiskFile) -> Option<Digest> {
    Images::default().seen(&[], std::slice::from_ref(disk)).unwrap()[0].accepted
}

#[test]
fn what_reads_as_before_is_accepted_until_it_is_another_file() {
    let site = Site::new();
    let (disk, digest) = sealed(&site, "images/i/1-0.qcow2");
    restored(&disk);
    assert_eq!(accepted(&disk), None);
    for _ in 0..2 {
        site.images.accept(&disk, digest, &Unwatched).unwrap();
        assert_eq!(accepted(&disk), Some(digest), "a later process sees it, too");
    }
    let mode = fs::metadata(&disk.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o222, 0, "nobody writes to it any more");
    // What is kept of it is no file of anybody's, and goes with it.
    let found = site.images.list(site.folder.path()).unwrap();
    assert_eq!(found.iter().map(|it| &it.path).collect::<Vec<_>>(), [&disk.path]);
    restored(&disk);
    fs::set_permissions(&disk.path, Permissions::from_mode(0o444)).unwrap();
    assert_eq!(accepted(&disk), None, "another file is another file");
    site.images.remove(std::slice::from_ref(&disk.path)).unwrap();
    assert!(site.names().is_empty());
}

#[test]
fn what_reads_otherwise_or_is_open_to_writers_is_not() {
    let site = Site::new();
    let (disk, digest) = sealed(&site, "images/i/1-0.qcow2");
    restored(&disk);
    io(&disk, &["write -P 8 0 64k"]);
    let refused = site.images.accept(&disk, digest, &Unwatched).unwrap_err();
    assert!(matches!(refused, Failed::Differs { .. }), "{refused}");
    assert_eq!(accepted(&disk), None);
    let other = site.images.verify(&disk, &Unwatched).unwrap();
    site.images.accept(&disk, other, &Unwatched).unwrap();
    fs::set_permissions(&disk.path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(accepted(&disk), None, "{}", text(&disk.path));
    let missing = site.disk("images/i/9-0.qcow2");
    let refused = site.images.accept(&missing, digest, &Unwatched).unwrap_err();
    assert!(matches!(refused, Failed::Missing(_)), "{refused}");
}
