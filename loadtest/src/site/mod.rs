//! `loadtest site`: all of Carrel as it is used, over HTTP, with simulated hosts; beside it a bare
//! server, and what others do the same with.

pub(crate) mod bare;
mod command;
mod facts;
pub(crate) mod http;
mod life;
mod lookup;
mod million;
mod overload;
mod page;
mod php;
mod rebuild;
mod seen;
pub(crate) mod server;
mod start;
mod turn;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use tokio::runtime::Runtime;

use self::server::Server;
use crate::load::Load;
use crate::place::{self, Place};
use crate::report::{self, Given, Section};
use crate::{Failure, machine};

/// As many as a busy site has clients that ask at the same moment.
const CONNECTIONS: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these rows
    #[arg(long, value_name = "NAME")]
    only: Vec<Row>,
    /// How long one turn is counted, in seconds
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    /// The binary of Carrel; the one beside this program if nothing is said
    #[arg(long, value_name = "FILE")]
    carrel: Option<PathBuf>,
    /// On which disk; a directory in cargo's target directory if nothing is said
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Commands over HTTP, durable, beside a bare handler
    Command,
    /// What a thin client asks: which desktops are mine
    Lookup,
    /// From a command that was accepted to the worker that begins with it
    Start,
    /// From a fact to the read that shows it
    Seen,
    /// 20,000 desktops are made, started, looked at, and stopped until there are a million facts
    Life,
    /// The first page of a million machines
    Million,
    /// Read models are built from a million facts
    Rebuild,
    /// Ten times as much as it can take
    Overload,
}

struct Session<'a> {
    arguments: &'a Arguments,
    place: Place,
    carrel: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let parent = arguments.dir.clone().map_or_else(place::beside_the_program, Ok)?;
    let beside = std::env::current_exe()?.with_file_name("carrel");
    let session = Session {
        arguments,
        place: Place::make(&parent)?,
        carrel: arguments.carrel.clone().unwrap_or(beside),
    };
    let mut sections = Vec::new();
    for row in Row::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(row) {
            sections.push(session.row(*row)?);
        }
    }
    let machine = machine::describe()?;
    report::finish(&machine, &sections, &arguments.given)
}

impl Session<'_> {
    fn row(&self, row: Row) -> Result<Section, Failure> {
        match row {
            Row::Command => command::run(self),
            Row::Lookup => lookup::run(self),
            Row::Start => start::run(self),
            Row::Seen => seen::run(self),
            Row::Life => life::run(self),
            Row::Million => million::run(self),
            Row::Rebuild => rebuild::run(self),
            Row::Overload => overload::run(self),
        }
    }

    fn runtime(&self) -> Result<Runtime, Failure> {
        self.load().runtime()
    }

    fn load(&self) -> Load {
        Load {
            writers: CONNECTIONS,
            measured: Duration::from_secs(u64::from(self.arguments.seconds)),
            seed: 0,
            count_syncs: false,
        }
    }

    fn rounds(&self) -> u16 {
        self.arguments.given.rounds
    }

    /// With an empty directory, or with what is in one.
    fn server(&self, data: &Path, hosts: u16) -> Result<Server, Failure> {
        Server::start(&self.carrel, data, ["--sim-hypervisors", &hosts.to_string()])
    }
}
