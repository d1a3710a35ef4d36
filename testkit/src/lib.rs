//! What Carrel's tests are made of: seeded randomness, made-up commands, private servers.
//!
//! Only tests and the load test depend on it.

pub mod audit;
pub mod commands;
pub mod described;
pub mod facts;
pub mod front;
pub mod frozen;
pub mod golden;
pub mod hosts;
pub mod invariants;
pub mod ledger;
pub mod left;
pub mod postgres;
pub mod purposeful;
pub mod random;
pub mod sample;
pub mod sealing;
pub mod sim_disk;
pub mod site;
pub mod told;
pub mod units;
pub mod world;
