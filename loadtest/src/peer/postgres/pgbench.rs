//! PostgreSQL's own client for measuring: prepared statements, no runtime of its own.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use carrel_testkit::postgres::Postgres;
use hdrhistogram::Histogram;

use super::{DOES, Server};
use crate::Failure;
use crate::events::{STREAMS, Source};
use crate::load::{Load, Sample, cores, cpu_of};
use crate::place::Place;
use crate::store::Store;
use crate::syncs::Tracer;

/// Latencies are logged for one in so many, because logging takes time.
const LOGGED_ONE_IN: f64 = 10.0;

pub(crate) struct PgBench(pub(crate) Rc<Server>);

impl Store for PgBench {
    fn name(&self) -> &'static str {
        "PostgreSQL, by pgbench"
    }

    fn does(&self) -> &'static str {
        DOES
    }

    fn appends(&self, load: &Load, place: &Place) -> Result<Sample, Failure> {
        self.0.empty_table()?;
        let dir = place.for_servers()?;
        let script = dir.join("insert.sql");
        fs::write(&script, script_text())?;
        self.run(load, load.warm_up(), &script, 0)?;

        let server = self.0.process_id();
        let tracer = Tracer::attach_if(load.count_syncs, server)?;
        let before = cpu_of(server);
        let said = self.run(load, load.measured, &script, WARMED_UP)?;
        let spent = cpu_of(server).saturating_sub(before);
        let syncs = tracer.map(Tracer::finish).transpose()?;

        let events = figure(&said, "number of transactions actually processed: ")?;
        Ok(Sample {
            rate: figure(&said, "tps = ")?,
            waited: latencies(&dir)?,
            cpu: spent.div_f64(events),
            syncs: syncs.map(|syncs| syncs as f64 / events),
        })
    }
}

/// Versions of the warm-up stay below it.
const WARMED_UP: u64 = 100_000_000;

/// Each connection has versions of its own, so that none has to ask for the last one of a stream.
fn script_text() -> String {
    format!(
        "\\set version :version + 1\n\
         \\set mine :client_id * 1000000000 + :version\n\
         \\set stream random_zipfian(1, {STREAMS}, 1.001)\n\
         INSERT INTO events (stream, version, data) VALUES (:stream, :mine, :body);\n"
    )
}

impl PgBench {
    fn run(
        &self,
        load: &Load,
        length: Duration,
        script: &Path,
        version: u64,
    ) -> Result<String, Failure> {
        let body = Source::new(load.seed)?.event().body;
        let mut pgbench = self.0.pgbench();
        pgbench.args(["--protocol=prepared", "--no-vacuum"]);
        pgbench.arg(format!("--client={}", load.writers));
        pgbench.arg(format!("--jobs={}", load.writers.min(cores())));
        pgbench.arg(format!("--time={}", length.as_secs().max(1)));
        pgbench.arg(format!("--random-seed={}", load.seed));
        pgbench.arg(format!("--define=version={version}"));
        pgbench.arg(format!("--define=body={}", std::str::from_utf8(&body)?));
        pgbench.arg("--file").arg(script);
        let prefix = script.with_file_name(LOG_PREFIX);
        pgbench.arg("--log").arg("--log-prefix").arg(prefix);
        pgbench.arg(format!("--sampling-rate={}", 1.0 / LOGGED_ONE_IN));
        pgbench.arg(Postgres::DATABASE);
        let dir = script.parent().ok_or("the script is in no directory")?;
        remove_logs(dir)?;
        let output = pgbench.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

const LOG_PREFIX: &str = "transactions";

fn logs(dir: &Path) -> Result<Vec<std::path::PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(LOG_PREFIX) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn remove_logs(dir: &Path) -> Result<(), Failure> {
    logs(dir)?.iter().try_for_each(|log| Ok(fs::remove_file(log)?))
}

/// Reads `client transaction microseconds script epoch microseconds`.
fn latencies(dir: &Path) -> Result<Histogram<u64>, Failure> {
    let mut waited = Histogram::new(3)?;
    for log in logs(dir)? {
        for line in fs::read_to_string(log)?.lines() {
            let micros = line.split(' ').nth(2).and_then(|field| field.parse::<u64>().ok());
            waited.record(micros.ok_or("a line of pgbench's log makes no sense")? * 1_000)?;
        }
    }
    Ok(waited)
}

/// The number behind a text in what pgbench said.
fn figure(said: &str, behind: &str) -> Result<f64, Failure> {
    let rest = said.split_once(behind).map(|(_, rest)| rest);
    let number = rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("pgbench did not say {behind:?}: {said}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_pgbench_says() {
        let said = "number of transactions actually processed: 17\n\
                    tps = 6604.25 (without initial connection time)\n";
        assert_eq!(figure(said, "tps = ").unwrap(), 6604.25);
        assert_eq!(figure(said, "number of transactions actually processed: ").unwrap(), 17.0);
        assert!(figure(said, "latency average = ").is_err());
    }
}
