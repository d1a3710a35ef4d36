//! The model as a whole: what holds whatever happens, and the stories that people tell of older
//! systems.
//!
//! Everything comes from a seed, and a failure says which.

#![expect(clippy::expect_used, reason = "what a test needs is there, or it fails")]

mod properties;
mod rest;
mod stories;
mod told;
