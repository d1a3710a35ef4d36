//! Rows in `SQLite`: one file, one writer, a pool of readers.
//!
//! ```text
//!   <directory>/current            the name of the file that is in use
//!   <directory>/read-<n>.sqlite    that file; one with a higher number is being built
//! ```
//!
//! The journal is a WAL, so that readers see the state before or after a batch and never wait.
//! `synchronous=NORMAL` is enough: after a loss of power the file is as it was after some earlier
//! batch, rows and places in the log together, and the log tells the rest again.

mod file;
mod found;
mod read;
mod write;

pub(crate) use file::{Files, Opened, Readers};
pub(crate) use read::{counts, one, page, places};
pub(crate) use write::{Change, Writer};

/// Why the file can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{action} {path}: {cause}")]
    Io { action: &'static str, path: std::path::PathBuf, cause: String },
    #[error("the read models can't be used: {0}")]
    Sql(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.to_string())
    }
}
