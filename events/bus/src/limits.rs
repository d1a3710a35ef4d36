//! What bounds the bus.

/// The longest body: a machine's work with 64 pages of properties is a tenth of it.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// So many messages wait in one queue. 20,000 desktops with two messages each for every one of them
/// fit; what is full refuses, and whoever publishes tries again.
pub const QUEUE_MESSAGES_MAX: usize = 50_000;

/// A subscriber to what is transient that is so far behind loses the oldest.
pub const TRANSIENT_MESSAGES_MAX: usize = 4_096;

/// A message that was given out so often and never came to an end is put aside. Each time its
/// receiver crashed, lost its connection, or asked for it again.
pub const ATTEMPTS_MAX: u32 = 8;

/// So many messages may be with one consumer at once.
pub const AHEAD_MAX: u16 = 1_024;

/// The longest time that a question may take: what asks is somebody who waits at a screen.
pub const ASK_SECONDS_MAX: u64 = 30;

/// Questions that a host has not taken yet. More are refused: it has stopped answering.
pub const QUESTIONS_MAX: usize = 256;
