//! Runs a process under strace, which sees each of its system calls and can make them fail.

use std::fs;
use std::process::{Command, Output};

use crate::life::Lives;

/// What the process printed, and what strace saw of it.
pub(crate) struct Seen {
    pub(crate) output: Output,
    pub(crate) trace: String,
}

/// Where tests may be left out that need strace: not every container lets a process trace another.
const MAY_SKIP: &str = "CARREL_TEST_WITHOUT_STRACE";

/// Runs `log-writer write` to its end; nothing comes of it where strace need not trace.
pub(crate) fn write(lives: &Lives, options: &[&str], more: &[&str]) -> Option<Seen> {
    if let Err(why) = can_trace() {
        assert!(may_skip(), "{why}; {MAY_SKIP}=1 leaves these tests out");
        return None;
    }
    let trace = lives.dir.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(&trace).args(options);
    strace.arg("--").args(lives.arguments("write")).args(more);
    let output = strace.output().expect("strace starts");
    let trace = fs::read_to_string(trace).expect("strace says what it saw");
    Some(Seen { output, trace })
}

#[expect(clippy::disallowed_methods, reason = "nobody hands arguments to a test")]
fn may_skip() -> bool {
    std::env::var_os(MAY_SKIP).is_some()
}

fn can_trace() -> Result<(), String> {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let tried = tried.map_err(|error| format!("strace can't be started: {error}"))?;
    if tried.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&tried.stderr);
    Err(format!("strace can't trace here: {}", said.trim()))
}
