//! Appends to an embedded log from many writers at once until it is stopped, however rudely; and
//! checks afterwards that the log kept every promise it made.
//!
//! What a writer does is drawn from a seed, so that whoever checks can draw it again (plan.rs).
//! What was promised is what `write` and `check` print (ledger.rs): whoever runs them keeps these
//! lines in a file and hands it to the next run. Nothing else is kept between runs.

mod check;
mod disk;
mod ledger;
mod plan;
mod submit;
mod verify;
mod write;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use carrel_log::disk::{Disk, OsDisk};
use carrel_log::embedded::{EmbeddedLog, Options};
use carrel_model::ids::LogId;
use carrel_testkit::random::Random;
use carrel_testkit::units::uuid_v7;
use clap::{Args, Parser, Subcommand};

use crate::disk::Forgetful;

/// Small, so that a short run fills several. The largest batch of the plan fits into one.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// Leaves room for what a file system needs for itself when it is nearly full.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Parser)]
#[command(name = "log-writer", about = "Appends to a log, and checks what it promised")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Appends, each writer where the promises of earlier runs end.
    Write(write::Write),
    /// Checks that every promise was kept, and asks again for what has no answer yet.
    Check(check::Check),
}

#[derive(Debug, Args)]
struct Place {
    /// The directory of the log.
    dir: PathBuf,
    /// What all writers do is drawn from this.
    #[arg(long)]
    seed: u64,
    /// The lines `try` and `ack` that earlier runs printed, in order.
    #[arg(long)]
    acks: Option<PathBuf>,
}

/// Why a run ends early; each has an exit status of its own.
#[derive(Debug)]
enum Ended {
    /// A promise was broken.
    Broken(Vec<String>),
    /// A write or sync failed, and the log takes no more appends in this process.
    Failed(String),
    /// The log could not be opened, or takes no appends.
    Refused(String),
    /// What was handed in makes no sense.
    Misused(String),
}

impl Ended {
    fn misused(error: impl Display) -> Self {
        Self::Misused(error.to_string())
    }

    fn refused(error: impl Display) -> Self {
        Self::Refused(error.to_string())
    }

    const fn status(&self) -> u8 {
        match self {
            Self::Broken(_) => 1,
            Self::Misused(_) => 2,
            Self::Failed(_) => 3,
            Self::Refused(_) => 4,
        }
    }

    fn tell(&self) -> io::Result<()> {
        let mut stderr = io::stderr().lock();
        match self {
            Self::Broken(promises) => {
                promises.iter().try_for_each(|broken| writeln!(stderr, "broken: {broken}"))
            }
            Self::Misused(what) => writeln!(stderr, "{what}"),
            Self::Failed(cause) => writeln!(
                stderr,
                "the log failed: {cause}; this process has to end and open it anew"
            ),
            Self::Refused(why) => writeln!(stderr, "the log can't be used: {why}"),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(async {
            match &arguments.task {
                Task::Write(task) => task.run().await,
                Task::Check(task) => task.run().await,
            }
        }),
        Err(error) => Err(Ended::refused(error)),
    };
    let Err(ended) = ended else { return ExitCode::SUCCESS };
    // The exit status says it too.
    let _ = ended.tell();
    ExitCode::from(ended.status())
}

/// Prints a line. Nobody who only reads half of what was promised can check it, so a reader that
/// goes away ends the run.
fn say(line: impl Display) -> Result<(), Ended> {
    let mut stdout = io::stdout().lock();
    let said = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    said.map_err(|error| Ended::misused(format!("nobody listens: {error}")))
}

impl Place {
    fn ledger(&self) -> Result<ledger::Ledger, Ended> {
        let Some(path) = &self.acks else { return Ok(ledger::Ledger::default()) };
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Ended::misused(format!("{}: {error}", path.display())))?;
        ledger::Ledger::read(&text).map_err(Ended::misused)
    }

    /// Opens the log, and says what state it was in.
    async fn open(&self, no_sync: bool) -> Result<Arc<EmbeddedLog>, Ended> {
        say("opening")?;
        let disk: Arc<dyn Disk> = if no_sync { Arc::new(Forgetful) } else { Arc::new(OsDisk) };
        let log = open(disk, &self.dir, self.seed)?;
        let report = log.report();
        if let Some(torn) = &report.torn {
            say(format_args!("torn {} {} {}", torn.position, torn.offset, torn.what))?;
        }
        if let Some(cause) = &report.catalogue_lost {
            say(format_args!("catalogue-lost {cause}"))?;
        }
        say(if report.rewritten { "opened after a crash" } else { "opened" })?;
        log.rebuilt().await.map_err(Ended::refused)?;
        Ok(Arc::new(log))
    }
}

fn open(disk: Arc<dyn Disk>, dir: &Path, seed: u64) -> Result<EmbeddedLog, Ended> {
    let options = Options {
        new_log_id: LogId::new(uuid_v7(0, &mut Random::new(seed))),
        chunk_bytes: CHUNK_BYTES,
        reserve_bytes: RESERVE_BYTES,
        owner: format!("log-writer {}", std::process::id()),
        catalogue: None,
    };
    EmbeddedLog::open(disk, dir, options).map_err(Ended::refused)
}
