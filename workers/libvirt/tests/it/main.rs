//! What is promised of a host, on a real libvirtd with real guests.
//!
//! Each test has a libvirtd of its own (`ops/lab/libvirtd`). Where there is none, or nobody may
//! start one, they fail, and say what is missing.

#![expect(clippy::expect_used, reason = "what a test needs is there, or it fails")]
#![expect(clippy::print_stdout, reason = "a test says what it has seen")]

mod agent;
mod definitions;
mod display;
mod ends;
mod epochs;
mod hardware;
mod hung;
mod looks;
mod moves;
mod obstacles;
mod preflight;
mod restarted;
#[path = "../support/mod.rs"]
mod support;
mod tls;
