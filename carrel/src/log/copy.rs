//! `carrel log export` and `carrel log import`

use carrel_log::disk::OsDisk;
use carrel_log::portable::{self, ExportError, ImportError, Imported};
use carrel_log::{AppendError, EventLog};
use serde::Serialize;

use super::target::{Target, open_or_begin};
use crate::arguments::{Export, Import};
use crate::failure::{Failure, Outcome};
use crate::output::{Counted, Form, Output, progress_bar};

#[derive(Debug, Serialize)]
struct JsonExport {
    file: String,
    log_id: String,
    position: u64,
    link: String,
    units: u64,
    bytes: u64,
    resumed_after: Option<u64>,
}

pub(super) async fn export(
    target: &Target,
    what: &Export,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let log = target.read().await?;
    let bar = progress_bar(Counted::Records, "exporting");
    let exported = portable::export(log.port(), &OsDisk, &what.to, |at| {
        bar.set_length(at.total);
        bar.set_position(at.done);
    });
    let exported = exported.await;
    bar.finish_and_clear();
    let exported = exported.map_err(export_failed)?;
    let json = JsonExport {
        file: what.to.display().to_string(),
        log_id: exported.header.log_id.to_string(),
        position: exported.header.position.0,
        link: exported.header.link.to_string(),
        units: exported.units,
        bytes: exported.bytes,
        resumed_after: exported.resumed_after.map(|position| position.0),
    };
    match output.form() {
        Form::Json => output.json(&json)?,
        Form::People => {
            output.field(
                "exported",
                format!("{} commands, up to position {}", json.units, json.position),
            )?;
            if let Some(after) = json.resumed_after {
                output.field("resumed after", format!("position {after}"))?;
            }
            let bytes = indicatif::HumanBytes(json.bytes);
            output.field("file", format!("{}, {bytes}", json.file))?;
            output.field("link", json.link)?;
        }
    }
    Ok(Outcome::Fine)
}

fn export_failed(error: ExportError) -> Failure {
    let failure = Failure::new("the export could not be made");
    match error {
        ExportError::Read(error) => error.into(),
        ExportError::Io { .. } => {
            failure.because(error).next("run it again with the same file: it goes on where it was")
        }
        ExportError::NotAnExport { .. }
        | ExportError::OtherLog { .. }
        | ExportError::OtherPast { .. } => {
            failure.because(error).next("name another file with --to")
        }
    }
}

#[derive(Debug, Serialize)]
struct JsonImport {
    log_id: String,
    records: u64,
    resumed_after: u64,
    position: u64,
    link: String,
    incarnation: u32,
}

pub(super) async fn import(
    target: &Target,
    what: &Import,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let header = portable::read_header(&OsDisk, &what.from).map_err(import_failed)?;
    let imported = match target {
        Target::Directory(dir) => {
            if what.make_tables_for.is_some() {
                return Err(Failure::usage("--make-tables-for is for a log in a database"));
            }
            let log = open_or_begin(dir, header.log_id, "import")?;
            log.rebuilt().await.map_err(AppendError::from)?;
            bring_in(&log, what).await
        }
        Target::Postgres(url) => into_postgres(url, &header, what).await,
    }?;
    let json = JsonImport {
        log_id: imported.head.log_id.to_string(),
        records: imported.records,
        resumed_after: imported.resumed_after.0,
        position: imported.head.position.0,
        link: imported.head.link.to_string(),
        incarnation: imported.head.incarnation.0,
    };
    match output.form() {
        Form::Json => output.json(&json)?,
        Form::People => {
            output.field("log", json.log_id)?;
            output.field("imported", format!("{} records", json.records))?;
            if json.resumed_after > 0 {
                output.field("resumed after", format!("position {}", json.resumed_after))?;
            }
            output.field("ends at", format!("position {}, link {}", json.position, json.link))?;
            output.field("incarnation", json.incarnation)?;
        }
    }
    Ok(Outcome::Fine)
}

async fn bring_in(log: &dyn EventLog, what: &Import) -> Result<Imported, Failure> {
    let bar = progress_bar(Counted::Bytes, "importing");
    let imported = portable::import(log, &OsDisk, &what.from, |at| {
        bar.set_length(at.total);
        bar.set_position(at.done);
    });
    let imported = imported.await;
    bar.finish_and_clear();
    log.close().await?;
    imported.map_err(import_failed)
}

#[cfg(feature = "postgres")]
async fn into_postgres(
    url: &str,
    header: &portable::Header,
    what: &Import,
) -> Result<Imported, Failure> {
    use carrel_log::postgres::{PostgresLog, Settings};

    let options = super::target::connect_options(url)?;
    if let Some(role) = &what.make_tables_for {
        PostgresLog::migrate(&options, role, header.log_id)
            .await
            .map_err(|error| Failure::new("the database is not ready").because(error))?;
    }
    let log = PostgresLog::connect(options, Settings::default()).await?;
    bring_in(&log, what).await
}

#[cfg(not(feature = "postgres"))]
async fn into_postgres(_: &str, _: &portable::Header, _: &Import) -> Result<Imported, Failure> {
    Err(super::target::without_postgres())
}

fn import_failed(error: ImportError) -> Failure {
    let failure = Failure::new("the export could not be imported");
    match error {
        ImportError::Append(error) => error.into(),
        ImportError::Read(error) => error.into(),
        ImportError::Malformed { .. } => {
            failure.because(error).next("check the copy with `carrel log verify --export FILE`")
        }
        ImportError::OtherLog { .. }
        | ImportError::NotAPart { .. }
        | ImportError::GoneOn { .. } => {
            failure.because(error).next("import into a new log: name another one with --log")
        }
        ImportError::Io { .. } | ImportError::Unfinished { .. } | ImportError::Finished { .. } => {
            failure.because(error)
        }
    }
}
