//! What bounds a worker.

use std::time::Duration;

/// A host that starts more at once only makes each of them slower: eight is what a machine with
/// two disks and sixteen cores starts in the time of one. The rest of a boot storm is a queue.
pub const STARTS_AT_ONCE: usize = 8;

/// Other short steps: overlays, definitions, what a monitor is told.
pub const FAST_AT_ONCE: usize = 16;

/// Copies. A third one at the same time only shares the same disks.
pub const BULK_AT_ONCE: usize = 2;

/// Blocking calls of all hosts of a process: forty simulated hosts with eight starts each, and room
/// for what is quick. The runtime's own bound is 512 threads.
pub const BLOCKING_MAX: usize = 400;

/// Messages that a lane's consumer has at once. Each is in the ledger before the next is looked at,
/// so more would only wait here instead of there.
pub const ORDERS_AHEAD: u16 = 64;

/// The longest that a short step may take: the model gives a start 120 s, and who is told of the
/// failure before that learns more.
pub const FAST_STEP_MAX: Duration = Duration::from_secs(110);

/// The longest copy: a TiB at 100 MB/s takes three hours.
pub const BULK_STEP_MAX: Duration = Duration::from_secs(6 * 3600);

/// A step that was superseded has so long to end by itself: a start is done sooner than it is begun
/// anew.
pub const SUPERSEDED_GRACE: Duration = Duration::from_secs(5);

/// What may work another time is tried so often, 1, 2, 4 and 8 s apart; a lock is gone by then, and
/// the person who waits has not given up.
pub const TRIES_MAX: u32 = 5;

/// While a hypervisor can't be reached, it is asked again so often.
pub const UNREACHABLE_AGAIN: Duration = Duration::from_secs(15);

/// How often a host is looked at. A person notices a second; two are cheap.
pub const WATCH_EVERY: Duration = Duration::from_secs(2);

/// A host that tells that something has changed is looked at sooner, but so long after the last
/// time: a boot storm tells some ten things of each machine.
pub const LOOK_APART: Duration = Duration::from_millis(400);

/// How often a host says everything that it has, and that it lives.
pub const INVENTORY_EVERY: Duration = Duration::from_secs(15);

/// How often it says how far long steps are.
pub const SIGNS_EVERY: Duration = Duration::from_secs(3);

/// What the bus did not take is published again, first after this time and then after twice as
/// long, up to the longest.
pub const PUBLISH_AGAIN_FIRST: Duration = Duration::from_millis(200);
pub const PUBLISH_AGAIN_MAX: Duration = Duration::from_secs(10);

/// A worker that ends waits so long for the steps that are under way. What is not done by then is
/// found and done by the next one.
pub const DRAIN_MAX: Duration = Duration::from_secs(20);

/// A viewer has so long to come with its ticket.
pub const TICKET_SECONDS: u32 = 60;

/// So many outcomes of one generation are remembered after they were confirmed: what a guest does
/// by itself has no end.
pub const OUTCOMES_KEPT_MAX: usize = 32;

/// Entries that wait for the ledger's writer. Each host has at most as many owners as it has things
/// under way, and each waits for one entry.
pub const LEDGER_WAITING_MAX: usize = 8_192;

/// So many entries become durable by one sync at most.
pub const LEDGER_GROUP_MAX: usize = 1_024;

/// Notes that nobody waits for are written without an entry when they are this long: those of a
/// thousand reports.
pub const LEDGER_HELD_BYTES: usize = 128 << 10;

/// A ledger's file is zeros so far ahead of what is in it. A write into bytes that are there takes
/// a sync of these bytes alone; one that makes a file longer also takes the file system's journal.
pub const LEDGER_RESERVE_BYTES: usize = 1 << 20;

/// The longest entry: an order of a megabyte, the bus's longest, with what is around it.
pub const LEDGER_FRAME_MAX: usize = 2 << 20;

/// A ledger is written anew when it is this long, and this many times as long as what it says.
pub const LEDGER_COMPACT_BYTES: u64 = 16 << 20;
pub const LEDGER_COMPACT_TIMES: u64 = 4;

/// How long a ledger may hold what was said of people who are not on a machine any more, deleted
/// ones included. Written anew it has some 2 KiB for each thing: 20 MiB a minute at most, for
/// 10,000.
pub const LEDGER_ERASED_WITHIN: Duration = Duration::from_secs(60);

/// A thing has so many steps between two of its orders. More is a worker that goes round in
/// circles: a machine with 32 snapshots on eight disks takes less than a hundred.
pub const STEPS_MAX: u32 = 1_000;

/// The longest screenshot that fits on the bus, and the longest answer of any kind.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
