//! Keys that are wiped when they are dropped and can't be printed.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entropy::{Entropy, EntropyError};

/// 32 random bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; Self::BYTES]);

impl Key {
    pub const BYTES: usize = 32;

    pub fn random(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = Self([0; Self::BYTES]);
        entropy.fill(&mut key.0)?;
        Ok(key)
    }

    /// Nothing if these are not as many bytes as a key has.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// For the one who uses or keeps it.
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl From<[u8; Key::BYTES]> for Key {
    fn from(bytes: [u8; Key::BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
