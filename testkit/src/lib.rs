//! What Carrel's tests are made of: seeded randomness, made-up commands, private servers.
//!
//! Only tests and the load test depend on it.

pub mod golden;
pub mod ledger;
pub mod postgres;
pub mod random;
pub mod sim_disk;
pub mod units;
