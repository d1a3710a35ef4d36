//! Every long-lived secret of a Carrel installation: kept here, used here, and nowhere else.
//!
//! [`Keys`] is what everybody else has: it seals and opens what is personal, hashes names, tokens
//! and passwords, derives display passwords, signs work and what hosts show to viewers. Secrets
//! don't leave it, but for those that somebody else must have: a new token, a host's key at its
//! enrolment, its certificate's.
//!
//! [`KeyStore`] is the port behind it: where keys lie. The adapters, [`directory`] and [`memory`],
//! pass one conformance suite.
//!
//! This crate must never know HTTP, a message broker or a hypervisor, and never asks for the time.
//!
//! Start reading at [`keys`], then [`store`].

mod authority;
mod cache;
pub mod directory;
pub mod entropy;
pub mod error;
pub mod hash;
pub mod host;
pub mod keys;
pub mod limits;
pub mod memory;
pub mod password;
pub mod person;
pub mod sealing;
mod secret;
pub mod signing;
pub mod store;
pub mod token;

pub use authority::Certified;
pub use entropy::{DrawnAhead, Entropy, OsEntropy};
pub use error::{KeysError, OpenError, SealError, StoreError};
pub use host::HostKey;
pub use keys::Keys;
pub use password::Verdict;
pub use person::{Purpose, shredded_by};
pub use sealing::SealedCommand;
pub use secret::Key;
pub use signing::{KeyId, Signature, VerifyingKeys};
pub use store::{Kept, KeyStore, SecretName, Shredding};
pub use token::Token;
