//! The decider over a log in memory, which can be made to refuse and to forget its answers.

#![expect(clippy::expect_used, reason = "a test stops where it can't go on")]

mod asked;
mod cabinet;
mod scene;
mod shredded;
mod snapshots;
mod submitted;
mod trouble;
