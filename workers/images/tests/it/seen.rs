//! What is there, without a process.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use carrel_images::{Backing, Format, Kind, SeenFile, Unwatched};

use crate::site::{GIB, MIB, Site, qemu_img, text, write};

fn of<'a>(seen: &'a [SeenFile], site: &Site, name: &str) -> &'a SeenFile {
    seen.iter().find(|seen| seen.file.path == site.path(name)).unwrap()
}

#[test]
fn files_are_told_as_they_are_and_no_tool_is_asked() {
    let site = Site::with_tool("exit 1");
    let base = site.written("images/i/1-0.qcow2", 64, None);
    site.images.seal(&base, &site.path("images/i/2-0.qcow2")).unwrap();
    let base = site.disk("images/i/2-0.qcow2");
    let top = site.disk("machines/m/d-1.qcow2");
    site.images.make_disk(&top, GIB, Some(&base)).unwrap();
    write(&top, "write 0 1M", "write 5M 1M");
    site.images.make_disk(&site.disk("machines/m/e-1.raw"), 2 * GIB, None).unwrap();
    fs::write(site.path("machines/m/.d-2.qcow2.part"), "half").unwrap();
    fs::write(site.path("machines/m/f.qcow2"), "this is none").unwrap();
    symlink(&base.path, site.path("machines/m/g.qcow2")).unwrap();
    let folders = [site.path("machines/m"), site.path("machines/none")];
    let files = [base.clone(), top.clone(), site.disk("images/i/no.qcow2")];
    let seen = site.images.seen(&folders, &files).unwrap();
    assert_eq!(seen.len(), 4, "{seen:?}");

    let sealed = of(&seen, &site, "images/i/2-0.qcow2");
    assert!(sealed.sealed && sealed.backing.is_none() && sealed.virtual_bytes == 64 * MIB);
    let told = of(&seen, &site, "machines/m/d-1.qcow2");
    let backing = Backing { path: base.path.clone(), format: Some(Format::Qcow2) };
    assert_eq!((told.backing.as_ref(), told.virtual_bytes), (Some(&backing), GIB));
    assert!(!told.sealed && told.damage.is_none());
    assert!((2 * MIB..4 * MIB).contains(&told.allocated_bytes), "{told:?}");
    let meta = top.path.metadata().unwrap();
    assert_eq!((told.stat.size_bytes, told.stat.inode), (meta.len(), meta.ino()));
    assert_eq!(told.stat.modified_micros / 1_000_000, meta.mtime());
    let raw = of(&seen, &site, "machines/m/e-1.raw");
    assert_eq!((raw.virtual_bytes, raw.allocated_bytes), (2 * GIB, 0));
    let damaged = of(&seen, &site, "machines/m/f.qcow2");
    assert_eq!(damaged.damage.as_ref().unwrap().code(), "image_other_format");
    assert_eq!(site.calls(), 0);
}

#[test]
fn a_raw_disk_in_which_a_guest_has_written_a_header_is_raw() {
    let site = Site::new();
    let evil = site.path("evil.qcow2");
    qemu_img(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-u",
        "-b",
        "/etc/passwd",
        "-F",
        "raw",
        text(&evil),
        "1G",
    ]);
    fs::rename(&evil, site.path("disk.raw")).unwrap();
    let disk = site.disk("disk.raw");
    let bytes = disk.path.metadata().unwrap().len();
    let seen = site.images.seen(&[], std::slice::from_ref(&disk)).unwrap();
    assert_eq!((seen[0].virtual_bytes, &seen[0].backing), (bytes, &None));
    site.images.copy(&disk, &site.disk("copy.qcow2"), &Unwatched).unwrap();
    let seen = site.images.seen(&[], &[site.disk("copy.qcow2")]).unwrap();
    assert_eq!((seen[0].virtual_bytes, &seen[0].backing), (bytes.next_multiple_of(512), &None));
}

#[test]
fn a_file_that_was_cut_off_is_told() {
    let site = Site::new();
    let disk = site.written("a.qcow2", 64, None);
    let whole = fs::read(&disk.path).unwrap();
    for bytes in [0, 3, 71, 103, 200, 65_536, 190_000] {
        fs::write(&disk.path, &whole[..bytes]).unwrap();
        let seen = site.images.seen(&[], std::slice::from_ref(&disk)).unwrap();
        assert!(seen[0].damage.is_some(), "{bytes}");
    }
}

#[test]
fn everything_on_a_storage_is_listed_for_whoever_knows_what_is_wanted() {
    let site = Site::new();
    let base = site.written("images/i/1-0.qcow2", 4, None);
    site.images.make_disk(&site.disk("machines/m/a-1.qcow2"), GIB, Some(&base)).unwrap();
    site.images.make_disk(&site.disk("throwaway/m/a-1.qcow2"), GIB, Some(&base)).unwrap();
    fs::create_dir_all(site.path("media")).unwrap();
    fs::create_dir_all(site.path("machines/m/deep/deeper/deepest/no")).unwrap();
    fs::create_dir_all(site.path("private")).unwrap();
    fs::write(site.path("media/x.iso"), vec![1; 5000]).unwrap();
    fs::write(site.path("media/.y.iso.part"), "half").unwrap();
    fs::write(site.path("private/key"), "not ours").unwrap();
    symlink("/etc", site.path("machines/etc")).unwrap();
    let found = site.images.list(site.folder.path()).unwrap();
    let told: Vec<(String, Kind, bool)> = found
        .iter()
        .map(|it| {
            let name = it.path.strip_prefix(site.folder.path()).unwrap().display().to_string();
            (name, it.kind, it.backing.is_some())
        })
        .collect();
    let expected = [
        ("images/i/1-0.qcow2", Kind::File, false),
        ("machines/etc", Kind::Other, false),
        ("machines/m/a-1.qcow2", Kind::File, true),
        ("machines/m/deep/deeper/deepest", Kind::Other, false),
        ("media/.y.iso.part", Kind::Leftover, false),
        ("media/x.iso", Kind::File, false),
        ("throwaway/m/a-1.qcow2", Kind::File, true),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(name, kind, on)| ((*name).to_owned(), *kind, *on)).collect();
    assert_eq!(told, expected);
    let leftovers = site.images.leftovers(site.folder.path()).unwrap();
    assert_eq!(leftovers.len(), 1);
    assert_eq!(leftovers[0].path, site.path("media/.y.iso.part"));
}
