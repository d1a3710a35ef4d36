//! What is done by hand: it takes nothing that somebody uses, and nothing that has changed.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use carrel_images::{Failed, Found, Kind};

use crate::site::{GIB, Site};

fn found(site: &Site, name: &str) -> Found {
    let all = site.images.list(site.folder.path()).unwrap();
    all.into_iter().find(|it| it.path == site.path(name)).unwrap()
}

#[test]
fn what_is_put_aside_has_its_bytes_and_its_folder_goes_when_it_is_empty() {
    let site = Site::new();
    let base = site.written("images/i/1-0.qcow2", 4, None);
    site.images.make_disk(&site.disk("machines/m/a-1.qcow2"), GIB, Some(&base)).unwrap();
    let bytes = fs::read(site.path("machines/m/a-1.qcow2")).unwrap();
    let orphan = found(&site, "machines/m/a-1.qcow2");
    let to = site.path("aside/today/machines/m/a-1.qcow2");
    site.images.put_aside(&orphan, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), bytes);
    assert_eq!(site.names(), ["aside/today/machines/m/a-1.qcow2", "images/i/1-0.qcow2"]);
    assert!(!site.path("machines/m").exists());
    assert!(matches!(site.images.put_aside(&orphan, &to), Err(Failed::Missing(_))));
}

#[test]
fn nothing_is_put_in_the_place_of_something_else() {
    let site = Site::new();
    site.written("images/i/1-0.qcow2", 4, None);
    fs::create_dir(site.path("aside")).unwrap();
    fs::write(site.path("aside/x"), "was there").unwrap();
    let orphan = found(&site, "images/i/1-0.qcow2");
    let refused = site.images.put_aside(&orphan, &site.path("aside/x"));
    assert!(matches!(refused, Err(Failed::Differs { .. })), "{refused:?}");
    assert_eq!(fs::read(site.path("aside/x")).unwrap(), b"was there");
    assert!(orphan.path.exists());
}

#[test]
fn what_is_open_or_has_changed_stays() {
    let site = Site::new();
    fs::create_dir_all(site.path("media")).unwrap();
    fs::write(site.path("media/.x.iso.part"), "half").unwrap();
    fs::write(site.path("media/y.iso"), "whole").unwrap();
    let (part, orphan) = (found(&site, "media/.x.iso.part"), found(&site, "media/y.iso"));
    let to = site.path("aside/y.iso");
    let held = (File::open(&part.path).unwrap(), File::open(&orphan.path).unwrap());
    assert!(matches!(site.images.clear(&part), Err(Failed::InUse(_))));
    assert!(matches!(site.images.put_aside(&orphan, &to), Err(Failed::InUse(_))));
    drop(held);
    fs::write(&part.path, "half and more").unwrap();
    assert!(matches!(site.images.clear(&part), Err(Failed::Differs { .. })));
    assert!(matches!(site.images.clear(&orphan), Err(Failed::Unfit { .. })));
    assert_eq!(site.names(), ["media/.x.iso.part", "media/y.iso"]);
    site.images.clear(&found(&site, "media/.x.iso.part")).unwrap();
    assert_eq!(site.names(), ["media/y.iso"]);
}

#[test]
fn nobody_writes_again_to_what_was_sealed() {
    let site = Site::new();
    site.written("images/i/1-0.qcow2", 4, None);
    let opened = found(&site, "images/i/1-0.qcow2");
    assert_eq!((opened.kind, opened.sealed), (Kind::File, false));
    site.images.seal_again(&opened).unwrap();
    assert!(found(&site, "images/i/1-0.qcow2").sealed);
    let mode = fs::metadata(&opened.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
}
