//! `carrel up` as a process of its own, and its end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::spawn;

/// Three hosts that are fast and count what is done on them, and snapshots within a story.
const OF_A_STORY: &[&str] = &[
    "--log-level=info",
    "--sim-hypervisors=3",
    "--sim-speed=50",
    "--sim-counts=true",
    "--snapshot-every=40",
];

/// How it is started, beside what all of them have in common.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) options: &'static [&'static str],
    pub(crate) listen: &'static str,
    /// The moment at which it kills itself, as `relay.tail_read:3`.
    pub(crate) kill_at: Option<String>,
    /// What runs it, before its own name: `prlimit` and its like.
    pub(crate) under: Vec<String>,
}

impl Default for Start {
    fn default() -> Self {
        let listen = "127.0.0.1:0";
        Self { options: OF_A_STORY, listen, kill_at: None, under: Vec::new() }
    }
}

impl Start {
    pub(crate) fn killed_at(moment: String) -> Self {
        Self { kill_at: Some(moment), ..Self::default() }
    }

    fn command(&self, folder: &Path) -> Command {
        let carrel = env!("CARGO_BIN_EXE_carrel");
        let mut command = match self.under.split_first() {
            None => Command::new(carrel),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(carrel);
                command
            }
        };
        command.arg("up").arg("--data").arg(folder.join("data"));
        command.args(["--listen", self.listen]).args(self.options);
        let others = ["CARREL_CONFIG", "CARREL_DATA", "CARREL_LISTEN", "XDG_CONFIG_HOME"];
        for name in others.into_iter().chain(["CARREL_KILL_AT"]) {
            command.env_remove(name);
        }
        command.envs(self.kill_at.as_ref().map(|moment| ("CARREL_KILL_AT", moment)));
        command
    }
}

/// It has ended, and this is what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) told: String,
}

impl Ended {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }
}

/// It ends with the test, whatever becomes of that.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    told: PathBuf,
    /// Nobody writes to a pipe that nobody reads.
    said: BufReader<ChildStdout>,
}

/// The last line of what a server says when it is ready.
const READY: &str = "  sign in:";

impl Server {
    /// Returns when it is ready, or has ended before.
    pub(crate) fn start(folder: &Path, how: &Start) -> Result<Self, Ended> {
        let told = told(folder);
        let append = File::options().create(true).append(true).open(&told).expect("a file");
        let mut command = how.command(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(append);
        let mut child = spawn(&mut command);
        let said = BufReader::new(child.stdout.take().expect("its output"));
        let mut server = Self { child, url: String::new(), told, said };
        if server.is_ready() { Ok(server) } else { Err(server.ended()) }
    }

    fn is_ready(&mut self) -> bool {
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).expect("text") == 0 {
                return false;
            }
            if let Some(at) = line.strip_prefix("Carrel is ready: ") {
                at.trim().clone_into(&mut self.url);
            }
            if line.starts_with(READY) {
                assert!(!self.url.is_empty(), "it says where it listens first");
                return true;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is there");
    }

    /// Kills it, as the kernel does for want of memory.
    pub(crate) fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.ended()
    }

    pub(crate) fn asked_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(self) -> Ended {
        self.asked_to_end();
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let status = self.child.wait().expect("it ends");
        Ended { status, told: read(&self.told) }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many files and connections it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.id()));
        open.expect("a process of this user").count()
    }

    pub(crate) fn told(&self) -> String {
        read(&self.told)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that servers in this folder have said for those who run them.
pub(crate) fn told(folder: &Path) -> PathBuf {
    folder.join("told")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
