//! PostgreSQL's fastest ways to take and give many rows.

use std::io::{BufWriter, Write};
use std::process::Stdio;
use std::time::Duration;

use super::Server;
use crate::events::Source;
use crate::{Failure, clock};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Text,
    Binary,
}

/// Fills the table, and leaves it as tidy as PostgreSQL can have it.
pub(crate) fn copy_in(server: &Server, events: u64, seed: u64) -> Result<(), Failure> {
    server.empty_table()?;
    let mut source = Source::new(seed)?;
    let mut psql = server.psql();
    psql.args(["--command", "COPY events (stream, version, data) FROM STDIN"]);
    let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut rows = BufWriter::new(psql.stdin.take().ok_or("psql reads nothing")?);
    for version in 1..=events {
        let event = source.event();
        write!(rows, "{}\t{version}\t", event.stream)?;
        rows.write_all(&event.body)?;
        rows.write_all(b"\n")?;
    }
    rows.into_inner()?.flush()?;
    if !psql.wait()?.success() {
        return Err("psql could not copy".into());
    }
    server.sql("VACUUM (FREEZE, ANALYZE) events; CHECKPOINT;")
}

/// Reads everything in order. Nobody looks at what comes.
pub(crate) fn copy_out(server: &Server, format: Format) -> Result<Duration, Failure> {
    let format = match format {
        Format::Text => "text",
        Format::Binary => "binary",
    };
    let statement = format!(
        "COPY (SELECT position, stream, version, data FROM events ORDER BY position) \
         TO STDOUT (FORMAT {format})"
    );
    let mut psql = server.psql();
    psql.args(["--command", &statement]).stdin(Stdio::null()).stdout(Stdio::null());
    let (took, status) = clock::timed(|| psql.status());
    if status?.success() { Ok(took) } else { Err("psql could not copy".into()) }
}
