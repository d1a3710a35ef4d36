//! A file is not lost with its name: each new name is synced before anything is acknowledged.

use std::path::Path;

use carrel_testkit::random::Random;

use crate::life::{Lives, seed};
use crate::strace;

#[test]
fn a_new_directory_is_synced_with_the_one_above_it() {
    let lives = Lives::new(Random::new(seed(21)).next());
    let calls = ["-y", "-e", "trace=mkdir,fsync,fdatasync"];
    let Some(seen) = strace::write(&lives, &calls, &["--writers", "1", "--units", "1"]) else {
        return;
    };
    let above = lives.dir.path();
    let made =
        synced_after(&seen.trace, &format!("mkdir(\"{}\"", above.join("log").display()), above);
    let chunks = above.join("log/chunks");
    let within =
        synced_after(&seen.trace, &format!("mkdir(\"{}\"", chunks.display()), &above.join("log"));
    assert!(made && within, "{}", seen.trace);
}

/// Whether this directory was synced between such a call and the first group of the log.
fn synced_after(trace: &str, call: &str, dir: &Path) -> bool {
    let sync = format!("<{}>)", dir.display());
    let before = trace.lines().take_while(|line| !line.contains("fdatasync("));
    let mut after = before.skip_while(|line| !line.contains(call));
    after.any(|line| line.contains("fsync(") && line.contains(&sync))
}
