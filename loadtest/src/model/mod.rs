//! `loadtest model`: how fast commands are decided and facts are folded, on one core.

mod decide;
mod desktops;
mod fold;
mod memory;

use clap::ValueEnum;

use crate::report::{self, Given, Section};
use crate::{Failure, machine};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these rows
    #[arg(long, value_name = "NAME")]
    only: Vec<Row>,
    #[command(flatten)]
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Facts are folded, as values and as JSON
    Fold,
    /// Mixed commands are decided
    Decide,
    /// A desktop is asked for, in a small pool and in a large one
    Desktops,
    /// What a machine takes of memory
    Memory,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut sections: Vec<Section> = Vec::new();
    for row in Row::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(row) {
            sections.push(match row {
                Row::Fold => fold::run(arguments.given.rounds)?,
                Row::Decide => decide::run(arguments.given.rounds)?,
                Row::Desktops => desktops::run(arguments.given.rounds)?,
                Row::Memory => memory::run(arguments.given.rounds)?,
            });
        }
    }
    report::finish(&machine::describe()?, &sections, &arguments.given)
}
