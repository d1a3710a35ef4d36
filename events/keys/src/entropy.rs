//! Where random bytes come from. The model has none; keys are made of nothing else.

use std::fmt::Debug;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes: {0}")]
pub struct EntropyError(pub String);

/// A source of bytes that nobody can foresee.
pub trait Entropy: Send + Sync + Debug {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system's: getrandom(2).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        #[expect(clippy::disallowed_methods, reason = "this is where the randomness comes in")]
        let filled = getrandom::fill(bytes);
        filled.map_err(|error| EntropyError(error.to_string()))
    }
}
