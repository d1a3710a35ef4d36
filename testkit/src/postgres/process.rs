//! The server's process, and what it says.
//!
//! A thread starts the server and stays to read what it writes. It has to be one that lasts: the
//! kernel kills the server when the thread that started it ends, not when the process does.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::install::Install;
use super::{Options, Stop};

/// Starting takes a third of a second, and recovery after a crash little more; a machine that is
/// busy with other tests may need many times that.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// What the server says in the end is what helps; all of it would drown the test's own message.
const LINES_KEPT_MAX: usize = 40;

#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    reader: JoinHandle<()>,
}

enum Sign {
    Started(Pid),
    Ready,
    /// It ended before it was ready, and said this.
    Failed(String),
}

impl Process {
    pub(super) fn start(
        install: &Install,
        directory: &Path,
        options: &Options,
    ) -> io::Result<Self> {
        let mut command = install.server_command("postgres");
        configure(&mut command, directory, options);
        let (signs, heard) = mpsc::channel();
        let reader = thread::Builder::new()
            .name("postgres".into())
            .spawn(move || attend(command, &signs))?;
        let mut started = None;
        loop {
            match heard.recv_timeout(READY_TIMEOUT) {
                Ok(Sign::Started(pid)) => started = Some(pid),
                Ok(Sign::Ready) => break,
                Ok(Sign::Failed(said)) => return Err(io::Error::other(said)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    started.map(|pid| kill_process(pid, Signal::KILL));
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("not ready after {READY_TIMEOUT:?}"),
                    ));
                }
            }
        }
        let pid = started.ok_or_else(|| io::Error::other("ready before it was started"))?;
        Ok(Self { pid, reader })
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns when all of the server's processes are gone.
    pub(super) fn stop(self, how: Stop) -> io::Result<()> {
        let signal = match how {
            Stop::Orderly => Signal::INT,
            Stop::Crash => Signal::QUIT,
        };
        if !self.reader.is_finished() {
            kill_process(self.pid, signal)?;
        }
        self.reader.join().map_err(|_| io::Error::other("its reader panicked"))
    }
}

fn configure(command: &mut Command, directory: &Path, options: &Options) {
    let onoff = if options.fsync { "on" } else { "off" };
    command.arg("-D").arg(directory.join("data"));
    command.arg("-k").arg(directory);
    for setting in [
        "listen_addresses=".into(),
        format!("port={}", super::Postgres::PORT),
        format!("fsync={onoff}"),
        format!("full_page_writes={onoff}"),
        // The sign that it is ready is read in English.
        "lc_messages=C".into(),
        "log_destination=stderr".into(),
        "logging_collector=off".into(),
    ] {
        command.arg("-c").arg(setting);
    }
    for setting in &options.settings {
        command.arg("-c").arg(setting);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
}

/// Runs the server to its end.
fn attend(mut command: Command, signs: &Sender<Sign>) {
    let failed = match command.spawn() {
        Ok(child) => listen(child, signs),
        Err(error) => format!("{command:?}: {error}"),
    };
    // Nobody listens any more once it was ready.
    let _ = signs.send(Sign::Failed(failed));
}

fn listen(mut child: Child, signs: &Sender<Sign>) -> String {
    let _ = signs.send(Sign::Started(Pid::from_child(&child)));
    let mut lines = VecDeque::new();
    let said = child.stderr.take().map(BufReader::new);
    for line in said.into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
        if line.ends_with("database system is ready to accept connections") {
            let _ = signs.send(Sign::Ready);
        }
        if lines.len() == LINES_KEPT_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
    let status = child.wait();
    format!("{status:?}: {}", lines.make_contiguous().join("\n"))
}
