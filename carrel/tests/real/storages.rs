//! Storages that come back from a backup, or are not mounted.

use std::fs;
use std::path::Path;

use carrel_lab::{backing, eventually};

use crate::site::Site;

const MARKER: &str = ".carrel-storage";

fn starts(site: &Site, machine: &str) {
    site.does(&["do", "StartMachine", "--machines", machine, "--wait"]);
    site.does(&["do", "PowerOffMachine", "--machines", machine, "--wait"]);
}

/// As `tar` gives it back: another file, of another time, with its owner's usual mode.
fn restored(file: &Path) {
    let bytes = fs::read(file).expect("a file");
    let other = file.with_extension("restored");
    fs::write(&other, bytes).expect("written");
    fs::rename(other, file).expect("renamed");
}

#[test]
fn a_version_from_a_backup_is_stood_on_if_it_reads_as_before() {
    let mut site = Site::with_initial("win11");
    site.does(&["do", "Populate", "--initial", "win11", "--count", "2", "--wait"]);
    let (base, _) = backing(&site.disk("win11-001")).expect("it stands on something");
    eventually("its digest is known", || {
        (site.get("images", "win11@1")["state"] == "verified").then_some(())
    });
    site.stop();
    restored(&base);
    site.up();
    starts(&site, "win11-001");
    assert!(fs::metadata(&base).expect("a file").permissions().readonly());
    site.has_what_it_should();

    site.stop();
    restored(&base);
    carrel_lab::change(&base);
    site.up();
    let why = site.fails(&["do", "StartMachine", "--machines", "win11-002", "--wait"]);
    assert!(why.contains("backing_changed"), "{why}");
}

#[test]
fn nothing_is_put_where_a_storage_is_not_mounted() {
    let mut site = Site::with_initial("win11");
    let (storage, away) = (site.storage(), site.storage().with_extension("away"));
    site.stop();
    fs::rename(&storage, &away).expect("unmounted");
    fs::create_dir(&storage).expect("a mount point");
    site.up();
    assert!(site.said().contains("it is not mounted"), "{}", site.said());
    assert_eq!(fs::read_dir(&storage).expect("a folder").count(), 0);
    fs::remove_dir(&storage).expect("empty");
    // One that is older than its marker.
    fs::remove_file(away.join(MARKER)).expect("it was there");
    fs::rename(&away, &storage).expect("mounted");
    let works = || site.said().contains("this machine works as a host again").then_some(());
    eventually("its host works again", works);
    assert!(storage.join(MARKER).exists());
    starts(&site, "win11");
    site.has_what_it_should();
}
