//! Keys in memory, for tests and simulations: the plainest reading of the port.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::secret::Key;
use crate::store::{Kept, KeyStore, SecretName, Shredding};

#[derive(Debug, Default)]
struct State {
    people: BTreeMap<Uuid, Kept>,
    secrets: BTreeMap<SecretName, Zeroizing<Vec<u8>>>,
}

/// Lasts as long as the value does.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore(..)")
    }
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for MemoryStore {
    fn was_empty(&self) -> bool {
        let state = self.state();
        let has_host = state.secrets.keys().any(|name| matches!(name, SecretName::Host(_)));
        state.people.is_empty() && !has_host
    }

    fn person(&self, person: Uuid) -> Result<Option<Kept>, StoreError> {
        Ok(self.state().people.get(&person).cloned())
    }

    fn keep(&self, person: Uuid, key: &Key) -> Result<(), StoreError> {
        self.state().people.entry(person).or_insert_with(|| Kept::Key(key.clone()));
        Ok(())
    }

    fn shred(&self, person: Uuid) -> Result<Shredding, StoreError> {
        Ok(match self.state().people.insert(person, Kept::Shredded) {
            Some(Kept::Key(_)) => Shredding::Destroyed,
            Some(Kept::Shredded) | None => Shredding::Nothing,
        })
    }

    fn forget(&self, person: Uuid) -> Result<(), StoreError> {
        let mut state = self.state();
        if matches!(state.people.get(&person), Some(Kept::Key(_))) {
            state.people.remove(&person);
        }
        Ok(())
    }

    fn secret(&self, name: SecretName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.state().secrets.get(&name).cloned())
    }

    fn keep_secret(&self, name: SecretName, secret: &[u8]) -> Result<(), StoreError> {
        self.state().secrets.insert(name, Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    fn remove_secret(&self, name: SecretName) -> Result<(), StoreError> {
        self.state().secrets.remove(&name);
        Ok(())
    }
}
