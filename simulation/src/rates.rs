//! How often what goes wrong. One in so many, unless it says otherwise; docs/simulation.md repeats
//! them for readers.

use std::time::Duration;

/// Orders and reports that never arrive, arrive twice, or arrive after others that came later.
pub const LOST: u64 = 24;
pub const DOUBLED: u64 = 16;
pub const DELAYED: u64 = 8;
/// The longest delay: two inventories pass meanwhile, so that something is done about it first.
pub const DELAY_MAX: Duration = Duration::from_secs(40);
/// A broker that doesn't answer; every second time it has taken the message.
pub const UNCONFIRMED: u64 = 60;

/// Appends that are refused, or of which nobody hears whether they were; every second time of
/// those they were.
pub const APPEND_REFUSED: u64 = 200;
pub const APPEND_UNKNOWN: u64 = 200;
/// Cursors that may not have been saved.
pub const CURSOR_UNKNOWN: u64 = 60;

/// Steps of hosts that take twenty times as long, never end, are answered late, fail once, fail
/// for good, or are done and never answered.
pub const STEP_SLOW: u64 = 30;
pub const STEP_HUNG: u64 = 250;
pub const STEP_LATE: u64 = 40;
pub const STEP_FAILS_ONCE: u32 = 60;
pub const STEP_FAILS: u32 = 300;
pub const STEP_UNANSWERED: u32 = 100;

/// Moments in which a process may be killed, from one kill to the next at most: a moment is a
/// step from one durable thing to the next, of which a run has some ten thousand.
pub const MOMENTS_BETWEEN_KILLS: u64 = 3_000;
/// The broker that is a process of its own outlives every second kill of everything.
pub const BROKER_DIES: u64 = 2;

/// Of a hundred things that happen in a run one after the other, so many are commands that somebody
/// would send, commands made up of whatever their schemas allow, guests that end or stop by
/// themselves, viewers that come and go, people who are heard, hosts that go down, and files that
/// are lost. What is left is time that passes.
pub const PURPOSEFUL: u64 = 52;
pub const MADE_UP: u64 = 8;
pub const GUESTS: u64 = 10;
pub const VIEWERS: u64 = 10;
pub const HEARD: u64 = 8;
pub const HOSTS: u64 = 3;
pub const FILES: u64 = 1;

/// Commands that are sent again although they were answered, and that are sent with an id that was
/// used for something else.
pub const SENT_TWICE: u64 = 5;
pub const ID_REUSED: u64 = 40;

/// The longest pause between two things that happen.
pub const PAUSE_MAX: Duration = Duration::from_secs(9);
/// The longest time that a host is down: long enough to be called silent and lost.
pub const DOWN_MAX: Duration = Duration::from_secs(240);
