//! A ledger in memory that outlives its workers, and can stop working between two entries.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Store;

/// Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    appends: u64,
    /// After so many appends nothing works any more.
    dies_after: Option<u64>,
}

impl MemoryStore {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next so many appends last, and then its process is as good as gone.
    pub fn dies_after(&self, appends: u64) {
        let mut memory = self.memory();
        memory.dies_after = Some(memory.appends + appends);
    }

    pub fn is_dead(&self) -> bool {
        let memory = self.memory();
        memory.dies_after.is_some_and(|last| memory.appends >= last)
    }

    /// What the next process finds.
    pub fn revive(&self) {
        self.memory().dies_after = None;
    }

    pub fn appends(&self) -> u64 {
        self.memory().appends
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.memory().bytes.clone()
    }
}

impl Store for MemoryStore {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.bytes())
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.memory().bytes.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::Error::other("nothing is written any more"));
        }
        let mut memory = self.memory();
        memory.bytes.extend_from_slice(bytes);
        memory.appends += 1;
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.memory().bytes = bytes.to_vec();
        Ok(())
    }

    fn waits(&self) -> bool {
        false
    }
}
