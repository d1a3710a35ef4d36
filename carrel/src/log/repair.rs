//! `carrel log repair`

use carrel_log::embedded::repair::{Plan, Repair, RepairError};
use serde::Serialize;

use super::target::{Target, disk, owner};
use crate::arguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Form, Output};

#[derive(Debug, Serialize)]
struct Json {
    position: u64,
    link: String,
    incarnation: u32,
    cut_records: u64,
    cut_until: Option<u64>,
    cut_from_time: Option<String>,
    cut_until_time: Option<String>,
    damaged_chunks: Vec<u64>,
    aside: String,
}

pub(super) fn run(
    target: &Target,
    what: &arguments::Repair,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let dir = target.directory("repair")?;
    let repair = Repair::plan(&disk(), dir, what.truncate_to, &owner("repair"), None)
        .map_err(|error| failed(error, what))?;
    let plan = repair.planned();
    if output.form() == Form::People {
        describe(&plan, output)?;
    }
    output.flush()?;
    if !what.yes {
        match output::confirmed("Cut it off?")? {
            Some(true) => {}
            Some(false) => return Err(Failure::new("nothing was changed")),
            None => {
                return Err(Failure::usage("nothing was changed: nobody can be asked here")
                    .next("look at what would be cut, and say --yes"));
            }
        }
    }
    let head = repair.apply().map_err(|error| failed(error, what))?;
    match output.form() {
        Form::Json => output.json(&Json {
            position: head.position.0,
            link: head.link.to_string(),
            incarnation: head.incarnation.0,
            cut_records: plan.cut.records,
            cut_until: plan.cut.last.map(|position| position.0),
            cut_from_time: plan.cut.times.map(|(first, _)| first.to_string()),
            cut_until_time: plan.cut.times.map(|(_, last)| last.to_string()),
            damaged_chunks: plan.cut.damaged,
            aside: plan.aside.display().to_string(),
        })?,
        Form::People => {
            output.field("done", format!("the log ends at position {}", head.position))?;
            output.field("next", "check it with `carrel log verify`, then start Carrel")?;
        }
    }
    Ok(Outcome::Fine)
}

fn describe(plan: &Plan, output: &mut Output) -> std::io::Result<()> {
    let cut = &plan.cut;
    if plan.resumed {
        output.line("An earlier repair was interrupted and is finished now.")?;
    }
    output.field("stays", format!("everything up to position {}", plan.position))?;
    let records = match cut.last {
        Some(last) => format!("{} records, up to position {last}", cut.records),
        None => String::from("no record that can be read"),
    };
    output.field("is cut", records)?;
    if let Some((first, last)) = cut.times {
        output.field("written", format!("{first} to {last}"))?;
    }
    if !cut.damaged.is_empty() {
        let numbers: Vec<String> = cut.damaged.iter().map(ToString::to_string).collect();
        let chunks = numbers.join(", ");
        output.field("damaged", format!("chunk {chunks}: there may have been more records"))?;
    }
    output.field("is kept in", plan.aside.display())?;
    output.field("incarnation", format!("{} from then on", plan.incarnation))
}

fn failed(error: RepairError, what: &arguments::Repair) -> Failure {
    let failure = Failure::new(format!("the log could not be cut off at {}", what.truncate_to));
    match &error {
        RepairError::NotAnEnd { .. } => {
            failure.because(error).next("cut at one of these, or further back")
        }
        RepairError::Beyond { readable, .. } => {
            let next = format!("cut at {readable} or further back");
            failure.because(error).next(next)
        }
        RepairError::OtherUnfinished { unfinished } => {
            let next = format!("carrel log repair --truncate-to {unfinished}");
            failure.because(error).next(next)
        }
        RepairError::Open(open) => Failure::opening(open),
        RepairError::Read(_) => failure
            .because(error)
            .next("run it again once that is put right: it goes on where it was"),
        RepairError::NothingToCut(_) => failure.because(error),
    }
}
