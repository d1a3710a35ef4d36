//! What is promised of domains: what is accepted comes back as it was, and libvirt's schema knows
//! it.

#![expect(clippy::expect_used, reason = "what a test needs is there, or it fails")]
#![expect(clippy::print_stdout, reason = "a test says what it has left out")]

mod any;
mod examples;
mod foreign;
mod golden;
mod refused;
mod round_trip;
