//! What is given, asked for, and comes of it, for everything about machines.

mod adopt;
mod clone;
mod create;
mod delete;
mod diagram;
mod disks;
mod further_disks;
mod migrate;
mod outcomes;
mod power;
mod reboot;
mod rest;
pub(crate) mod scene;
mod settings;
mod snapshots;
mod upkeep;
