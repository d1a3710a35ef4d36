//! A host's storage, as it is and as it should be: `carrel storage check`.
//!
//! ```text
//!   files are looked at --> the server is asked what it knows --> files are looked at again
//!                                    |
//!   known      whose files may be there, from what the API tells
//!   judge      what is there and nobody's, what is missing, what is not as it was made
//!   mend       --fix: nothing is deleted but leftovers
//!   show       for people and for programs
//! ```
//!
//! A host makes a file because a fact says so. What was there before the server was asked, and of
//! which it knows nothing, is no file that is only just being made; what has changed since is left
//! alone.

mod judge;
mod known;
mod mend;
mod show;

use std::fs;
use std::path::{Path, PathBuf};

use carrel_images::{Found, Images};
use carrel_model::record::Timestamp;
use clap::{Args, Subcommand, ValueEnum};

use self::judge::{Judged, judge};
use self::known::Known;
use crate::client::{Server, signed_in};
use crate::config::{Config, Given};
use crate::failure::{Failure, Outcome};
use crate::up::host_id;

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    Check(Check),
}

/// See whether a storage holds what it should, and nothing else
///
/// Shows files that nothing in Carrel names, files that are missing, half-made files older than a
/// day, overlays that stand on another file than they should, and sealed files that can be written
/// to. Files of machines that are running or being worked on are left out. Somebody has to be
/// signed in: what is known is asked of the server.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  nothing was found
  1  something was found
  2  it could not be looked at, and nothing is said about any file

Examples:
  carrel storage check
  carrel storage check --storage /srv/desktops --output json
  carrel storage check --fix")]
pub(crate) struct Check {
    #[command(flatten)]
    server: Server,
    /// The configuration of `carrel up` on this host
    #[arg(long, value_name = "FILE", env = "CARREL_CONFIG")]
    config: Option<PathBuf>,
    /// The directory that says which host this is
    #[arg(long, value_name = "DIRECTORY", env = "CARREL_DATA")]
    data: Option<PathBuf>,
    /// The storage's folder on this host
    #[arg(long, value_name = "DIRECTORY", env = "CARREL_STORAGE")]
    storage: Option<PathBuf>,
    /// Which host this is, by its id or its name, where the data directory doesn't say so
    #[arg(long, value_name = "ID|NAME")]
    hypervisor: Option<String>,
    /// Put aside what is nobody's, seal what was sealed, and remove half-made files
    ///
    /// What is put aside lies below lost+found-carrel in the storage from then on. Nothing that
    /// Carrel names is touched, but for the seal, and nothing that a process has open.
    #[arg(long)]
    fix: bool,
    #[arg(long, short, value_enum, default_value = "table")]
    output: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    Table,
    Json,
}

/// Everything that was seen of one storage.
struct Checked {
    root: PathBuf,
    judged: Judged,
    /// Where things were put aside, if they were.
    aside: Option<PathBuf>,
}

pub(crate) fn run(command: StorageCommand, now_unix: u64) -> Result<Outcome, Failure> {
    let StorageCommand::Check(check) = command;
    let now = Timestamp(i64::try_from(now_unix).unwrap_or(i64::MAX).saturating_mul(1_000_000));
    let checked = checked(&check, now).map_err(Failure::unseen)?;
    match check.output {
        Shape::Table => show::table(&checked)?,
        Shape::Json => show::json(&checked)?,
    }
    let nothing = checked.judged.findings.is_empty();
    Ok(if nothing { Outcome::Fine } else { Outcome::Findings })
}

fn checked(check: &Check, now: Timestamp) -> Result<Checked, Failure> {
    let given = Given::of_host(check.config.clone(), check.data.clone(), check.storage.clone());
    let config = Config::of(given)?;
    let root = fs::canonicalize(&config.storage).map_err(|why| {
        let what = format!("{} is no storage", config.storage.display());
        Failure::new(what).because(why).next("name it with --storage")
    })?;
    let host = match &check.hypervisor {
        Some(named) => named.clone(),
        None => host(&config.data)?,
    };
    let images = Images::default();
    let first = list(&images, &root)?;
    let known = Known::ask(&signed_in(&check.server)?, &host, &root)?;
    let second = list(&images, &root)?;
    let mut judged = judge((&first, second), &known, &root, now);
    let aside = check.fix.then(|| mend::mend(&images, &mut judged.findings, &root, now));
    Ok(Checked { root, judged, aside: aside.flatten() })
}

fn list(images: &Images, root: &Path) -> Result<Vec<Found>, Failure> {
    let unread = |why| Failure::new(format!("{} can't be read", root.display())).because(why);
    images.list(root).map_err(unread)
}

fn host(data: &Path) -> Result<String, Failure> {
    let unknown = || {
        let what = format!("{} does not say which host this is", data.display());
        Failure::new(what).next(
            "name the data directory of `carrel up` with --data, or the host with --hypervisor",
        )
    };
    host_id(data)?.ok_or_else(unknown)
}
