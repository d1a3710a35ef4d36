//! Keys in memory that tell whose there are, and whose making can be held up.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};

use carrel_keys::memory::MemoryStore;
use carrel_keys::store::{Kept, KeyStore, SecretName, Shredding};
use carrel_keys::{Key, Keys, OsEntropy, StoreError};
use tokio::sync::watch;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Who has a key, and how many were ever made.
#[derive(Debug, Default)]
struct People {
    now: BTreeSet<Uuid>,
    made: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Cabinet {
    kept: MemoryStore,
    people: watch::Sender<People>,
    held: Mutex<bool>,
    released: Condvar,
}

impl Cabinet {
    pub(crate) fn keys(self: &Arc<Self>) -> Keys {
        let store = Arc::clone(self) as _;
        Keys::start(store, Arc::new(OsEntropy), 1).expect("keys in memory")
    }

    /// Who has a key.
    pub(crate) fn people(&self) -> BTreeSet<Uuid> {
        self.people.borrow().now.clone()
    }

    /// Returns when a key was made and none is left.
    pub(crate) async fn is_empty_again(&self) {
        let mut people = self.people.subscribe();
        let empty = people.wait_for(|people| people.made > 0 && people.now.is_empty());
        drop(empty.await.expect("it is there"));
    }

    /// No key is made until [`Cabinet::release`].
    pub(crate) fn hold(&self) {
        *self.held.lock().expect("no panic") = true;
    }

    pub(crate) fn release(&self) {
        *self.held.lock().expect("no panic") = false;
        self.released.notify_all();
    }

    /// What a backup that was made before some deletions brings back.
    pub(crate) fn restored(&self) -> Arc<Self> {
        let restored = Self::default();
        for name in [SecretName::Installation, SecretName::WorkSigning] {
            let secret = self.kept.secret(name).expect("memory").expect("a secret");
            restored.kept.keep_secret(name, &secret).expect("memory");
        }
        for person in self.people() {
            if let Some(Kept::Key(key)) = self.kept.person(person).expect("memory") {
                restored.keep(person, &key).expect("memory");
            }
        }
        Arc::new(restored)
    }
}

impl KeyStore for Cabinet {
    fn was_empty(&self) -> bool {
        self.kept.was_empty()
    }

    fn person(&self, person: Uuid) -> Result<Option<Kept>, StoreError> {
        self.kept.person(person)
    }

    fn keep(&self, person: Uuid, key: &Key) -> Result<(), StoreError> {
        let held = self.held.lock().expect("no panic");
        drop(self.released.wait_while(held, |held| *held).expect("no panic"));
        self.kept.keep(person, key)?;
        self.people.send_modify(|people| {
            people.now.insert(person);
            people.made += 1;
        });
        Ok(())
    }

    fn shred(&self, person: Uuid) -> Result<Shredding, StoreError> {
        let shredding = self.kept.shred(person)?;
        self.people.send_if_modified(|people| people.now.remove(&person));
        Ok(shredding)
    }

    fn forget(&self, person: Uuid) -> Result<(), StoreError> {
        self.kept.forget(person)?;
        self.people.send_if_modified(|people| people.now.remove(&person));
        Ok(())
    }

    fn secret(&self, name: SecretName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.kept.secret(name)
    }

    fn keep_secret(&self, name: SecretName, secret: &[u8]) -> Result<(), StoreError> {
        self.kept.keep_secret(name, secret)
    }

    fn remove_secret(&self, name: SecretName) -> Result<(), StoreError> {
        self.kept.remove_secret(name)
    }
}
