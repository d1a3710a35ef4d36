//! Every bound of the decider, with where its number comes from.

/// Commands that wait to be decided. A batch takes a few milliseconds, most of them for the disk,
/// so who comes last waits well below a second; beyond that more waiting helps nobody.
pub const WAITING_MAX: usize = 1_024;

/// Commands that are decided and appended together. Deciding so many takes about as long as a fast
/// disk's sync, so that larger batches would make nobody faster, and the first one slower.
pub const BATCH_COMMANDS_MAX: usize = 64;

/// No further command joins a batch that has so much, with what stands around each fact. The last
/// one adds little more than 1 MiB, so that it all stays below the 4 MiB that the log takes.
pub const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What stands around the data of a fact in the log: lengths, checksum, ids and names take less.
pub const RECORD_BYTES_AROUND: usize = 256;

/// How often a batch is decided anew because somebody else was faster. Whoever has the turn is
/// alone, so that it happens only when a turn was lost.
pub const TRIES_MAX: usize = 3;

/// Commands that are sealed at once, each on a thread that waits for a disk or for a hash. Twice
/// the hashers, so that who waits for the disk is not behind those who wait to be hashed.
pub const SEALING_MAX: usize = 2 * carrel_keys::limits::HASHERS_MAX;

/// Commands that are being sealed, wait for that, or have made keys that may have to go again.
/// With two hashers the last of so many passwords is hashed after eight seconds.
pub const SEALING_WAITING_MAX: usize = 512;

/// A snapshot is written every so many facts. About 250,000 facts are folded in a second, and the
/// fleet of 20,000 machines is read in half of one, so that a start takes less than a second.
pub const SNAPSHOT_EVERY: u64 = 100_000;

/// How many are kept: the newest may be damaged, and whoever has read less of the log than the
/// newest can begin with the one before.
pub const SNAPSHOTS_KEPT: usize = 2;

/// A file is written in pieces of this size, so that nobody holds all of it in memory.
pub const SNAPSHOT_PIECE_BYTES: usize = 256 * 1024;

/// How far whoever destroys keys may fall behind with saving where they are. Each save is a write
/// to the log, and looking at so many facts again takes a moment.
pub const SHREDDER_SAVES_EVERY: u64 = 10_000;

/// Whoever has folded so many facts at once packs the fleet, which takes about as long. A fleet
/// that comes from a snapshot is packed.
pub const PACKED_AFTER: u64 = SNAPSHOT_EVERY;
