//! Verifying through the port, whatever the log stands on.

use carrel_model::record::{Position, Record};

use super::account::Suspects;
use super::{Account, Finding, Progress, Report, Severity};
use crate::ahead::{Units, each_page};
use crate::chain::{self, Link};
use crate::error::ReadError;
use crate::port::{EventLog, Head, PageLimit};

/// Reads the log up to where it ends now. What can't be read ends the reading, and is a finding;
/// only a log that can't be reached is an error.
pub async fn over_port(
    log: &dyn EventLog,
    mut progress: impl FnMut(Progress),
) -> Result<Report, ReadError> {
    let head = log.head().await?;
    let mut report = Report { head: Some(head), ..Report::default() };
    let mut account = Account::default();
    let mut end = Folded::default();
    let whole = units(log, &head, &mut report, |unit, report| {
        end.take(unit, report);
        account.take(unit, report);
        let done = end.position.0;
        progress(Progress { done, total: head.position.0 });
    });
    let whole = whole.await?;
    report.records = account.records;
    report.units = account.units();
    report.streams = account.streams();
    if whole && (end.position, end.link) != (head.position, head.link) {
        let bad = first_break(log, &end.marks).await?.unwrap_or(head.position);
        let what = "the chain over the records is not the one that the log keeps from here on";
        report.found(Finding::new(Severity::Damage, what).at(bad));
    }
    if let Some(mut suspects) = account.suspects() {
        look_again(log, &head, &mut suspects, &mut report).await?;
    }
    report.trust(head.position);
    for (name, cursor) in log.cursors().await? {
        if cursor.position > head.position {
            let what = format!("cursor {name} is beyond the end of the log");
            report.found(Finding::new(Severity::Stale, what).at(cursor.position));
        }
    }
    Ok(report)
}

/// How often it is remembered what the chain came to: a break is looked for between two of them.
const MARK_EVERY: u64 = 1_000;
const READ_AT_ONCE: usize = 1_000;

struct Folded {
    position: Position,
    link: Link,
    /// What it came to on the way.
    marks: Vec<(Position, Link)>,
    scratch: Vec<u8>,
}

impl Default for Folded {
    fn default() -> Self {
        let (position, link) = (Position::START, Link::START);
        Self { position, link, marks: vec![(position, link)], scratch: Vec::new() }
    }
}

impl Folded {
    fn take(&mut self, unit: &[Record], report: &mut Report) {
        for record in unit {
            let expected = self.position.next();
            if record.position != expected {
                let what = format!("position {} where {expected} was expected", record.position);
                report.found(Finding::new(Severity::Damage, what).at(expected));
            }
            self.position = record.position;
            self.link = chain::next(self.link, record, &mut self.scratch);
        }
        if self.marks.last().is_none_or(|(last, _)| self.position.0 - last.0 >= MARK_EVERY) {
            self.marks.push((self.position, self.link));
        }
    }
}

/// The first record of the first command from which on the chain over the records is not the one
/// that the log keeps. From a change on, no later link is the same.
async fn first_break(
    log: &dyn EventLog,
    marks: &[(Position, Link)],
) -> Result<Option<Position>, ReadError> {
    let (mut low, mut high) = (0, marks.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let (position, link) = marks[middle];
        if log.link_at(position).await? == Some(link) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let Some((mut position, mut link)) = low.checked_sub(1).map(|last| marks[last]) else {
        return Ok(None);
    };
    let mut scratch = Vec::new();
    let mut command = None;
    loop {
        let page = log.read(position, PageLimit::records(READ_AT_ONCE)).await?;
        if page.records.is_empty() {
            return Ok(None);
        }
        for record in &page.records {
            let id = record.unit.command_id;
            let first = match command {
                Some((known, first)) if known == id => first,
                _ => record.position,
            };
            command = Some((id, first));
            (position, link) = (record.position, chain::next(link, record, &mut scratch));
            if log.link_at(position).await? != Some(link) {
                return Ok(Some(first));
            }
        }
    }
}

/// Gives all units up to the head, each in one piece. Says whether it came to the end.
async fn units(
    log: &dyn EventLog,
    head: &Head,
    report: &mut Report,
    mut take: impl FnMut(&[Record], &mut Report),
) -> Result<bool, ReadError> {
    let mut units = Units::default();
    let mut after = Position::START;
    let read = each_page(log, after, |page| {
        for record in page.records {
            if record.position > head.position {
                return Ok(false);
            }
            after = record.position;
            units.add(record, |unit| {
                take(unit, report);
                Ok::<_, ReadError>(())
            })?;
        }
        Ok::<_, ReadError>(after < head.position)
    });
    match read.await {
        Ok(()) => {}
        Err(ReadError::Damaged(damage)) => {
            report.found(Finding::damage(damage));
            return Ok(false);
        }
        Err(ReadError::Corrupt(what)) => {
            report.found(Finding::new(Severity::Damage, what).at(after.next()));
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    if after < head.position {
        let what = "no record stands here, though the log goes on";
        report.found(Finding::new(Severity::Damage, what).at(after.next()));
        return Ok(false);
    }
    take(units.last(), report);
    Ok(true)
}

async fn look_again(
    log: &dyn EventLog,
    head: &Head,
    suspects: &mut Suspects,
    report: &mut Report,
) -> Result<(), ReadError> {
    // What could not be read was found the first time.
    let mut known = Report::default();
    let mut twice = Report::default();
    units(log, head, &mut known, |unit, _| suspects.take(unit, &mut twice)).await?;
    twice.findings.into_iter().for_each(|finding| report.found(finding));
    Ok(())
}
