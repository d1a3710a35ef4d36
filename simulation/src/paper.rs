//! Where workers' ledgers lie: what was entered stays, and a write that its process didn't survive
//! may have left a part of itself.

use std::io;
use std::sync::{Arc, Mutex};

use carrel_workers::ledger::Store;

use crate::fate::{Fate, Moment, Whose};
use crate::outside::locked;

/// Clones are one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Paper {
    bytes: Arc<Mutex<Vec<u8>>>,
    fate: Arc<Fate>,
}

impl Paper {
    pub(crate) fn new(fate: Arc<Fate>) -> Self {
        Self { bytes: Arc::default(), fate }
    }
}

impl Store for Paper {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(locked(&self.bytes).clone())
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        locked(&self.bytes).truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.fate.strikes(Whose::Workers, Moment::Ledger) {
            let torn = usize::try_from(self.fate.below(bytes.len() as u64)).unwrap_or_default();
            locked(&self.bytes).extend_from_slice(&bytes[..torn]);
            return Err(io::Error::other("the power went"));
        }
        locked(&self.bytes).extend_from_slice(bytes);
        if self.fate.strikes(Whose::Workers, Moment::Entered) {
            return Err(io::Error::other("the power went"));
        }
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        *locked(&self.bytes) = bytes.to_vec();
        Ok(())
    }

    fn waits(&self) -> bool {
        false
    }
}
