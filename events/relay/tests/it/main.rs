//! The relay between a log, a broker and hosts, with a real decider.

#![expect(clippy::expect_used, reason = "what a test needs is there, or it fails")]

mod bus;
mod clock;
mod crash;
mod hosts;
mod log;
mod orders;
mod reports;
mod scene;
mod unruly;
