//! `loadtest log`: the rows, and what they are held against.

mod append;
mod big;
mod growth;
pub(crate) mod open;
mod read;
mod size;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use self::big::Big;
use crate::place::{self, Place};
use crate::report::{self, Given, Section};
use crate::{Failure, load, machine};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these rows
    #[arg(long, value_name = "NAME")]
    only: Vec<Row>,
    /// How long one turn is counted, in seconds
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    /// How many events the large log has
    #[arg(long, default_value_t = 10_000_000,
        value_parser = clap::value_parser!(u64).range(1_000_000..=100_000_000))]
    events: u64,
    /// On which disk; a directory in cargo's target directory if nothing is said
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where loadtest/peers/install put the peers that are programs
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Counts the syncs of all, by strace, in a turn after the rounds
    #[arg(long)]
    count_syncs: bool,
    #[command(flatten)]
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// One writer appends
    #[value(name = "append-1")]
    Append1,
    /// 32 writers append
    #[value(name = "append-32")]
    Append32,
    /// 128 writers append
    #[value(name = "append-128")]
    Append128,
    /// A million events are read in order
    Read,
    /// Bytes on disk for each byte of payload
    Size,
    /// The large log is opened, and what can be rebuilt is
    Open,
    /// Appending to the large log, beside appending to a small one
    Growth,
}

/// What all rows are measured with.
struct Session<'a> {
    arguments: &'a Arguments,
    place: Place,
    /// The machine, and how fast its disk is: of these two the rest is made.
    big: Big,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let parent = arguments.dir.clone().map_or_else(place::beside_the_program, Ok)?;
    let place = Place::make(&parent)?;
    let session = Session { arguments, place, big: Big::default() };
    let mut sections = Vec::new();
    for row in Row::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(row) {
            sections.push(session.row(*row)?);
        }
    }
    let sync = crate::bare::sync_micros(&session.place)?;
    let machine = format!(
        "{}; half of all single writes with fdatasync take less than {sync:.0} µs",
        machine::describe()?
    );
    report::finish(&machine, &sections, &arguments.given)
}

impl Session<'_> {
    fn row(&self, row: Row) -> Result<Section, Failure> {
        match row {
            Row::Append1 => append::run(self, 1),
            Row::Append32 => append::run(self, 32),
            Row::Append128 => append::run(self, 128),
            Row::Read => read::run(self),
            Row::Size => size::run(self),
            Row::Open => open::row(self),
            Row::Growth => growth::run(self),
        }
    }

    const fn measured(&self) -> Duration {
        Duration::from_secs(self.arguments.seconds as u64)
    }

    fn rounds(&self) -> usize {
        usize::from(self.arguments.given.rounds)
    }

    fn load(&self, writers: usize) -> load::Load {
        load::Load {
            writers,
            measured: self.measured(),
            seed: 1_000 * writers as u64,
            count_syncs: self.arguments.count_syncs,
        }
    }
}
