//! A system call fails under the log: strace makes the N-th one of a thread fail.
//!
//! What the log then has to do: acknowledge nothing more, try nothing again, end its process, and
//! be whole again when it is opened anew.

use carrel_testkit::random::Random;

use crate::life::{Lives, last_acked, seed, told};
use crate::strace;

/// What log-writer ends with when a write or sync failed.
const FAILED: i32 = 3;

struct Fault {
    call: &'static str,
    errno: &'static str,
    /// The text of the error.
    told: &'static str,
    /// Each thread counts for itself.
    nth: u64,
}

const SYNC: Fault = Fault { call: "fdatasync", errno: "EIO", told: "Input/output error", nth: 1 };

/// What was seen of a failure, if it could be brought about.
struct Seen {
    /// The last position that was promised.
    promised: Option<u64>,
}

#[test]
fn the_first_sync_fails() {
    let Some(seen) = fails(&SYNC, &mut Random::new(seed(11))) else { return };
    assert_eq!(seen.promised, None, "acknowledged though nothing was ever synced");
}

#[test]
fn a_later_sync_fails() {
    let mut random = Random::new(seed(12));
    // Each group has a submission in it, and a writer's second one comes after it has told of the
    // first. So by the 18th group of 16 writers, somebody has told.
    let nth = 18 + random.below(30);
    let Some(seen) = fails(&Fault { nth, ..SYNC }, &mut random) else { return };
    assert!(seen.promised.is_some(), "{} syncs went well", nth - 1);
}

#[test]
fn a_write_fails() {
    let mut random = Random::new(seed(13));
    fails(&Fault { call: "pwrite64", nth: a_write_of_a_group(&mut random), ..SYNC }, &mut random);
}

#[test]
fn a_write_finds_the_disk_full() {
    let mut random = Random::new(seed(14));
    let (call, nth) = ("pwrite64", a_write_of_a_group(&mut random));
    let (errno, told) = ("ENOSPC", "No space left on device");
    fails(&Fault { call, errno, told, nth }, &mut random);
}

#[test]
fn a_new_chunk_does_not_get_its_name() {
    // Opening the log gives the first chunk its name, and that is one for that thread.
    fails(&Fault { call: "rename", nth: 2, ..SYNC }, &mut Random::new(seed(15)));
}

/// Later than any write that opening takes. Of the threads that stay, the one that makes groups
/// durable gets there before the one that makes chunks, and that one's failure is only a refusal.
fn a_write_of_a_group(random: &mut Random) -> u64 {
    20 + random.below(20)
}

fn fails(fault: &Fault, random: &mut Random) -> Option<Seen> {
    let mut lives = Lives::new(random.next());
    let Fault { call, errno, nth, .. } = fault;
    let inject = format!("inject={call}:error={errno}:when={nth}");
    let calls = ["-e", "trace=fdatasync,pwrite64,rename", "-e", &inject];
    let strace::Seen { output, trace } =
        strace::write(&lives, &calls, &["--writers", "16", "--units", "100"])?;
    let told = told(&output);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(FAILED), "{told}");
    assert!(stderr.contains("the log failed") && stderr.contains(fault.told), "{told}");

    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let durable = said.lines().find_map(|line| line.strip_prefix("failed ")?.parse::<u64>().ok());
    let promised = last_acked(&said);
    assert!(durable.is_some() && promised <= durable, "acknowledged up to {promised:?}; {told}");
    gave_up(&trace);

    lives.keep(&said);
    lives.check();
    Some(Seen { promised })
}

/// The thread that syncs did nothing more to a file after its failure.
fn gave_up(trace: &str) {
    let thread = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let syncing = trace.lines().find(|line| line.contains("fdatasync(")).and_then(thread);
    let its = trace.lines().filter(|line| thread(line) == syncing);
    let from: Vec<_> = its.skip_while(|line| !line.contains("(INJECTED)")).collect();
    assert_eq!(from.len(), 1, "the failure was to be its last call:\n{}", from.join("\n"));
}
