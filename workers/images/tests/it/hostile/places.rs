//! Uploads that are no files at all, or that change while they are looked at.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use carrel_images::{Claim, Unwatched, Upload, Watch};

use super::qcow2;
use crate::site::{Site, run, text};

#[test]
fn what_is_no_file_is_not_waited_for_nor_followed() {
    let site = Site::with_tool("exit 1");
    fs::write(site.path("good"), qcow2::good()).unwrap();
    symlink(site.path("good"), site.path("link")).unwrap();
    symlink("/nowhere", site.path("dangling")).unwrap();
    run("mkfifo", &[text(&site.path("pipe"))]);
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    fs::create_dir(site.path("folder")).unwrap();
    for (path, code) in [
        (site.path("link"), "image_not_a_file"),
        (site.path("dangling"), "image_not_a_file"),
        (site.path("pipe"), "image_not_a_file"),
        (site.path("socket"), "image_not_a_file"),
        (site.path("folder"), "image_not_a_file"),
        ("/dev/zero".into(), "image_not_a_file"),
        ("/dev/fd/0".into(), "image_not_a_file"),
        (site.path("none"), "file_missing"),
        (site.path("good/more"), "file_io"),
        ("good".into(), "file_unfit"),
        ("nbd:localhost:10809".into(), "file_unfit"),
        (r#"json:{"driver":"nbd"}"#.into(), "file_unfit"),
    ] {
        for claim in Claim::ALL {
            let upload = Upload { path: path.clone(), claim: *claim, sha256: None };
            let failed = site.images.import(&upload, &site.disk("to.qcow2"), &Unwatched);
            assert_eq!(failed.unwrap_err().code(), code, "{}", path.display());
        }
    }
    assert_eq!(site.calls(), 0);
    assert!(!site.path("to.qcow2").exists());
}

/// Puts another file in the place of the one that was let through.
struct Swap<'a>(&'a Site);

impl Watch for Swap<'_> {
    fn is_cancelled(&self) -> bool {
        let mut evil = qcow2::good();
        evil[qcow2::DATA..qcow2::DATA + 5].copy_from_slice(b"EVIL!");
        fs::write(self.0.path("evil"), evil).unwrap();
        fs::rename(self.0.path("evil"), self.0.path("upload")).unwrap();
        false
    }
}

#[test]
fn what_was_let_through_is_what_is_read() {
    let site = Site::new();
    fs::write(site.path("upload"), qcow2::good()).unwrap();
    let upload = Upload { path: site.path("upload"), claim: Claim::Qcow2, sha256: None };
    let to = site.disk("to.raw");
    site.images.import(&upload, &to, &Swap(&site)).unwrap();
    assert_eq!(&fs::read(&to.path).unwrap()[..5], b"hello");
    assert!(fs::read(site.path("upload")).unwrap().windows(5).any(|it| it == b"EVIL!"));
}
