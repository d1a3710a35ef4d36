//! What can go wrong, told apart by what the caller may conclude.
//!
//! No error holds a secret, a name or a text: errors go into traces.

use std::io;
use std::path::{Path, PathBuf};

use carrel_model::ids::HypervisorId;
use carrel_model::rejection::{Kind, Rejection, general};
use uuid::Uuid;

use crate::entropy::EntropyError;

/// What a store could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("{action} {path}: {cause}")]
    Io { action: &'static str, path: PathBuf, cause: String },
    #[error(
        "{path} has the mode {mode:04o}: others than its owner may use it; chmod it to {wanted:04o}"
    )]
    Exposed { path: PathBuf, mode: u32, wanted: u32 },
    #[error("{path} belongs to the user {owner}, and this process runs as {user}")]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error("{path} is not {wanted}")]
    Misplaced { path: PathBuf, wanted: &'static str },
    #[error("{path} is not what was written there: {what}")]
    Damaged { path: PathBuf, what: &'static str },
    #[error("{path} was written by a later version, in format {format}; this one knows {known}")]
    Newer { path: PathBuf, format: u16, known: u16 },
    #[error("the keys in {path} are in use by {holder}")]
    Held { path: PathBuf, holder: String },
    /// It is not known what would be there after a loss of power.
    #[error("an earlier write failed ({0}); the process has to end and open the keys anew")]
    Poisoned(String),
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { action, path: path.to_owned(), cause: error.to_string() }
    }
}

/// Why keys can't be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Made anew, no name would be found any more and no token would be known.
    #[error(
        "there are keys of people or hosts, but not those of the installation; restore them all from one backup"
    )]
    Incomplete,
    #[error("the {0} is not what was kept")]
    Damaged(&'static str),
    #[error("no thread for hashing passwords: {0}")]
    NoThread(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Nothing is sealed for somebody who was deleted.
    #[error("the key of {person} was destroyed")]
    Shredded { person: Uuid },
    #[error("{person} has a key already, or had one")]
    Taken { person: Uuid },
    /// Another installation sealed the box, or the key is not in the backup that was restored.
    #[error("there is no key of {person}")]
    NoKey { person: Uuid },
    /// It was changed, stands in another's place, or was sealed under a key that was lost.
    #[error("a box of {person} can't be opened: {what}")]
    Damaged { person: Uuid, what: &'static str },
    #[error("there is no key of host {host}: it was never enrolled")]
    NoHost { host: HypervisorId },
    #[error("what is sealed has at most {max} bytes; got {given}")]
    TooLong { given: usize, max: usize },
    #[error("a password has 1 to {max} bytes; got {given}")]
    PasswordLength { given: usize, max: usize },
    #[error("{max} passwords are waiting to be hashed already; try again")]
    Busy { max: usize },
    #[error("a password could not be hashed: {0}")]
    Hashing(String),
    #[error("a command could not be written down: {0}")]
    Unwritable(String),
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Why a command could not be sealed. Nothing of it stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("there is no {kind} {given}")]
    NoSuch { kind: Kind, given: String },
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl SealError {
    /// What the decision would have said, where that is all that is wrong.
    pub fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::NoSuch { kind, given } => {
                Some(general::Rejection::NoSuch { kind: *kind, given: given.clone() }.into())
            }
            Self::Keys(_) => None,
        }
    }
}
