//! Disk images with the real qemu-img and qemu-io, which are the oracle: what they read and write
//! must be what this crate says.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what a test has made is there")]
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]

mod accept;
mod bounded;
mod content;
mod disks;
mod hostile;
mod killed;
mod mend;
mod mutated;
mod received;
mod seen;
mod shared;
mod site;
mod snapshots;
mod space;
mod stories;
mod versions;
