//! Keys on a disk that fails and loses power, at every operation in turn.
//!
//! Every case ends with the same questions: can everything be opened that was sealed before, and
//! does what was destroyed stay so?

use std::io;
use std::path::Path;
use std::sync::Arc;

use carrel_keys::directory::{DirectoryStore, Disk, LockError, Look, What};
use carrel_keys::{Keys, KeysError, OsEntropy, Purpose, StoreError};
use carrel_model::ids::HypervisorId;
use carrel_model::sealed::SealedBox;
use carrel_testkit::random::Random;
use carrel_testkit::sim_disk::{self, Access, Disk as _, SimDisk};
use zeroize::Zeroizing;

use crate::scene::person;

const DIR: &str = "/keys";
const HOST: HypervisorId = HypervisorId::from_bytes([1; 16]);

/// The simulated disk, as keys in a directory want it. Permissions are those that they should be.
#[derive(Debug)]
struct Simulated(SimDisk);

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

impl Disk for Simulated {
    fn user(&self) -> u32 {
        7
    }

    /// It knows files only: a directory is there when something is in it.
    fn look(&self, path: &Path) -> io::Result<Option<Look>> {
        if found(self.0.open(path, Access::Read))?.is_some() {
            return Ok(Some(Look { what: What::File, mode: 0o600, owner: 7 }));
        }
        let is_above = self.0.paths().iter().any(|file| file.starts_with(path));
        Ok(is_above.then_some(Look { what: What::Directory, mode: 0o700, owner: 7 }))
    }

    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(file) = found(self.0.open(path, Access::Read))? else { return Ok(None) };
        let mut bytes = Zeroizing::new(vec![0; bytes_max]);
        let filled = file.read_at(&mut bytes, 0)?;
        bytes.truncate(filled);
        Ok(Some(bytes))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.0.open(path, Access::Create)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()
    }

    fn wipe(&self, path: &Path) -> io::Result<()> {
        let file = self.0.open(path, Access::ReadWrite)?;
        let length = usize::try_from(file.len()?).unwrap();
        file.write_all_at(&vec![0; length], 0)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.0.list(path)?.into_iter().map(|entry| entry.name).collect())
    }

    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        self.0.lock(path, owner).map_err(|error| match error {
            sim_disk::LockError::Held(holder) => LockError::Held(holder),
            sim_disk::LockError::Io(error) => LockError::Io(error),
        })
    }
}

fn simulated(disk: SimDisk) -> Arc<dyn Disk> {
    Arc::new(Simulated(disk))
}

fn start(disk: Arc<dyn Disk>) -> Result<Keys, String> {
    let opened = DirectoryStore::open(disk, Path::new(DIR), "a test");
    let (store, _) = opened.map_err(|error| error.to_string())?;
    Keys::start(Arc::new(store), Arc::new(OsEntropy), 1).map_err(|error| error.to_string())
}

/// What was acknowledged, and so has to be true from then on.
#[derive(Clone, Default)]
struct Ledger {
    sealed: Vec<SealedBox>,
    /// Whose deletion was at least begun.
    deleted: Vec<u64>,
    shredded: Vec<u64>,
    host: Option<carrel_keys::HostKey>,
    verifying: Vec<carrel_keys::VerifyingKeys>,
}

/// Goes on after what fails, as a server does.
fn work(keys: &Keys, ledger: &mut Ledger) {
    ledger.verifying = vec![keys.verifying_keys()];
    for nth in 1..=4 {
        ledger.sealed.extend(keys.seal(person(nth), Purpose::Name, "somebody"));
    }
    for nth in [2, 3] {
        ledger.deleted.push(nth);
        if keys.shred(person(nth)).is_ok() {
            ledger.shredded.push(nth);
        }
        // Whatever came of it, nobody reads on.
        let tried = keys.open(Purpose::Name, &SealedBox { key: person(nth), data: "".into() });
        assert!(!matches!(tried, Ok(Some(_))), "{tried:?}");
    }
    ledger.sealed.extend(keys.seal(person(1), Purpose::Name, "somebody"));
    ledger.host = keys.enrol_host(HOST).ok();
    match keys.rotate_signing() {
        Ok(rotated) => ledger.verifying = vec![rotated],
        // It may have been written or not.
        Err(_) => ledger.verifying.clear(),
    }
}

fn holds(keys: &Keys, ledger: &Ledger, case: &str) {
    for sealed in &ledger.sealed {
        let deleted = ledger.deleted.iter().any(|nth| person(*nth) == sealed.key);
        let shredded = ledger.shredded.iter().any(|nth| person(*nth) == sealed.key);
        let opened = keys.open(Purpose::Name, sealed);
        match opened {
            Ok(Some(text)) => assert!(!shredded && text.as_str() == "somebody", "{case}"),
            Ok(None) => assert!(deleted, "{case}: {sealed:?} is gone"),
            Err(error) => panic!("{case}: {error}"),
        }
    }
    for nth in &ledger.shredded {
        let sealed = keys.seal(person(*nth), Purpose::Name, "x");
        assert_eq!(sealed, Err(KeysError::Shredded { person: person(*nth) }), "{case}");
    }
    if let Some(host) = &ledger.host {
        assert_eq!(keys.host_key(HOST).as_ref(), Ok(host), "{case}");
    }
    for verifying in &ledger.verifying {
        assert_eq!(keys.verifying_keys(), *verifying, "{case}");
    }
    // What was not finished can be.
    keys.shred_all(ledger.deleted.iter().map(|nth| person(*nth))).unwrap();
    keys.seal(person(9), Purpose::Name, "a newcomer").unwrap();
}

/// Every key file of somebody who was deleted is gone, and so are its bytes.
fn nothing_is_left(disk: &SimDisk, ledger: &Ledger, case: &str) {
    for nth in &ledger.deleted {
        let key = format!("{}.key", person(*nth));
        let left = disk.paths().into_iter().find(|path| path.ends_with(&key));
        assert_eq!(left, None, "{case}");
    }
}

/// Fails the n-th operation, for each n, and looks at what the next process finds; once with the
/// page cache still there, and once after power was lost.
fn at_every_operation(as_seen: impl Fn(SimDisk) -> Arc<dyn Disk>) {
    for nth in 1.. {
        let disk = SimDisk::default();
        disk.fail_at(nth);
        let mut ledger = Ledger::default();
        if let Ok(keys) = start(as_seen(disk.clone())) {
            work(&keys, &mut ledger);
        }
        if !disk.has_failed() {
            assert!(nth > 50, "only {nth} operations were tried");
            return;
        }
        let lost = disk.power_loss(&mut Random::new(nth));
        for (what, disk) in [("restart", disk.restart()), ("power loss", lost)] {
            let case = format!("operation {nth}, {what}");
            let keys = restart(&disk, &case);
            let (lost, ledger) = power_goes_again(&disk, &keys, &ledger, nth);
            for (disk, keys) in [(&disk, keys), (&lost, restart(&lost, &case))] {
                holds(&keys, &ledger, &case);
                nothing_is_left(disk, &ledger, &case);
            }
        }
    }
}

fn restart(disk: &SimDisk, case: &str) -> Keys {
    start(simulated(disk.clone())).unwrap_or_else(|error| panic!("{case}: {error}"))
}

/// What the next process found may only have been in the page cache. Once it has sealed by it, it
/// must be on the platter too.
fn power_goes_again(disk: &SimDisk, keys: &Keys, ledger: &Ledger, seed: u64) -> (SimDisk, Ledger) {
    let mut ledger = ledger.clone();
    for nth in 1..=4 {
        ledger.sealed.extend(keys.seal(person(nth), Purpose::Name, "somebody"));
    }
    (disk.power_loss(&mut Random::new(seed + 1_000)), ledger)
}

#[test]
fn every_operation_may_fail() {
    at_every_operation(simulated);
}

/// After the n-th operation nothing works any more: the process is gone.
#[test]
fn a_crash_may_come_at_every_operation() {
    at_every_operation(|disk| Arc::new(Dying(Simulated(disk))));
}

/// Dies with the first operation that fails.
#[derive(Debug)]
struct Dying(Simulated);

impl Dying {
    fn then<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if self.0.0.has_failed() {
            self.0.0.die();
        }
        result
    }
}

impl Disk for Dying {
    fn user(&self) -> u32 {
        self.0.user()
    }

    fn look(&self, path: &Path) -> io::Result<Option<Look>> {
        self.0.look(path)
    }

    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        self.0.read(path, bytes_max)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.then(self.0.write_new(path, bytes))
    }

    fn wipe(&self, path: &Path) -> io::Result<()> {
        self.then(self.0.wipe(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.then(self.0.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.then(self.0.remove(path))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.0.make_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.then(self.0.sync_dir(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }

    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        self.0.lock(path, owner)
    }
}

/// What a failed sync of a directory has left there, nobody knows.
#[test]
fn nothing_is_believed_after_a_sync_of_names_failed() {
    let disk = SimDisk::default();
    let keys = start(simulated(disk.clone())).unwrap();
    keys.seal(person(1), Purpose::Name, "somebody").unwrap();
    // Create, write, sync, rename, sync of the directory.
    disk.fail_at(5);
    let failed = keys.seal(person(2), Purpose::Name, "x");
    assert!(matches!(failed, Err(KeysError::Store(StoreError::Io { .. }))), "{failed:?}");
    assert!(disk.has_failed());
    let refused = keys.seal(person(2), Purpose::Name, "x");
    assert!(matches!(refused, Err(KeysError::Store(StoreError::Poisoned(_)))), "{refused:?}");
}
