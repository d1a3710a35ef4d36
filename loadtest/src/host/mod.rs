//! `loadtest host`: Carrel on a real libvirtd with real QEMU, beside what `qemu-img` and `virsh` do
//! of the same.
//!
//! ```text
//!   making     overlay, definition, QEMU: by the driver, and by shell loops
//!   copy       a version, by the driver, and by qemu-img
//!   desktops   a site of one host makes desktops, starts them, and removes them while they run
//!   watch      it watches many
//!   connect    from "which desktops are mine" to a viewer that is let in
//! ```

mod connect;
mod copy;
mod desktops;
mod machine;
mod making;
mod paused;
mod shell;
mod site;
mod stop;
mod times;
mod watch;

use std::fs;
use std::path::PathBuf;

use carrel_lab::Lab;
use clap::ValueEnum;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use self::stop::Stop;
use crate::place::{self, Place};
use crate::report::{self, Given, Section};
use crate::{Failure, machine as this_machine};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these rows
    #[arg(long, value_name = "NAME")]
    only: Vec<Row>,
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
    /// 50 overlays, domains and paused QEMUs, beside shell loops
    Making,
    /// A version is copied, beside qemu-img
    Copy,
    /// 20 desktops are made, started and removed
    Desktops,
    /// 150 domains are watched
    Watch,
    /// From the lookup to the viewer
    Connect,
}

struct Session<'a> {
    arguments: &'a Arguments,
    stop: Stop,
    carrel: PathBuf,
    place: Place,
}

/// A libvirtd that nobody else sees, and a storage on the disk that was named. Guests end before
/// their files go.
struct Host {
    lab: Lab,
    storage: TempDir,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err("a libvirtd of its own takes root".into());
    }
    let parent = arguments.dir.clone().map_or_else(place::beside_the_program, Ok)?;
    // What libvirt is told of has no detours.
    fs::create_dir_all(&parent)?;
    let parent = fs::canonicalize(parent)?;
    let beside = std::env::current_exe()?.with_file_name("carrel");
    let session = Session {
        arguments,
        stop: Stop::listen()?,
        carrel: arguments.carrel.clone().unwrap_or(beside),
        place: Place::make(&parent)?,
    };
    let mut sections = Vec::new();
    for row in Row::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(row) {
            sections.push(session.row(*row)?);
        }
    }
    report::finish(&this_machine::describe()?, &sections, &arguments.given)
}

impl Session<'_> {
    fn row(&self, row: Row) -> Result<Section, Failure> {
        match row {
            Row::Making => making::run(self),
            Row::Copy => copy::run(self),
            Row::Desktops => desktops::run(self),
            Row::Watch => watch::run(self),
            Row::Connect => connect::run(self),
        }
    }

    fn host(&self) -> Result<Host, Failure> {
        self.stop.check()?;
        let storage = self.place.for_guests()?;
        Ok(Host { lab: Lab::start(), storage })
    }

    fn runtime(&self) -> Result<Runtime, Failure> {
        self.stop.check()?;
        Ok(Builder::new_multi_thread().enable_all().build()?)
    }

    fn rounds(&self) -> u16 {
        self.arguments.given.rounds
    }
}

impl Host {
    fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.storage.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}
