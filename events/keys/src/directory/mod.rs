//! Keys in a directory that only the user may read whom Carrel runs as.
//!
//! ```text
//!   lock                       one process at a time
//!   installation               what keyed hashes are made with
//!   work-signing               what work is signed with
//!   authority                  what certificates of hosts are signed with
//!   hosts/<id>.key
//!   people/<last two digits of the id>/<id>.key
//!   people/<last two digits of the id>/<id>.shredded
//! ```
//!
//! Every file is written under a name of its own (`.new`), synced, renamed and the directory
//! synced, so a copy of the directory has whole files only, whenever it is made. Ids of version 7
//! begin with the time, so it is their random end that spreads them over 256 directories.
//!
//! A `.shredded` file wins over a `.key` file: it is written before the key is wiped and removed,
//! and it is not overwritten when keys are restored. Wiping writes zeros over the file. A disk that
//! never writes in place (most SSDs, copy-on-write file systems, snapshots) may still hold the
//! bytes for a while; who fears for the disk itself encrypts it.

mod disk;
mod file;
mod open;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use disk::{Disk, LockError, Look, OsDisk, What};
use file::{Kind, decode, encode};
pub use open::Found;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::limits::FILE_BYTES_MAX;
use crate::secret::Key;
use crate::store::{Kept, KeyStore, SecretName, Shredding};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const KEY: &str = "key";
const SHREDDED: &str = "shredded";
const NEW: &str = "new";

pub struct DirectoryStore {
    disk: Arc<dyn Disk>,
    layout: Layout,
    was_empty: bool,
    /// Held while a directory is made, so that nobody uses it before it lasts.
    making: Mutex<()>,
    /// Why nothing is believed any more.
    poison: OnceLock<String>,
    _lock: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for DirectoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DirectoryStore({})", self.layout.dir.display())
    }
}

#[derive(Clone, Debug)]
struct Layout {
    dir: PathBuf,
}

impl Layout {
    fn people(&self) -> PathBuf {
        self.dir.join("people")
    }

    fn hosts(&self) -> PathBuf {
        self.dir.join("hosts")
    }

    fn shards(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..=u8::MAX).map(|last| self.shard(last))
    }

    fn shard(&self, last: u8) -> PathBuf {
        self.people().join(format!("{last:02x}"))
    }

    fn person(&self, person: Uuid, extension: &str) -> PathBuf {
        let last = person.as_bytes().last().copied().unwrap_or_default();
        self.shard(last).join(format!("{person}.{extension}"))
    }

    fn secret(&self, name: SecretName) -> PathBuf {
        match name {
            SecretName::Installation => self.dir.join("installation"),
            SecretName::WorkSigning => self.dir.join("work-signing"),
            SecretName::Authority => self.dir.join("authority"),
            SecretName::Host(host) => self.hosts().join(format!("{host}.{KEY}")),
        }
    }
}

/// What a secret's file says of itself.
fn kind_of(name: SecretName) -> (Kind, Uuid) {
    match name {
        SecretName::Installation => (Kind::Installation, Uuid::nil()),
        SecretName::WorkSigning => (Kind::WorkSigning, Uuid::nil()),
        SecretName::Authority => (Kind::Authority, Uuid::nil()),
        SecretName::Host(host) => (Kind::Host, host.uuid()),
    }
}

fn new_name(path: &Path) -> PathBuf {
    path.with_added_extension(NEW)
}

impl DirectoryStore {
    fn usable(&self) -> Result<(), StoreError> {
        self.poison.get().map_or(Ok(()), |cause| Err(StoreError::Poisoned(cause.clone())))
    }

    /// Nobody knows what the disk has of the names now, so nothing of them is believed.
    fn poisoned(&self, error: StoreError) -> StoreError {
        let cause = error.to_string();
        let _ = self.poison.set(cause);
        error
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        let look = self.disk.look(path).map_err(StoreError::io("could not look at", path))?;
        Ok(look.is_some())
    }

    /// What is kept in a file that belongs to this process's user alone.
    fn read(
        &self,
        path: &Path,
        (kind, owner): (Kind, Uuid),
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.usable()?;
        if !open::is_private(&*self.disk, path, What::File)? {
            return Ok(None);
        }
        let bytes = self.disk.read(path, FILE_BYTES_MAX);
        let bytes = bytes.map_err(StoreError::io("could not read", path))?;
        bytes.map(|bytes| decode(path, &bytes, kind, owner)).transpose()
    }

    /// Puts a file in its place, whole or not at all.
    fn write(
        &self,
        path: &Path,
        (kind, owner): (Kind, Uuid),
        secret: &[u8],
    ) -> Result<(), StoreError> {
        self.usable()?;
        let too_long = StoreError::Damaged { path: path.to_owned(), what: "it would be too long" };
        let bytes = encode(kind, owner, secret).ok_or(too_long)?;
        let new = new_name(path);
        if self.exists(&new)? {
            self.disk.remove(&new).map_err(StoreError::io("could not remove", &new))?;
        }
        let written = self.disk.write_new(&new, &bytes);
        if let Err(error) = written {
            // Whether that works or not: the next attempt and the next process remove it.
            let _ = self.disk.remove(&new);
            return Err(StoreError::io("could not write", &new)(error));
        }
        let renamed = self.disk.rename(&new, path).map_err(StoreError::io("could not make", path));
        renamed.map_err(|error| self.poisoned(error))?;
        self.sync_above(path)
    }

    fn sync_above(&self, path: &Path) -> Result<(), StoreError> {
        let above = path.parent().unwrap_or(&self.layout.dir);
        let synced = self.disk.sync_dir(above).map_err(StoreError::io("could not sync", above));
        synced.map_err(|error| self.poisoned(error))
    }

    /// Makes the directory that a person's files are in.
    fn make_shard(&self, path: &Path) -> Result<(), StoreError> {
        let shard = path.parent().unwrap_or(&self.layout.dir);
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.exists(shard)? {
            return Ok(());
        }
        self.disk.make_dir(shard).map_err(StoreError::io("could not make", shard))?;
        self.sync_above(shard)
    }

    fn remove(&self, path: &Path) -> Result<Shredding, StoreError> {
        self.usable()?;
        if !self.exists(path)? {
            return Ok(Shredding::Nothing);
        }
        open::destroy(&*self.disk, path)?;
        self.sync_above(path)?;
        Ok(Shredding::Destroyed)
    }
}

impl KeyStore for DirectoryStore {
    fn was_empty(&self) -> bool {
        self.was_empty
    }

    fn person(&self, person: Uuid) -> Result<Option<Kept>, StoreError> {
        self.usable()?;
        if self.exists(&self.layout.person(person, SHREDDED))? {
            return Ok(Some(Kept::Shredded));
        }
        let path = self.layout.person(person, KEY);
        let Some(secret) = self.read(&path, (Kind::Person, person))? else { return Ok(None) };
        let what = "it does not keep a key";
        let key = Key::from_slice(&secret).ok_or(StoreError::Damaged { path, what })?;
        Ok(Some(Kept::Key(key)))
    }

    fn keep(&self, person: Uuid, key: &Key) -> Result<(), StoreError> {
        self.usable()?;
        let path = self.layout.person(person, KEY);
        self.make_shard(&path)?;
        self.write(&path, (Kind::Person, person), key.expose())
    }

    fn shred(&self, person: Uuid) -> Result<Shredding, StoreError> {
        self.usable()?;
        let tombstone = self.layout.person(person, SHREDDED);
        if !self.exists(&tombstone)? {
            self.make_shard(&tombstone)?;
            self.write(&tombstone, (Kind::Shredded, person), &[])?;
        }
        self.remove(&self.layout.person(person, KEY))
    }

    fn forget(&self, person: Uuid) -> Result<(), StoreError> {
        self.remove(&self.layout.person(person, KEY)).map(drop)
    }

    fn secret(&self, name: SecretName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.read(&self.layout.secret(name), kind_of(name))
    }

    fn keep_secret(&self, name: SecretName, secret: &[u8]) -> Result<(), StoreError> {
        self.write(&self.layout.secret(name), kind_of(name), secret)
    }

    fn remove_secret(&self, name: SecretName) -> Result<(), StoreError> {
        self.remove(&self.layout.secret(name)).map(drop)
    }
}
