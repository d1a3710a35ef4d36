//! Counts the calls that make data durable, by strace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::{Failure, cpu};

const CALLS: &str = "trace=fsync,fdatasync,sync_file_range,msync";

#[derive(Debug)]
pub(crate) struct Tracer {
    strace: Child,
    output: NamedTempFile,
}

impl Tracer {
    /// Follows a server and all its processes, or this one if there is none.
    pub(crate) fn attach_if(wanted: bool, server: Option<u32>) -> Result<Option<Self>, Failure> {
        if wanted { Self::attach(server).map(Some) } else { Ok(None) }
    }

    fn attach(server: Option<u32>) -> Result<Self, Failure> {
        let processes = server.map_or_else(|| vec![std::process::id()], cpu::tree);
        let output = NamedTempFile::new()?;
        let mut command = Command::new("strace");
        command.args(["-f", "-c", "-e", CALLS, "-o"]).arg(output.path());
        for process in &processes {
            command.args(["-p", &process.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut strace = command.spawn().map_err(|error| format!("strace: {error}"))?;
        let mut said = BufReader::new(strace.stderr.take().ok_or("strace says nothing")?);
        for _ in &processes {
            // `strace: Process 42 attached with 3 threads`
            let mut line = String::new();
            said.read_line(&mut line)?;
            // Others than the first may have ended meanwhile, such as connections that were closed.
            let first = line.contains(&format!(" {})", processes[0]));
            if !line.contains("attached") && (first || line.is_empty()) {
                let _ = strace.kill();
                strace.wait()?;
                return Err(format!("strace can't attach: {}", line.trim()).into());
            }
        }
        // Nobody has to read what it says of threads that come and go: the pipe stays open.
        std::thread::Builder::new().name("strace".into()).spawn(move || {
            let _ = std::io::copy(&mut said, &mut std::io::sink());
        })?;
        Ok(Self { strace, output })
    }

    /// How many calls there were.
    pub(crate) fn finish(mut self) -> Result<u64, Failure> {
        kill_process(Pid::from_child(&self.strace), Signal::INT)?;
        self.strace.wait()?;
        Ok(count(&fs::read_to_string(self.output.path())?))
    }
}

/// Reads `% time, seconds, usecs/call, calls, errors (or nothing), syscall`.
fn count(table: &str) -> u64 {
    let calls = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let traced =
            fields.last().is_some_and(|name| CALLS[6..].split(',').any(|call| call == *name));
        if traced { fields.get(3)?.parse::<u64>().ok() } else { None }
    };
    table.lines().filter_map(calls).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_added_up() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n \
                     90.00    0.009000          90       100           fdatasync\n \
                     10.00    0.001000         100        10         1 fsync\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.010000                   110         1 total\n";
        assert_eq!(count(table), 110);
    }
}
