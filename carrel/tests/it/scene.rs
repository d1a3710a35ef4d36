//! Logs to call the binary on, and calling it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use carrel_log::disk::OsDisk;
use carrel_log::embedded::{EmbeddedLog, Layout, Options};
use carrel_log::{EventLog, Expected};
use carrel_model::ids::LogId;
use carrel_model::record::{CommandUnit, Epoch, Position};
use carrel_testkit::units::{Units, stream};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// What the binary said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.fine()).unwrap()
    }

    /// It ended with this code, and its error says all of this.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in says {
            assert!(self.err.contains(part), "{part:?} is not in: {}", self.err);
        }
    }
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carrel"));
    command.env_remove("CARREL_LOG").stdin(Stdio::null());
    command
}

/// A process that is being made has, until it runs its own program, a copy of everything that is
/// open here, locks of other tests' logs included. So only one is made at a time, and who gave up a
/// lock waits for it: see [`released`].
static SPAWNING: Mutex<()> = Mutex::new(());

pub(crate) fn alone<T>(make: impl FnOnce() -> T) -> T {
    let _alone = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
    make()
}

pub(crate) fn spawn(command: &mut Command) -> Child {
    alone(|| command.spawn().unwrap())
}

/// Returns once nobody has a copy of the lock that was given up before.
pub(crate) fn released() {
    alone(|| ());
}

pub(crate) fn said(command: &mut Command) -> Said {
    let child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn carrel(arguments: &[&str]) -> Said {
    said(binary().args(arguments))
}

/// A directory with a log in it.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
}

impl Scene {
    /// A closed log of some commands, with a cursor and a lease.
    pub(crate) fn new() -> Self {
        let scene = Self { dir: tempfile::tempdir().unwrap() };
        let log = scene.open();
        let mut units = Units::new(1);
        let made = [
            vec![units.small(1)],
            vec![units.unit(&[stream(2), stream(1)], 80), units.small(3)],
            vec![units.small(2)],
        ];
        made.into_iter().for_each(|batch| append(&log, batch));
        wait(async {
            log.save_cursor(&"relay".parse().unwrap(), Position(3), Epoch(2)).await.unwrap();
            log.raise_epoch(&"relay".parse().unwrap()).await.unwrap();
        });
        drop(log);
        released();
        scene
    }

    /// A closed log of several small chunks.
    pub(crate) fn of_chunks(count: u64) -> Self {
        let scene = Self { dir: tempfile::tempdir().unwrap() };
        let log = scene.open();
        let mut units = Units::new(2);
        while !scene.layout().chunk(count).exists() {
            append(&log, vec![units.unit(&[stream(1), stream(2)], 3_000), units.small(3)]);
        }
        append(&log, vec![units.small(4)]);
        drop(log);
        released();
        scene
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::new(&self.log_dir())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn open(&self) -> EmbeddedLog {
        open(&self.log_dir())
    }

    /// Appends with a process of its own, as far as the log can tell.
    pub(crate) fn append(&self, batch: Vec<CommandUnit>) {
        append(&self.open(), batch);
        released();
    }

    /// `carrel log --log <this one>` and more.
    pub(crate) fn log(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary();
        command.args(["log", "--log"]).arg(self.log_dir()).args(arguments);
        command
    }

    /// Another log beside this one.
    pub(crate) fn other(&self, arguments: &[&str]) -> Said {
        said(binary().args(["log", "--log", &self.path("other")]).args(arguments))
    }
}

pub(crate) fn open(dir: &Path) -> EmbeddedLog {
    let options = Options {
        new_log_id: LogId::new(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001)),
        chunk_bytes: 0,
        reserve_bytes: 0,
        owner: String::from("a test"),
        catalogue: None,
    };
    EmbeddedLog::open(Arc::new(OsDisk), dir, options).unwrap()
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn append(log: &EmbeddedLog, batch: Vec<CommandUnit>) {
    wait(log.append(Expected::Any, batch)).unwrap();
}

/// Changes bytes in the middle of a file.
pub(crate) fn overwrite(path: &Path, offset: u64, with: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = usize::try_from(offset).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    std::fs::write(path, bytes).unwrap();
}
