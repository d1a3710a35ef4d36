//! Work is signed (Ed25519, RFC 8032), so that a worker does nothing that only the broker says.
//!
//! There are two keys. Workers know the public halves of both, so work that is signed with the next
//! one after a rotation is accepted before they have heard of it.

use std::fmt;
use std::sync::PoisonError;

use data_encoding::HEXLOWER;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, SECRET_KEY_LENGTH, SIGNATURE_LENGTH};
use ed25519_dalek::{Signature as Ed25519, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::entropy::{Entropy, EntropyError};
use crate::error::KeysError;
use crate::keys::Keys;
use crate::store::SecretName;

/// What is signed is work, and can't be taken for anything else that a key may sign one day.
const LABEL: &[u8] = b"carrel work v1";

/// Which key it was: the first bytes of the SHA-256 of its public half.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    fn of(key: &VerifyingKey) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Sha256::digest(key.as_bytes())[..8]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    pub key: KeyId,
    pub bytes: [u8; SIGNATURE_LENGTH],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    #[error("key {0} is neither the current nor the next one")]
    UnknownKey(KeyId),
    #[error("the signature by key {0} is not of these bytes")]
    Forged(KeyId),
}

/// The public halves, for workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyingKeys {
    current: VerifyingKey,
    next: VerifyingKey,
}

impl VerifyingKeys {
    pub const BYTES: usize = 2 * PUBLIC_KEY_LENGTH;

    /// The current one first.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..PUBLIC_KEY_LENGTH].copy_from_slice(self.current.as_bytes());
        bytes[PUBLIC_KEY_LENGTH..].copy_from_slice(self.next.as_bytes());
        bytes
    }

    /// Nothing if these bytes are not two keys that can be trusted.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (current, next) = bytes.split_first_chunk()?;
        let key = |bytes: &[u8; PUBLIC_KEY_LENGTH]| {
            VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
        };
        Some(Self { current: key(current)?, next: key(next.try_into().ok()?)? })
    }

    pub fn verify(&self, work: &[u8], signature: &Signature) -> Result<(), NotSigned> {
        let id = signature.key;
        let known = [self.current, self.next].into_iter().find(|key| KeyId::of(key) == id);
        let key = known.ok_or(NotSigned::UnknownKey(id))?;
        let bytes = Ed25519::from_bytes(&signature.bytes);
        key.verify_strict(&labelled(work), &bytes).map_err(|_| NotSigned::Forged(id))
    }
}

fn labelled(work: &[u8]) -> Vec<u8> {
    [LABEL, work].concat()
}

/// They wipe themselves.
pub(crate) struct WorkKeys {
    current: SigningKey,
    next: SigningKey,
}

impl fmt::Debug for WorkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkKeys(..)")
    }
}

fn random_key(entropy: &dyn Entropy) -> Result<SigningKey, EntropyError> {
    let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    entropy.fill(seed.as_mut_slice())?;
    Ok(SigningKey::from_bytes(&seed))
}

impl WorkKeys {
    pub(crate) fn random(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Ok(Self { current: random_key(entropy)?, next: random_key(entropy)? })
    }

    pub(crate) fn read(seeds: &[u8]) -> Option<Self> {
        let (current, next) = seeds.split_first_chunk()?;
        let next = next.try_into().ok()?;
        Some(Self { current: SigningKey::from_bytes(current), next: SigningKey::from_bytes(next) })
    }

    /// As they are kept: the seeds, the current one first.
    pub(crate) fn written(&self) -> Zeroizing<Vec<u8>> {
        let mut seeds = Zeroizing::new(Vec::with_capacity(2 * SECRET_KEY_LENGTH));
        seeds.extend_from_slice(self.current.as_bytes());
        seeds.extend_from_slice(self.next.as_bytes());
        seeds
    }

    fn public(&self) -> VerifyingKeys {
        let (current, next) = (self.current.verifying_key(), self.next.verifying_key());
        VerifyingKeys { current, next }
    }
}

impl Keys {
    pub fn sign(&self, work: &[u8]) -> Signature {
        let keys = self.work().read().unwrap_or_else(PoisonError::into_inner);
        let bytes = keys.current.sign(&labelled(work)).to_bytes();
        Signature { key: KeyId::of(&keys.current.verifying_key()), bytes }
    }

    pub fn verifying_keys(&self) -> VerifyingKeys {
        self.work().read().unwrap_or_else(PoisonError::into_inner).public()
    }

    /// From now on work is signed with what was the next key, and there is a new next one. What was
    /// signed with the current one is no longer accepted once workers know the new pair.
    pub fn rotate_signing(&self) -> Result<VerifyingKeys, KeysError> {
        let mut keys = self.work().write().unwrap_or_else(PoisonError::into_inner);
        let rotated = WorkKeys { current: keys.next.clone(), next: random_key(self.entropy())? };
        self.store().keep_secret(SecretName::WorkSigning, &rotated.written())?;
        *keys = rotated;
        Ok(keys.public())
    }
}
