//! Read models over a log in memory, in directories of their own.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

mod follow;
mod lookup;
mod paging;
mod people;
mod random;
mod scene;
mod unknown;
