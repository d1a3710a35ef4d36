//! `carrel log tail`

use std::collections::VecDeque;
use std::io;

use carrel_log::{EventLog, PageLimit};
use carrel_model::record::{Position, Record, Version};

use super::record::{self, Json};
use super::target::Target;
use crate::arguments::Tail;
use crate::failure::{Failure, Outcome};
use crate::output::{Form, Output};
use crate::text;

/// Looked through at once on the way back from the end.
const STEP_RECORDS: u64 = 10_000;

pub(super) async fn run(
    target: &Target,
    what: &Tail,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let log = target.read().await?;
    let log = log.port();
    let end = log.head().await?.position;
    let mut after = if let Some(after) = what.after {
        after
    } else {
        for record in last_ones(log, what, end).await? {
            print(&record, output)?;
        }
        end
    };
    loop {
        after = print_after(log, after, what, output).await?;
        output.flush()?;
        if !what.follow {
            return Ok(Outcome::Fine);
        }
        log.wait_past(after).await?;
    }
}

fn print(record: &Record, output: &mut Output) -> io::Result<()> {
    match output.form() {
        Form::Json => output.json(&Json::of(record)),
        Form::People => {
            let line = record::line(record, output.width);
            output.line(&line)
        }
    }
}

fn is_wanted(what: &Tail, record: &Record) -> bool {
    what.stream.as_ref().is_none_or(|stream| *stream == record.stream)
        && what.kind.as_ref().is_none_or(|glob| text::matches(glob, record.kind.as_str()))
}

/// Prints what stands behind a position now, and says where that ends.
async fn print_after(
    log: &dyn EventLog,
    mut after: Position,
    what: &Tail,
    output: &mut Output,
) -> Result<Position, Failure> {
    loop {
        let page = log.read(after, PageLimit::MAX).await?;
        after = page.records.last().map_or(after, |record| record.position);
        for record in page.records.iter().filter(|record| is_wanted(what, record)) {
            print(record, output)?;
        }
        if page.at_end {
            return Ok(after);
        }
    }
}

/// The last records that match, from the end back.
async fn last_ones(
    log: &dyn EventLog,
    what: &Tail,
    end: Position,
) -> Result<VecDeque<Record>, Failure> {
    if let (Some(stream), None) = (&what.stream, &what.kind) {
        return last_of_stream(log, stream, what.lines, end).await;
    }
    let mut found = VecDeque::new();
    let mut until = end;
    let mut step = (what.lines as u64).clamp(1, STEP_RECORDS);
    while until > Position::START && found.len() < what.lines {
        let from = Position(until.0.saturating_sub(step));
        let wanted = between(log, from, until, what).await?;
        for record in wanted.into_iter().rev() {
            if found.len() < what.lines {
                found.push_front(record);
            }
        }
        (until, step) = (from, STEP_RECORDS);
    }
    Ok(found)
}

async fn between(
    log: &dyn EventLog,
    from: Position,
    until: Position,
    what: &Tail,
) -> Result<Vec<Record>, Failure> {
    let mut wanted = Vec::new();
    let mut after = from;
    while after < until {
        let page = log.read(after, PageLimit::MAX).await?;
        let Some(last) = page.records.last() else { break };
        after = last.position;
        let within = page.records.into_iter().filter(|record| record.position <= until);
        wanted.extend(within.filter(|record| is_wanted(what, record)));
    }
    Ok(wanted)
}

async fn last_of_stream(
    log: &dyn EventLog,
    stream: &carrel_model::record::StreamId,
    lines: usize,
    end: Position,
) -> Result<VecDeque<Record>, Failure> {
    let mut found = VecDeque::new();
    let mut after = Version::NONE;
    loop {
        let page = log.read_stream(stream, after, PageLimit::MAX).await?;
        after = page.records.last().map_or(after, |record| record.version);
        for record in page.records.into_iter().filter(|record| record.position <= end) {
            found.push_back(record);
            if found.len() > lines {
                found.pop_front();
            }
        }
        if page.at_end {
            return Ok(found);
        }
    }
}
