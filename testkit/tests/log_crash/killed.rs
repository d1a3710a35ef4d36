//! SIGKILL at 200 random moments, in four parts that run beside each other.
//!
//! The kernel keeps what a killed process has written, synced or not. So this proves nothing about
//! syncing, and all the more about what the log makes of files that end anywhere.

use std::os::unix::process::ExitStatusExt;

use carrel_testkit::random::Random;

use crate::life::{Lives, Moment, seed, without_promises};

const SIGKILL: i32 = 9;

const MOMENTS: usize = 50;
/// So often is one log hit; every one but the first finds what an earlier one left behind.
const MOMENTS_OF_ONE_LOG: usize = 10;

/// More than fill a chunk, so that every moment around a new one is hit.
const ACKS_MAX: u64 = 150;
/// Up to some milliseconds: longer than it takes to make a group durable.
const SPINS_MAX: u64 = 100_000;
/// About as long as it takes to recover a log.
const SPINS_WHILE_OPENING_MAX: u64 = 1_000_000;

#[test]
fn killed_at_50_moments_1() {
    killed_at_random_moments(1);
}

#[test]
fn killed_at_50_moments_2() {
    killed_at_random_moments(2);
}

#[test]
fn killed_at_50_moments_3() {
    killed_at_random_moments(3);
}

#[test]
fn killed_at_50_moments_4() {
    killed_at_random_moments(4);
}

fn killed_at_random_moments(part: u64) {
    let mut random = Random::new(seed(part));
    let mut torn = 0;
    for _ in 0..MOMENTS / MOMENTS_OF_ONE_LOG {
        let mut lives = Lives::new(random.next());
        for nth in 1..=MOMENTS_OF_ONE_LOG {
            killed_while_writing(&mut lives, &mut random);
            if random.chance(4) {
                killed_while_checking(&mut lives, &mut random);
            }
            // Without a check, the next process finds what two or more have left behind.
            if nth == MOMENTS_OF_ONE_LOG || random.chance(2) {
                lives.check();
            }
        }
        torn += lives.torn;
    }
    println!("{MOMENTS} moments, {torn} torn groups");
}

fn killed_while_writing(lives: &mut Lives, random: &mut Random) {
    // Not one line: while it starts. One line: while it opens the log, and recovers it.
    let (beginning, lines, spins_max) = match random.below(6) {
        0 => ("", random.below(2), SPINS_WHILE_OPENING_MAX),
        _ => ("ack ", random.below(ACKS_MAX), SPINS_MAX),
    };
    let moment = Moment { lines, beginning, spins: random.below(spins_max) };
    let writing = lives.start("write", &["--writers", "16", "--forever"]);
    let (status, said) = writing.kill_at(&moment);
    let told = without_promises(&said);
    assert_eq!(status.signal(), Some(SIGKILL), "before {moment:?}: {status}, see above; {told}");
    lives.keep(&said);
}

/// Opening the log changes it, and may be interrupted like everything else.
fn killed_while_checking(lives: &mut Lives, random: &mut Random) {
    let spins = random.below(SPINS_WHILE_OPENING_MAX);
    let moment = Moment { lines: random.below(6), beginning: "", spins };
    let (status, said) = lives.start("check", &[]).kill_at(&moment);
    // It may be done before its moment comes, but it must not find anything wrong.
    let fine = status.success() || status.signal() == Some(SIGKILL);
    assert!(fine, "before {moment:?}: {status}, see above; {}", without_promises(&said));
    lives.keep(&said);
}
