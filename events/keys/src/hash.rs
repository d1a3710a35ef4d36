//! Keyed hashes (HMAC-SHA-256, RFC 2104): equal things have equal hashes, and without the key
//! nothing can be learned from them, not even by guessing.
//!
//! Each purpose has a key of its own, derived from that of the installation, so that a hash of one
//! purpose is never one of another. These hashes are in the log for all time: neither the labels
//! nor what is hashed may change.

use std::io;

use carrel_model::client::Provider;
use carrel_model::hash::{Fingerprint, KeyedHash};
use carrel_model::people::PersonName;
use carrel_model::wire;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::error::KeysError;
use crate::keys::Keys;
use crate::secret::Key;
use crate::token::Token;

const BLOCK_BYTES: usize = 64;

/// RFC 2104: a key that is shorter than a block is filled up with zeros.
pub(crate) fn mac(key: &Key) -> Hmac<Sha256> {
    let mut block = [0; BLOCK_BYTES];
    block[..Key::BYTES].copy_from_slice(key.expose());
    let mac = Hmac::new(&block.into());
    block.zeroize();
    mac
}

pub(crate) fn finish(mac: Hmac<Sha256>) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}

fn derived(installation: &Key, label: &[u8]) -> Key {
    let mut mac = mac(installation);
    mac.update(label);
    let mut bytes = finish(mac);
    let key = Key::from(bytes);
    bytes.zeroize();
    key
}

/// What hashes are made with.
#[derive(Debug)]
pub(crate) struct HashKeys {
    names: Key,
    tokens: Key,
    commands: Key,
    identity: Key,
}

impl HashKeys {
    pub(crate) fn derive(installation: &Key) -> Self {
        Self {
            names: derived(installation, b"carrel names v1"),
            tokens: derived(installation, b"carrel tokens v1"),
            commands: derived(installation, b"carrel commands v1"),
            identity: derived(installation, b"carrel identity v1"),
        }
    }
}

impl Keys {
    /// What a person's name is found by. Neither a provider nor a name has a `/` in it.
    pub fn name_hash(&self, provider: &Provider, name: &PersonName) -> KeyedHash {
        let mut mac = mac(&self.hash_keys().names);
        mac.update(provider.as_str().as_bytes());
        mac.update(b"/");
        mac.update(name.as_str().as_bytes());
        KeyedHash(finish(mac))
    }

    /// What a token is found by.
    pub fn token_hash(&self, token: &Token) -> KeyedHash {
        let mut mac = mac(&self.hash_keys().tokens);
        mac.update(token.secret());
        KeyedHash(finish(mac))
    }

    /// What tells a repeat of a command from another command under the same id. It is made of the
    /// command as the model writes it, so neither white space nor the order of fields matters.
    pub fn fingerprint(&self, command: &wire::Command) -> Result<Fingerprint, KeysError> {
        let mut into = Into(mac(&self.hash_keys().commands));
        serde_json::to_writer(&mut into, command)
            .map_err(|error| KeysError::Unwritable(error.to_string()))?;
        Ok(Fingerprint(finish(into.0)))
    }

    /// Tells these keys from those of another installation, and nothing more.
    pub fn identity(&self) -> KeyedHash {
        KeyedHash(finish(mac(&self.hash_keys().identity)))
    }
}

/// A command may have a password in it, so it is hashed while it is written, and never held.
struct Into(Hmac<Sha256>);

impl io::Write for Into {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
