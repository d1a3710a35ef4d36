//! The edge as a whole, over a log in memory, the real decider and the real keys.

#![expect(clippy::expect_used, reason = "what a test needs is there, or it fails")]

mod browser;
mod commands;
mod described;
mod desktops;
mod events;
mod exceptions;
mod matrix;
mod odd;
mod race;
mod reads;
mod roles;
mod scene;
mod served;
mod sign_in;
mod slow;
mod upload;
