//! Where random bytes come from. The model has none; keys are made of nothing else.

use std::fmt::{self, Debug};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroize;

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

/// The operating system's, drawn some way ahead: ids take a few bytes each, and a system call for
/// each of them costs more than the rest of an id. No byte is given twice, or stays here once it is
/// given.
#[derive(Default)]
pub struct DrawnAhead(Mutex<Ahead>);

const AHEAD_BYTES: usize = 1_024;

struct Ahead {
    bytes: [u8; AHEAD_BYTES],
    /// Those before it were given.
    given: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { bytes: [0; AHEAD_BYTES], given: AHEAD_BYTES }
    }
}

impl Debug for DrawnAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawnAhead(..)")
    }
}

impl Entropy for DrawnAhead {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if bytes.len() > AHEAD_BYTES {
            return OsEntropy.fill(bytes);
        }
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if AHEAD_BYTES - ahead.given < bytes.len() {
            // What was left is not given any more.
            ahead.given = AHEAD_BYTES;
            OsEntropy.fill(&mut ahead.bytes)?;
            ahead.given = 0;
        }
        let (from, to) = (ahead.given, ahead.given + bytes.len());
        bytes.copy_from_slice(&ahead.bytes[from..to]);
        ahead.bytes[from..to].zeroize();
        ahead.given = to;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_drawn_ahead_is_given_once() {
        let ahead = DrawnAhead::default();
        let mut seen = BTreeSet::new();
        for _ in 0..1_000 {
            let mut drawn = [0; 10];
            ahead.fill(&mut drawn).unwrap();
            assert!(seen.insert(drawn), "80 bits twice");
        }
        let left = ahead.0.lock().unwrap();
        assert!(left.bytes[..left.given].iter().all(|byte| *byte == 0), "given ones are gone");
    }

    #[test]
    fn more_than_is_drawn_ahead_is_drawn_at_once() {
        let mut drawn = [0; 2 * AHEAD_BYTES];
        DrawnAhead::default().fill(&mut drawn).unwrap();
        assert!(drawn[AHEAD_BYTES..].iter().any(|byte| *byte != 0));
    }
}
