//! A private PostgreSQL server for one test.
//!
//! It listens on a Unix socket in a directory of its own, trusts whoever gets that far, and lets
//! go of everything when it is dropped. When the test is killed, the kernel kills the server; the
//! directory is swept away by the next server that starts.

mod install;
mod process;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use self::install::Install;
use self::process::Process;

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Makes commits survive a crash of the machine, which few tests are about, at the price of a
    /// flush of the disk for each.
    pub fsync: bool,
    /// Where its directory is made; the temporary directory if nothing is said. The server's user
    /// must be able to write there.
    pub place: Option<PathBuf>,
    /// Of the log that it writes ahead; small, so that a server starts fast, if nothing is said.
    pub wal_segment_mib: Option<u32>,
    /// More settings, as in `shared_buffers=1GB`.
    pub settings: Vec<String>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Connections are closed and what was written is brought to the disk.
    Orderly,
    /// As if it crashed: it recovers from its own log when it starts again.
    Crash,
}

#[derive(Debug)]
pub struct Postgres {
    install: Install,
    options: Options,
    directory: PathBuf,
    process: Option<Process>,
}

impl Postgres {
    /// Who may do everything. There is no password.
    pub const SUPERUSER: &str = "postgres";
    /// A database that is there from the beginning.
    pub const DATABASE: &str = "postgres";
    /// The socket's name ends with it.
    pub const PORT: u16 = 5432;

    /// A server with an empty database, ready for connections.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    #[track_caller]
    pub fn start_with(options: Options) -> Self {
        must(Self::make(options))
    }

    /// Where the socket is, and nothing that others may enter.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// The process that all others of the server descend from; nothing while it is stopped.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// A command of PostgreSQL's own that runs as the server's user and talks to this server.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.install.server_command(program);
        command.arg("--host").arg(&self.directory).args(["--username", Self::SUPERUSER]);
        command
    }

    /// Stops the server; what it keeps stays for [`Self::start_again`].
    #[track_caller]
    pub fn stop(&mut self, how: Stop) {
        if let Some(process) = self.process.take() {
            must(process.stop(how));
        }
    }

    #[track_caller]
    pub fn start_again(&mut self) {
        self.stop(Stop::Orderly);
        self.process = Some(must(Process::start(&self.install, &self.directory, &self.options)));
    }

    fn make(options: Options) -> io::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let install = Install::find()?;
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = install.instance(nth, options.place.as_deref())?;
        let mut server = Self { install, options, directory, process: None };
        if let Some(mib) = server.options.wal_segment_mib {
            server.install.resize_wal(&server.directory, mib)?;
        }
        let process = Process::start(&server.install, &server.directory, &server.options)?;
        server.process = Some(process);
        Ok(server)
    }
}

impl Drop for Postgres {
    /// A test that fails has the last word already, so nothing here panics.
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            let _ = process.stop(Stop::Crash);
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Without its server a test can only say why.
#[track_caller]
fn must<T>(result: io::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("a private PostgreSQL server: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn socket(server: &Postgres) -> PathBuf {
        server.socket_directory().join(format!(".s.PGSQL.{}", Postgres::PORT))
    }

    #[test]
    fn it_comes_goes_comes_again_and_leaves_nothing() {
        let mut server = Postgres::start();
        let directory = server.socket_directory().to_owned();
        UnixStream::connect(socket(&server)).unwrap();
        for how in [Stop::Orderly, Stop::Crash] {
            server.stop(how);
            UnixStream::connect(socket(&server)).unwrap_err();
            server.start_again();
            UnixStream::connect(socket(&server)).unwrap();
        }
        drop(server);
        assert!(!directory.exists());
    }

    #[test]
    fn each_has_a_place_of_its_own() {
        let (one, other) = (Postgres::start(), Postgres::start());
        assert_ne!(one.socket_directory(), other.socket_directory());
        UnixStream::connect(socket(&one)).unwrap();
        drop(one);
        UnixStream::connect(socket(&other)).unwrap();
    }
}
