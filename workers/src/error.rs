//! Why a worker ends.

use carrel_bus::BusError;
use carrel_keys::entropy::EntropyError;

use crate::ledger::LedgerError;

#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A mistake of ours; the next worker goes on from the ledger.
    #[error("a task of the worker has ended by a panic: {0}")]
    Panicked(String),
}
