//! `carrel log verify`

use std::path::Path;

use carrel_log::disk::OsDisk;
use carrel_log::verify::{Finding, Report, Severity, over_port};
use carrel_log::{embedded, portable};
use serde::Serialize;

use super::target::{Target, disk};
use crate::arguments::Verify;
use crate::failure::{Failure, Outcome};
use crate::output::{Colour, Counted, Form, Output, progress_bar};

#[derive(Debug, Serialize)]
struct Json {
    sound: bool,
    log_id: Option<String>,
    position: Option<u64>,
    link: Option<String>,
    incarnation: Option<u32>,
    records: u64,
    units: u64,
    streams: u64,
    chunks: u64,
    archived: u64,
    bytes: u64,
    trusted: Option<u64>,
    first_bad: Option<Found>,
    findings: Vec<Found>,
    findings_left_out: u64,
    unchecked: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Found {
    severity: &'static str,
    path: Option<String>,
    offset: Option<u64>,
    position: Option<u64>,
    what: String,
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Self {
            severity: word(finding.severity),
            path: finding.path.as_ref().map(|path| path.display().to_string()),
            offset: finding.offset,
            position: finding.position.map(|position| position.0),
            what: finding.what.clone(),
        }
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Stale => "stale",
        Severity::Damage => "damage",
    }
}

pub(super) async fn run(
    target: &Target,
    what: &Verify,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    if let Some(file) = &what.export {
        return export(file, output);
    }
    let report = match target {
        Target::Directory(dir) => {
            let bar = progress_bar(Counted::Bytes, "verifying");
            let report = embedded::verify::verify(&disk(), dir, None, &mut |at| {
                bar.set_length(at.total);
                bar.set_position(at.done);
            });
            bar.finish_and_clear();
            report?
        }
        Target::Postgres(_) => {
            let log = target.read().await?;
            let bar = progress_bar(Counted::Records, "verifying");
            let report = over_port(log.port(), |at| {
                bar.set_length(at.total);
                bar.set_position(at.done);
            });
            let report = report.await;
            bar.finish_and_clear();
            report?
        }
    };
    match output.form() {
        Form::Json => output.json(&json(&report))?,
        Form::People => people(&report, output)?,
    }
    Ok(if report.findings.is_empty() { Outcome::Fine } else { Outcome::Findings })
}

fn json(report: &Report) -> Json {
    Json {
        sound: report.findings.is_empty(),
        log_id: report.head.map(|head| head.log_id.to_string()),
        position: report.head.map(|head| head.position.0),
        link: report.head.map(|head| head.link.to_string()),
        incarnation: report.head.map(|head| head.incarnation.0),
        records: report.records,
        units: report.units,
        streams: report.streams,
        chunks: report.chunks,
        archived: report.archived,
        bytes: report.bytes,
        trusted: report.trusted.or(report.head.map(|head| head.position)).map(|it| it.0),
        first_bad: report.first_bad().map(Found::from),
        findings: report.findings.iter().map(Found::from).collect(),
        findings_left_out: report.findings_left_out,
        unchecked: report.unchecked.clone(),
    }
}

fn people(report: &Report, output: &mut Output) -> std::io::Result<()> {
    if let Some(head) = report.head {
        output.field("log", format!("{}, incarnation {}", head.log_id, head.incarnation))?;
        output.field("ends at", format!("position {}, link {}", head.position, head.link))?;
    }
    let checked = format!(
        "{} records of {} commands in {} streams",
        report.records, report.units, report.streams
    );
    output.field("checked", checked)?;
    if report.chunks > 0 {
        let bytes = indicatif::HumanBytes(report.bytes);
        output.field(
            "files",
            format!("{} chunks, {} archived, {bytes}", report.chunks, report.archived),
        )?;
    }
    for unchecked in &report.unchecked {
        output.field("not checked", unchecked)?;
    }
    for finding in &report.findings {
        let colour = match finding.severity {
            Severity::Damage => Colour::Red,
            Severity::Stale => Colour::Yellow,
        };
        let severity = output.coloured(colour, word(finding.severity));
        output.line(&format!("{severity}: {finding}"))?;
    }
    if report.findings_left_out > 0 {
        output.line(&format!("and {} more", report.findings_left_out))?;
    }
    let result = match (report.trusted, report.findings.is_empty()) {
        (Some(trusted), _) => {
            output.coloured(Colour::Red, "damaged")
                + &format!("; positions up to {trusted} can be trusted")
        }
        (None, false) => {
            output.coloured(Colour::Yellow, "sound")
                + "; what is stale is made again from the log, mostly by itself at the next start"
        }
        (None, true) => output.coloured(Colour::Green, "sound"),
    };
    output.field("result", result)?;
    // Only files can be brought back or cut off.
    let Some(trusted) = report.trusted.filter(|_| report.chunks > 0) else { return Ok(()) };
    let next = format!(
        "bring back what is damaged from a copy, or give up what follows: \
         carrel log repair --truncate-to {trusted}"
    );
    output.field("next", next)
}

#[derive(Debug, Serialize)]
struct JsonExport {
    sound: bool,
    position: Option<u64>,
    link: Option<String>,
    units: Option<u64>,
    what: Option<String>,
}

/// Damage in an export is a finding, as it is in a log.
fn export(file: &Path, output: &mut Output) -> Result<Outcome, Failure> {
    let bar = progress_bar(Counted::Bytes, "verifying");
    let checked = portable::check(&OsDisk, file, |at| {
        bar.set_length(at.total);
        bar.set_position(at.done);
    });
    bar.finish_and_clear();
    let json = match &checked {
        Ok(closing) => JsonExport {
            sound: true,
            position: Some(closing.position.0),
            link: Some(closing.link.to_string()),
            units: Some(closing.units),
            what: None,
        },
        Err(portable::ImportError::Io { .. }) => {
            return Err(Failure::new("the export can't be read").because(file.display()));
        }
        Err(error) => JsonExport {
            sound: false,
            position: None,
            link: None,
            units: None,
            what: Some(error.to_string()),
        },
    };
    match output.form() {
        Form::Json => output.json(&json)?,
        Form::People => match &checked {
            Ok(closing) => {
                output.field(
                    "ends at",
                    format!("position {}, link {}", closing.position, closing.link),
                )?;
                output.field("checked", format!("{} commands", closing.units))?;
                let sound = output.coloured(Colour::Green, "sound");
                output.field("result", sound)?;
            }
            Err(error) => {
                let damage = output.coloured(Colour::Red, "damage");
                output.line(&format!("{damage}: {error}"))?;
            }
        },
    }
    Ok(if json.sound { Outcome::Fine } else { Outcome::Findings })
}
