//! A site in a folder of its own: the real server as a process, whoever sends it commands, and what
//! has to be true of everything that it leaves behind.

mod client;
mod left;
mod server;

pub(crate) use client::{Answer, Client, Gone};
pub(crate) use left::left;
pub(crate) use server::{Ended, Server, Start, told};

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What one server after the other is started on.
pub(crate) struct Site {
    folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The first administrator's password, as it is now.
    pub(crate) fn password(&self) -> String {
        let text = std::fs::read_to_string(self.data().join("admin-password"));
        text.expect("a password").trim().to_owned()
    }

    pub(crate) fn start(&self) -> Server {
        self.start_with(&Start::default()).expect("it starts")
    }

    pub(crate) fn start_with(&self, how: &Start) -> Result<Server, Ended> {
        Server::start(self.folder(), how)
    }
}
