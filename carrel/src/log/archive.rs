//! `carrel log archive`

use carrel_log::embedded::archive::{self, ArchiveError, Which};
use serde::Serialize;

use super::target::{Target, disk, owner};
use crate::arguments::Archive;
use crate::failure::{Failure, Outcome};
use crate::output::{Counted, Form, Output, progress_bar};

#[derive(Debug, Serialize)]
struct Json {
    to: String,
    moved: Vec<u64>,
    before: Vec<u64>,
    bytes: u64,
}

pub(super) fn run(
    target: &Target,
    what: &Archive,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let dir = target.directory("archive")?;
    let to = std::path::absolute(&what.to)?;
    let which = match (what.keep, what.below) {
        (Some(keep), _) => Which::AllBut(keep),
        (None, Some(position)) => Which::Below(position),
        (None, None) => return Err(Failure::usage("say which chunks: --keep or --below")),
    };
    let bar = progress_bar(Counted::Bytes, "moving");
    let archived = archive::archive(&disk(), dir, &to, which, &owner("archive"), &mut |at| {
        bar.set_length(at.total);
        bar.set_position(at.done);
    });
    bar.finish_and_clear();
    let archived = archived.map_err(failed)?;
    let json = Json {
        to: to.display().to_string(),
        moved: archived.moved,
        before: archived.before,
        bytes: archived.bytes,
    };
    match output.form() {
        Form::Json => output.json(&json)?,
        Form::People => {
            let bytes = indicatif::HumanBytes(json.bytes);
            output
                .field("moved", format!("{} chunks, {bytes}, to {}", json.moved.len(), json.to))?;
            output.field("moved before", format!("{} chunks", json.before.len()))?;
        }
    }
    Ok(Outcome::Fine)
}

fn failed(error: ArchiveError) -> Failure {
    let failure = Failure::new("the log could not be archived");
    match error {
        ArchiveError::Open(error) => error.into(),
        ArchiveError::Read(_) => failure
            .because(error)
            .next("nothing is lost; run it again once that is put right, and it goes on"),
        ArchiveError::NotAPlace { .. } | ArchiveError::Taken { .. } => {
            failure.because(error).next("name another directory with --to")
        }
        ArchiveError::NotRight { .. } => failure
            .because(error)
            .next("`carrel log verify` tells whether the chunk itself is damaged"),
    }
}
