//! What is told about the machine, and what a process takes of it.

use std::fs;

use crate::{Failure, load};

/// What figures depend on most, and no more than that.
pub(crate) fn describe() -> Result<String, Failure> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    let (cores, gib) = (load::cores(), kib.unwrap_or_default() >> 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.trim();
    Ok(format!("{cores} cores ({model}), {gib} GiB, Linux {kernel}"))
}

/// What this process has in memory now, and what it had at most, in bytes.
pub(crate) fn resident() -> Result<(u64, u64), Failure> {
    resident_of("self")
}

/// The same of another process.
pub(crate) fn resident_of(process: &str) -> Result<(u64, u64), Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| format!("no {name} of process {process}"))
    };
    Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
}
