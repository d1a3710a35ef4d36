//! Every bound of the relay, with where its number comes from.

use std::time::Duration;

/// What has gone wrong with the broker, the log or the decider is tried again after so long, and
/// after each further time twice as long: short enough that a broker which restarts is not felt.
pub const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
/// But at least so often: whoever waits for a broker that is back waits no longer than this.
pub const BACK_OFF_MOST: Duration = Duration::from_secs(5);

/// How often it is kept how far facts were told. Each time is a note in the log and takes part in a
/// sync; what was told since is told again by the next relay.
pub const CURSOR_EVERY: Duration = Duration::from_millis(100);

/// Orders that are signed in one go on a thread that may wait: an Ed25519 signature and the body
/// take about 0.1 ms together, so that the first of them is out after a few milliseconds.
pub const SIGNED_AT_ONCE: usize = 64;

/// So few orders are signed where they are made: it takes less than handing them to a thread.
pub const SIGNED_IN_PLACE: usize = 2;

/// Orders that wait for the broker's confirm at the same time. A confirm takes a round trip and a
/// sync of the broker's, and so many in one go take hardly longer than one.
pub const CONFIRMS_AT_ONCE: usize = 64;

/// Reports that are with the relay at once: four batches of the decider (64 each), so that it never
/// waits for the broker, and nobody waits long for those before.
pub const REPORTS_AHEAD: u16 = 256;

/// Signs that are with the relay at once. Each takes microseconds.
pub const SIGNS_AHEAD: u16 = 64;

/// What two inventories in a row say is believed: 15 s lie between them, and whatever was on its
/// way when the first was written has arrived by the second.
pub const SIGHTINGS_BEFORE_BELIEF: u32 = 2;
/// What doesn't change by being said again is said at every second sighting, fourth, eighth and so
/// on, and at last after so many: 8 minutes of inventories.
pub const SIGHTINGS_BETWEEN_REPEATS: u32 = 32;

/// A command of the clockwork that came to nothing, and is due as before, is sent again after so
/// long. It is an error of the model, or something that only people can clear.
pub const FRUITLESS_SECONDS: u32 = 30;
/// The clockwork looks at the clock so often at least: the wall clock may have been set.
pub const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(30);

/// How fine silences are counted. The shortest that means anything is half a minute.
pub const TICK: Duration = Duration::from_secs(1);
/// Whether something was heard is looked at so often within its allowance. So many looks make a
/// silence an eighth longer at most, and 200,000 leases of 300 s cost 5,400 looks a second, which
/// is a few milliseconds.
pub const LOOKS_PER_ALLOWANCE: u32 = 8;
/// So many silences are ended in one tick: two batches of the decider, so that people who ask for
/// something meanwhile are not held up.
pub const LAPSES_AT_ONCE: usize = 128;
/// If more than a fifth of all of one kind is still, it is rather the network than they.
pub const STILL_PART: usize = 5;
/// But so few may be still together at any site: two hosts of a rack, a handful of people.
pub const STILL_FEW: usize = 8;
/// Those who are held are looked at again after so many ticks.
pub const HELD_TICKS: u64 = 5;
/// Nobody is held for ever: a switch that restarts is back by then, and a class that has gone home
/// at the bell has gone home.
pub const HELD_TICKS_MOST: u64 = 900;
