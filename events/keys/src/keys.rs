//! What everybody else has of the keys.

use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use tokio::runtime::Handle;
use tokio::task::JoinError;

use crate::authority::Authority;
use crate::cache::Cache;
use crate::entropy::Entropy;
use crate::error::OpenError;
use crate::hash::HashKeys;
use crate::limits::{CACHED_KEYS_MAX, HASHERS_MAX};
use crate::password::{Hashers, dummy};
use crate::secret::Key;
use crate::signing::WorkKeys;
use crate::store::{KeyStore, SecretName};

/// All keys of an installation; clones share them.
///
/// Where a call is not async it may wait for a disk, so it is not made on an async thread.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    store: Arc<dyn KeyStore>,
    entropy: Arc<dyn Entropy>,
    people: Cache,
    hashes: HashKeys,
    work: RwLock<WorkKeys>,
    authority: Mutex<Option<Authority>>,
    hashers: Hashers,
    /// The hash of no password, for whoever has none.
    dummy: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?})", self.0.store)
    }
}

impl Keys {
    /// Takes up what a store keeps, and makes the keys of the installation where it is new. So many
    /// passwords are hashed at once: from 1 to [`HASHERS_MAX`].
    ///
    /// With 0 there is no thread at all: whatever may wait is done where it is asked for. That is
    /// for keys in memory, where somebody wants the same to happen in the same order each time.
    pub fn start(
        store: Arc<dyn KeyStore>,
        entropy: Arc<dyn Entropy>,
        hashers: usize,
    ) -> Result<Self, OpenError> {
        let (installation, work) = match store.secret(SecretName::Installation)? {
            Some(secret) => {
                let damaged = OpenError::Damaged("key of the installation");
                let installation = Key::from_slice(&secret).ok_or(damaged)?;
                let work = store.secret(SecretName::WorkSigning)?.ok_or(OpenError::Incomplete)?;
                let damaged = OpenError::Damaged("pair of keys that work is signed with");
                (installation, WorkKeys::read(&work).ok_or(damaged)?)
            }
            None if store.was_empty() => make(&*store, &*entropy)?,
            None => return Err(OpenError::Incomplete),
        };
        let dummy = dummy(&*entropy)?;
        Ok(Self(Arc::new(Inner {
            store,
            entropy,
            people: Cache::new(CACHED_KEYS_MAX),
            hashes: HashKeys::derive(&installation),
            work: RwLock::new(work),
            authority: Mutex::default(),
            hashers: Hashers::start(hashers.min(HASHERS_MAX))?,
            dummy,
        })))
    }

    /// Does what may wait for a disk or a hash: on a thread that may wait, if there is one.
    pub async fn beside<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if self.0.hashers.are_here() {
            return Ok(job());
        }
        tokio::task::spawn_blocking(job).await
    }

    /// The same for what nobody waits for, also outside of any runtime.
    pub fn leave(&self, job: impl FnOnce() + Send + 'static) {
        match Handle::try_current() {
            Ok(runtime) if !self.0.hashers.are_here() => drop(runtime.spawn_blocking(job)),
            Ok(_) | Err(_) => job(),
        }
    }

    pub(crate) fn store(&self) -> &dyn KeyStore {
        &*self.0.store
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    pub(crate) fn people(&self) -> &Cache {
        &self.0.people
    }

    pub(crate) fn hash_keys(&self) -> &HashKeys {
        &self.0.hashes
    }

    pub(crate) fn work(&self) -> &RwLock<WorkKeys> {
        &self.0.work
    }

    pub(crate) fn known_authority(&self) -> &Mutex<Option<Authority>> {
        &self.0.authority
    }

    pub(crate) fn hashers(&self) -> &Hashers {
        &self.0.hashers
    }

    pub(crate) fn dummy(&self) -> &str {
        &self.0.dummy
    }
}

/// The key of the installation comes last: once it is there, all are.
fn make(store: &dyn KeyStore, entropy: &dyn Entropy) -> Result<(Key, WorkKeys), OpenError> {
    let work = WorkKeys::random(entropy)?;
    store.keep_secret(SecretName::WorkSigning, &work.written())?;
    let installation = Key::random(entropy)?;
    store.keep_secret(SecretName::Installation, installation.expose())?;
    Ok((installation, work))
}
