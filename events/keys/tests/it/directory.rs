//! The directory keeps the promises, is for its owner alone, and survives backups and restores.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_keys::directory::{DirectoryStore, Found, OsDisk};
use carrel_keys::{KeyStore, KeysError, OpenError, Purpose, StoreError};
use carrel_model::ids::HypervisorId;
use tempfile::TempDir;

use crate::conformance::{self, Adapter};
use crate::scene::{opened, person, seal, start};

struct Directory {
    dir: TempDir,
    store: Option<Arc<DirectoryStore>>,
}

impl Adapter for Directory {
    fn fresh() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Some(Arc::new(open(&dir.path().join("keys")).0));
        Self { dir, store }
    }

    fn store(&self) -> Arc<dyn KeyStore> {
        Arc::clone(self.store.as_ref().unwrap()) as Arc<dyn KeyStore>
    }

    fn reopen(&mut self) {
        // Hashers that have just ended may still hold it.
        let store = self.store.take().unwrap();
        while Arc::strong_count(&store) > 1 {
            std::thread::yield_now();
        }
        drop(store);
        self.store = Some(Arc::new(open(&self.dir.path().join("keys")).0));
    }
}

conformance::suite!(Directory);

fn try_open(dir: &Path) -> Result<(DirectoryStore, Found), StoreError> {
    DirectoryStore::open(Arc::new(OsDisk), dir, "a test")
}

fn open(dir: &Path) -> (DirectoryStore, Found) {
    try_open(dir).unwrap_or_else(|error| panic!("{error}"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn key_file(dir: &Path, nth: u64) -> PathBuf {
    dir.join("people/07").join(format!("{}.key", person(nth)))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found
}

/// A directory with keys of two people and a host.
fn used() -> TempDir {
    let dir = TempDir::new().unwrap();
    set_mode(dir.path(), 0o700);
    let keys = start(Arc::new(open(dir.path()).0));
    for nth in [1, 2] {
        seal(&keys, nth, "somebody");
    }
    keys.enrol_host(HypervisorId::from_bytes([1; 16])).unwrap();
    dir
}

#[test]
fn everything_is_for_its_owner_alone() {
    let dir = used();
    let paths = files(dir.path());
    assert!(paths.contains(&key_file(dir.path(), 1)), "{paths:?}");
    for path in paths {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{path:?}");
    }
}

#[test]
fn a_directory_that_others_may_use_is_refused() {
    let dir = used();
    for exposed in ["", "people", "people/07", "hosts"] {
        let path = dir.path().join(exposed);
        for mode in [0o750, 0o701, 0o720] {
            set_mode(&path, mode);
            let refused = StoreError::Exposed { path: path.clone(), mode, wanted: 0o700 };
            assert_eq!(try_open(dir.path()).err(), Some(refused));
        }
        set_mode(&path, 0o700);
    }
    assert_eq!(open(dir.path()).1.people, 2);
}

#[test]
fn a_file_that_others_may_use_is_refused() {
    let dir = used();
    let path = key_file(dir.path(), 1);
    set_mode(&path, 0o640);
    let keys = start(Arc::new(open(dir.path()).0));
    let refused = StoreError::Exposed { path, mode: 0o640, wanted: 0o600 };
    let message = refused.to_string();
    assert!(message.contains("0640") && message.contains("chmod it to 0600"), "{message}");
    assert_eq!(keys.seal(person(1), Purpose::Name, "x"), Err(KeysError::Store(refused)));
    seal(&keys, 2, "others are not concerned");
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let dir = used();
    // Only root can give something away; for anybody else there is nothing to try.
    if chown(dir.path(), Some(12_345), None).is_err() {
        return;
    }
    let path = dir.path().to_owned();
    let refused = StoreError::Foreign { path, owner: 12_345, user: 0 };
    assert_eq!(try_open(dir.path()).err(), Some(refused));
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let dir = used();
    let path = key_file(dir.path(), 1);
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let (store, _) = open(dir.path());
    let refused = StoreError::Misplaced { path, wanted: "a file" };
    assert_eq!(store.person(person(1)), Err(refused));
}

#[test]
fn a_file_that_was_changed_or_moved_is_told() {
    let dir = used();
    let (one, other) = (key_file(dir.path(), 1), key_file(dir.path(), 2));
    fs::copy(&one, &other).unwrap();
    let mut bytes = fs::read(&one).unwrap();
    bytes[40] ^= 1;
    fs::write(&one, bytes).unwrap();
    let (store, _) = open(dir.path());
    let damaged = |path, what| Err(StoreError::Damaged { path, what });
    assert_eq!(store.person(person(1)), damaged(one, "its checksum is wrong"));
    assert_eq!(store.person(person(2)), damaged(other, "it is another's file"));
}

#[test]
fn one_process_at_a_time() {
    let dir = used();
    let first = open(dir.path());
    let held = try_open(dir.path()).err();
    let expected = StoreError::Held { path: dir.path().to_owned(), holder: "a test".to_owned() };
    assert_eq!(held, Some(expected));
    drop(first);
    open(dir.path());
}

#[test]
fn what_is_found_is_told() {
    let dir = used();
    let keys = start(Arc::new(open(dir.path()).0));
    keys.shred(person(1)).unwrap();
    drop(keys);
    fs::write(dir.path().join("people/07/x.key.new"), "half a").unwrap();
    fs::write(dir.path().join("installation.new"), "").unwrap();
    let found = Found { people: 1, shredded: 1, shredded_again: 0, hosts: 1, unfinished: 2 };
    assert_eq!(open(dir.path()).1, found);
    let found = Found { unfinished: 0, ..found };
    assert_eq!(open(dir.path()).1, found);
}

/// A backup is a copy of the files. One that is older than a deletion brings a key back, but not
/// the person: their tombstone is still there.
#[test]
fn a_restored_key_of_whom_was_deleted_is_destroyed_again() {
    let dir = used();
    let key = key_file(dir.path(), 1);
    let backup = fs::read(&key).unwrap();
    let keys = start(Arc::new(open(dir.path()).0));
    let sealed = seal(&keys, 1, "anna");
    keys.shred(person(1)).unwrap();
    assert!(!key.exists());

    // While Carrel runs.
    fs::write(&key, &backup).unwrap();
    set_mode(&key, 0o600);
    assert_eq!(opened(&keys, &sealed), None);
    drop(keys);

    // And when it starts.
    let (store, found) = open(dir.path());
    assert_eq!((found.shredded_again, found.people), (1, 1));
    assert!(!key.exists());
    assert_eq!(opened(&start(Arc::new(store)), &sealed), None);
}

/// If all files are replaced by those of the backup, tombstones too, the log knows who was deleted.
#[test]
fn after_a_whole_restore_the_log_destroys_keys_again() {
    let (dir, backup) = (used(), TempDir::new().unwrap());
    let copied = copy(dir.path(), backup.path());
    let keys = start(Arc::new(open(dir.path()).0));
    let sealed = seal(&keys, 1, "anna");
    keys.shred(person(1)).unwrap();
    drop(keys);

    let (store, found) = open(&copied);
    assert_eq!(found.people, 2);
    let keys = start(Arc::new(store));
    assert_eq!(opened(&keys, &sealed).as_deref(), Some("anna"));
    assert_eq!(keys.shred_all([person(1), person(3)]), Ok(1));
    assert_eq!(opened(&keys, &sealed), None);
    assert!(!key_file(&copied, 1).exists());
}

fn copy(from: &Path, to: &Path) -> PathBuf {
    let to = to.join("copy");
    let copied = std::process::Command::new("cp").arg("-a").args([from, &to]).status().unwrap();
    assert!(copied.success());
    to
}

#[test]
fn whose_key_was_lost_gets_another_one() {
    let dir = used();
    let keys = start(Arc::new(open(dir.path()).0));
    let before = seal(&keys, 1, "anna");
    drop(keys);
    fs::remove_file(key_file(dir.path(), 1)).unwrap();
    let keys = start(Arc::new(open(dir.path()).0));
    let lost = Err(KeysError::NoKey { person: person(1) });
    assert_eq!(keys.open(Purpose::Name, &before), lost);
    let after = seal(&keys, 1, "anna");
    assert_eq!(opened(&keys, &after).as_deref(), Some("anna"));
    let error = keys.open(Purpose::Name, &before);
    assert!(matches!(error, Err(KeysError::Damaged { .. })), "{error:?}");
}

#[test]
fn a_directory_without_the_key_of_the_installation_is_refused() {
    let dir = used();
    fs::remove_file(dir.path().join("installation")).unwrap();
    let store = Arc::new(open(dir.path()).0);
    let entropy = Arc::new(carrel_keys::OsEntropy);
    let refused = carrel_keys::Keys::start(store, entropy, 1).err();
    assert_eq!(refused, Some(OpenError::Incomplete));
}
