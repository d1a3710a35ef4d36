//! A log that several processes live and die on, and all that they promised.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use carrel_testkit::random::Random;
use tempfile::TempDir;

const LOG_WRITER: &str = env!("CARGO_BIN_EXE_log-writer");

/// The seed of this run, told apart by `salt` for each test.
#[expect(clippy::disallowed_methods, reason = "a test is where its randomness comes from")]
pub(crate) fn seed(salt: u64) -> u64 {
    let given = std::env::var("CARREL_CRASH_SEED").ok();
    let seed = match &given {
        Some(seed) => seed.parse().expect("CARREL_CRASH_SEED is a number"),
        None => {
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
            // Short enough to be typed.
            u64::from(now.subsec_nanos())
        }
    };
    // Shown when the test fails.
    println!("CARREL_CRASH_SEED={seed}");
    Random::new(seed.wrapping_add(salt << 32)).next()
}

/// One log, from its beginning to the last check.
pub(crate) struct Lives {
    pub(crate) dir: TempDir,
    seed: u64,
    /// The lines `try` and `ack` so far.
    promises: String,
    /// How many groups were found torn, and were cut off.
    pub(crate) torn: usize,
}

impl Lives {
    pub(crate) fn new(seed: u64) -> Self {
        let dir = tempfile::Builder::new().prefix("carrel-log-crash-").tempdir();
        Self { dir: dir.expect("a directory can be made"), seed, promises: String::new(), torn: 0 }
    }

    /// `log-writer write` or `log-writer check`, and what either has to know.
    pub(crate) fn arguments(&self, task: &str) -> Vec<String> {
        fs::write(self.acks(), &self.promises).expect("promises can be kept");
        let path = |path: PathBuf| path.to_str().map(str::to_owned).expect("a path of our own");
        let seed = self.seed.to_string();
        let (log, acks) = (path(self.dir.path().join("log")), path(self.acks()));
        vec![LOG_WRITER.into(), task.into(), log, "--seed".into(), seed, "--acks".into(), acks]
    }

    fn acks(&self) -> PathBuf {
        self.dir.path().join("acks")
    }

    pub(crate) fn start(&self, task: &str, more: &[&str]) -> Life {
        let arguments = self.arguments(task);
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]).args(more).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("log-writer starts");
        let lines = BufReader::new(child.stdout.take().expect("its output is piped"));
        Life { child, lines, said: String::new() }
    }

    /// Keeps what was promised; a line that was cut short says nothing.
    pub(crate) fn keep(&mut self, said: &str) {
        let whole = said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let promises = whole.filter(|line| line.starts_with("try ") || line.starts_with("ack "));
        self.promises.extend(promises);
        self.torn += said.lines().filter(|line| line.starts_with("torn ")).count();
    }

    /// Every promise so far was kept; and what had no answer has one now.
    pub(crate) fn check(&mut self) {
        let life = self.start("check", &[]);
        let (status, said) = life.outlive();
        assert!(status.success(), "{status}, see above; it said\n{}", without_promises(&said));
        self.keep(&said);
    }
}

/// A process at work.
pub(crate) struct Life {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
}

/// When a process is killed.
#[derive(Debug)]
pub(crate) struct Moment {
    /// After it said so many lines that begin like this.
    pub(crate) lines: u64,
    pub(crate) beginning: &'static str,
    /// And after the processor was kept busy for so many turns.
    pub(crate) spins: u64,
}

impl Life {
    /// Kills it, and returns all it had said by then. Says too whether it was still at work.
    pub(crate) fn kill_at(mut self, moment: &Moment) -> (ExitStatus, String) {
        let mut left = moment.lines;
        while left > 0 && self.hear() {
            let last = self.said.lines().next_back().unwrap_or_default();
            left -= u64::from(last.starts_with(moment.beginning));
        }
        (0..moment.spins).for_each(|_| std::hint::spin_loop());
        self.child.kill().expect("our own child can be killed");
        self.outlive()
    }

    /// Hears it out.
    pub(crate) fn outlive(mut self) -> (ExitStatus, String) {
        while self.hear() {}
        (self.child.wait().expect("our own child can be waited for"), self.said)
    }

    /// Adds a line to what it said; there may be no more.
    fn hear(&mut self) -> bool {
        self.lines.read_line(&mut self.said).expect("what it says is text") > 0
    }
}

pub(crate) fn without_promises(said: &str) -> String {
    let promise = |line: &&str| line.starts_with("try ") || line.starts_with("ack ");
    said.lines().filter(|line| !promise(line)).collect::<Vec<_>>().join("\n")
}

pub(crate) fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\n{}{}",
        output.status,
        without_promises(&text(&output.stdout)),
        text(&output.stderr)
    )
}

/// The last position that was promised.
pub(crate) fn last_acked(said: &str) -> Option<u64> {
    let acks = said.lines().filter(|line| line.starts_with("ack "));
    acks.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).max()
}
