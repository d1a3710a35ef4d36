//! The port: where keys lie. An adapter keeps bytes; all else is done by [`Keys`](crate::Keys).
//!
//! - What was kept or shredded is durable when the call returns.
//! - A key that was shredded stays so, whatever key somebody puts back in its place.
//! - Nothing replaces the key of a person.
//! - For one person, calls come one after another.
//! - Calls may take as long as a disk or a network does, so none comes from an async thread.

use std::fmt::Debug;

use carrel_model::ids::HypervisorId;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::secret::Key;

/// What is kept of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Key(Key),
    /// Their key was destroyed.
    Shredded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shredding {
    /// There was a key, and it is gone.
    Destroyed,
    /// There was none. None will be made.
    Nothing,
}

/// Secrets that are nobody's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretName {
    /// What keyed hashes are made with.
    Installation,
    /// What work is signed with.
    WorkSigning,
    /// What the certificates of hosts are signed with.
    Authority,
    /// What a host and Carrel have in common.
    Host(HypervisorId),
}

pub trait KeyStore: Send + Sync + Debug {
    /// Whether nothing of people or hosts was kept here when it was opened.
    fn was_empty(&self) -> bool;

    fn person(&self, person: Uuid) -> Result<Option<Kept>, StoreError>;

    /// Keeps the key of a person of whom nothing is kept.
    fn keep(&self, person: Uuid, key: &Key) -> Result<(), StoreError>;

    /// Destroys a person's key for good, also one that comes back from a backup.
    fn shred(&self, person: Uuid) -> Result<Shredding, StoreError>;

    /// Removes the key of somebody who never came to be, and remembers nothing.
    fn forget(&self, person: Uuid) -> Result<(), StoreError>;

    fn secret(&self, name: SecretName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    /// Keeps a secret in the place of the one before: after a crash one of both is there.
    fn keep_secret(&self, name: SecretName, secret: &[u8]) -> Result<(), StoreError>;

    fn remove_secret(&self, name: SecretName) -> Result<(), StoreError>;
}
