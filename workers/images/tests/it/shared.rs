//! Copies on a file system whose files can share blocks.

use std::path::PathBuf;

use carrel_images::{DiskFile, Unwatched};

use crate::disks::Guest;
use crate::site::{GIB, Site, check, io, run, same, text};

/// XFS in a file, which root can have.
struct Shared(PathBuf);

impl Shared {
    fn new(site: &Site) -> Self {
        let (file, path) = (site.path("xfs"), site.path("shared"));
        std::fs::create_dir(&path).unwrap();
        run("truncate", &["-s", "400M", text(&file)]);
        run("mkfs.xfs", &["-q", text(&file)]);
        run("mount", &["-o", "loop", text(&file), text(&path)]);
        Self(path)
    }

    fn disk(&self, name: &str) -> DiskFile {
        DiskFile::named(self.0.join(name))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        run("umount", &[text(&self.0)]);
    }
}

#[test]
fn a_copy_of_one_file_takes_no_room_and_no_tool() {
    let site = Site::with_tool("exit 1");
    let shared = Shared::new(&site);
    for (ending, other) in [("qcow2", "raw"), ("raw", "qcow2")] {
        let disk = shared.disk(&format!("disk.{ending}"));
        site.images.make_disk(&disk, GIB, None).unwrap();
        io(&disk, &["write -P 1 0 100M", "write -P 2 900M 1M"]);
        let digest = site.images.verify(&disk, &Unwatched).unwrap();
        run("sync", &["-f", text(&disk.path)]);
        let before = site.images.free_mib(&shared.0).unwrap();
        // Five times as much as there is room for.
        for number in 0..15 {
            let copy = shared.disk(&format!("copy-{number}.{ending}"));
            let made = site.images.copy_version(&disk, &copy, &Unwatched).unwrap();
            assert_eq!(made.digest, digest);
        }
        assert!(before - site.images.free_mib(&shared.0).unwrap() < 20);
        // A sealed one as well, and what is written to the copy is the copy's alone.
        let (sealed, own) =
            (shared.disk(&format!("copy-0.{ending}")), shared.disk(&format!("own.{ending}")));
        site.images.copy(&sealed, &own, &Unwatched).unwrap();
        io(&own, &["write -P 9 1M 64k"]);
        assert!(same(&sealed, &disk) && !same(&own, &disk));
        assert_eq!(site.calls(), 0);
        // Another format is for the tool, and so is what a guest has open.
        assert!(site.images.copy(&disk, &shared.disk(&format!("x.{other}")), &Unwatched).is_err());
        let guest = Guest::on(&disk);
        assert!(site.images.copy(&disk, &shared.disk(&format!("y.{ending}")), &Unwatched).is_err());
        assert_eq!(site.calls(), 2);
        std::fs::remove_file(site.path("calls")).unwrap();
        for entry in std::fs::read_dir(&shared.0).unwrap() {
            let path = entry.unwrap().path();
            if path != disk.path {
                std::fs::remove_file(path).unwrap();
            }
        }
        drop(guest);
        if ending == "qcow2" {
            check(&disk);
        }
        std::fs::remove_file(&disk.path).unwrap();
    }
}
