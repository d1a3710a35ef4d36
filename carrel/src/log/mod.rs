//! `carrel log`: looking after an event log.

mod archive;
mod copy;
mod record;
mod repair;
mod show;
mod stats;
mod tail;
mod target;
mod verify;

use crate::arguments::{LogArguments, What};
use crate::failure::{Failure, Outcome};
use crate::output::{Form, Output};

use self::target::Target;

pub(crate) async fn run(arguments: LogArguments) -> Result<Outcome, Failure> {
    let target = Target::parse(&arguments.log)?;
    let mut output = Output::new(if arguments.json { Form::Json } else { Form::People });
    let outcome = match arguments.what {
        What::Tail(what) => tail::run(&target, &what, &mut output).await,
        What::Show(what) => show::run(&target, &what, &mut output).await,
        What::Verify(what) => verify::run(&target, &what, &mut output).await,
        What::Stats(what) => stats::run(&target, &what, &mut output).await,
        What::Export(what) => copy::export(&target, &what, &mut output).await,
        What::Import(what) => copy::import(&target, &what, &mut output).await,
        What::Archive(what) => archive::run(&target, &what, &mut output),
        What::Repair(what) => repair::run(&target, &what, &mut output),
    }?;
    output.flush()?;
    Ok(outcome)
}
