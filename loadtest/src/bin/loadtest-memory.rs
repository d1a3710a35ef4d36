//! Folds a site in a process that does nothing else, and tells what that takes of memory.
//!
//! A program of its own, because counting every allocation would slow everybody else's down.

#![expect(clippy::print_stdout, reason = "loadtest reads it")]

use std::alloc::System;
use std::{env, fs};

use cap::Cap;
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_testkit::site::Site;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let machines = env::args().nth(1).ok_or("say how many machines")?.parse()?;
    let site = Site {
        hosts: 1_000,
        machines,
        pools: 100,
        first_pool: 0,
        people: machines,
        one_in_runs: 2,
    };
    let before = ALLOCATOR.allocated();
    let mut fleet = site.facts().fold(Fleet::default(), |fleet, event| evolve(fleet, &event));
    let folded = ALLOCATOR.allocated() - before;
    fleet.pack();
    let packed = ALLOCATOR.allocated() - before;
    println!("{}", json!({ "folded": folded, "packed": packed, "resident": resident()? }));
    // It is there until now.
    drop(fleet);
    Ok(())
}

/// What the process has in memory, in bytes.
fn resident() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(kib.parse::<u64>()? * 1024)
}
