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
