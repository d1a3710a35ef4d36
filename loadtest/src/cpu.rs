//! CPU time, of this process and of servers, as the kernel counts it (proc(5)).
//!
//! It says what an event costs whatever else the machine is busy with.

use std::fs;
use std::time::Duration;

/// Of this process and of those children that it has waited for, user and system.
pub(crate) fn own() -> Duration {
    times("self").map(|times| times.own + times.reaped).unwrap_or_default()
}

/// Of one process, without those that it started.
pub(crate) fn of_process(pid: u32) -> Duration {
    times(&pid.to_string()).map(|times| times.own).unwrap_or_default()
}

/// Of a server and all processes that it started, those that ended included.
pub(crate) fn of_server(pid: u32) -> Duration {
    let reaped = times(&pid.to_string()).map(|times| times.reaped).unwrap_or_default();
    let living: Duration =
        tree(pid).iter().filter_map(|pid| times(&pid.to_string())).map(|times| times.own).sum();
    reaped + living
}

/// A process and all that descend from it.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, times(&pid.to_string())?.parent)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
    }
    found
}

struct Times {
    parent: u32,
    own: Duration,
    reaped: Duration,
}

fn times(process: &str) -> Option<Times> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields are counted behind it: `S 1 ...`.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = |nth: usize| fields.get(nth)?.parse::<f64>().ok();
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let seconds = |user: usize, system: usize| {
        Some(Duration::from_secs_f64((ticks(user)? + ticks(system)?) / per_second))
    };
    Some(Times {
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11, 12)?,
        reaped: seconds(13, 14)?,
    })
}
