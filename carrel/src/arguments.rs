//! What can be said on the command line.

use std::path::PathBuf;

use carrel_model::record::{Position, StreamId};
use clap::{Args, Parser, Subcommand};

use crate::client;
use crate::config::{ConfigCommand, Given};
#[cfg(feature = "libvirt")]
use crate::host::HypervisorCommand;
#[cfg(feature = "libvirt")]
use crate::storage::StorageCommand;

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  verify found something
  2  the command line is wrong
  3  it could not be done: no such log, in use, damaged, refused, no space";

/// Virtual desktops on KVM
#[derive(Debug, Parser)]
#[command(name = "carrel", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at the event log, check it, copy it, repair it
    ///
    /// tail, show, verify, stats and export only read. They work beside a running Carrel, without
    /// its lock, and never change the log. import, archive and repair write; for a log in a
    /// directory they need that nobody else has it open.
    Log(Box<LogArguments>),
    /// Run Carrel: everything in one process
    ///
    /// The same options can be in a configuration file and in the environment. Nothing has to be
    /// set up before; SIGTERM or Ctrl-C ends it, and nothing is lost however it ends.
    #[command(
        after_help = "Examples:\n  carrel up\n  carrel up --data /var/lib/carrel --listen 0.0.0.0:8443\n  carrel up --sim-hypervisors 40"
    )]
    Up(Box<Given>),
    /// Check a configuration, or print what it may say
    #[command(subcommand)]
    Config(Box<ConfigCommand>),
    Login(client::Login),
    Logout(client::Logout),
    Do(Box<client::Do>),
    Get(Box<client::Get>),
    Foreign(Box<client::Foreign>),
    Space(Box<client::Space>),
    Connect(Box<client::Connect>),
    Upload(Box<client::Upload>),
    Watch(Box<client::Watch>),
    #[command(subcommand)]
    Projections(Box<client::Projections>),
    /// See whether this machine can be a host of desktops
    #[cfg(feature = "libvirt")]
    #[command(subcommand)]
    Hypervisor(Box<HypervisorCommand>),
    /// Look after what lies on this host's storages
    #[cfg(feature = "libvirt")]
    #[command(subcommand)]
    Storage(Box<StorageCommand>),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  carrel completions bash > /etc/bash_completion.d/carrel")]
    Completions {
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = format!("{LOG_EXAMPLES}\n\n{EXIT_CODES}"), arg_required_else_help = true)]
pub(crate) struct LogArguments {
    /// The log: a directory, or postgres://user@host/database
    ///
    /// A password does not belong there, because every user of the machine can see it: put it into
    /// the file that PGPASSFILE names (~/.pgpass), or into PGPASSWORD.
    #[arg(
        long,
        global = true,
        env = "CARREL_LOG",
        hide_env_values = true,
        value_name = "DIRECTORY|URL",
        default_value = "carrel-data/log"
    )]
    pub(crate) log: String,
    /// Print JSON: one object, or one a line for tail
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) what: What,
}

const LOG_EXAMPLES: &str = "\
Examples:
  carrel log tail -f                         what happens, as it happens
  carrel log --log /var/lib/carrel/log verify
  carrel log tail --type 'machine.*' --json | jq .data
  CARREL_LOG=postgres://carrel@db/carrel carrel log stats";

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    Tail(Tail),
    Show(Show),
    Verify(Verify),
    Stats(Stats),
    Export(Export),
    Import(Import),
    Archive(Archive),
    Repair(Repair),
}

/// Print the last records, and follow
///
/// One line a record: position, time, type, stream, version, how the actor proved who it is, and
/// the data, shortened to the width of the terminal. A record that was written a moment ago by a
/// process that then lost its power may be gone again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel log tail -n 100
  carrel log tail -f --stream machine/0198c0de-0000-7000-8000-000000000001
  carrel log tail --after 0 --type 'lease.*' --json > leases.jsonl")]
pub(crate) struct Tail {
    /// Go on as more is written, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// So many of the last records that match
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    pub(crate) lines: usize,
    /// All records behind this position, instead of the last few
    #[arg(long, value_name = "POSITION", value_parser = position, conflicts_with = "lines")]
    pub(crate) after: Option<Position>,
    /// Only this stream: <category>/<uuid>
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<StreamId>,
    /// Only these types of records; * stands for anything, ? for one character
    #[arg(long = "type", value_name = "GLOB")]
    pub(crate) kind: Option<String>,
}

/// Print everything about one record
///
/// Its fields, the command that it is part of, where it stands on disk, and its data.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[arg(value_parser = position)]
    pub(crate) position: Position,
}

/// Check everything
///
/// Reads every byte of the log: checksums, positions, every stream's versions, every command only
/// once, the hash chain to its end; for a log in a directory also indexes, snapshots, the mark of a
/// clean stop and, unless Carrel is running, the catalogue. Nothing of the log is changed.
///
/// Damage is what can't be trusted any more. Stale is what is made anew from the log, mostly by
/// itself at the next start. Needs up to 100 bytes of memory for each stream and 24 for each
/// command, and twice the size of a chunk.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel log verify && echo sound
  carrel log verify --json | jq .first_bad
  carrel log verify --export /backup/log.export")]
pub(crate) struct Verify {
    /// Check the file of a finished export instead of a log
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
}

/// Print how large it is, what is in it, and who reads it
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Count records of each type, too; reads the whole log
    #[arg(long)]
    pub(crate) types: bool,
}

/// Copy the log into one file
///
/// Ends where the log ends when it begins. Interrupted, it goes on where it was when run again with
/// the same file. Cursors, leases and snapshots stay behind.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  carrel log export --to /backup/log-$(date +%F).export")]
pub(crate) struct Export {
    /// The file; it must not be there, or be an unfinished export of this log
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

/// Bring an export into a log
///
/// The log must be empty, or not be there yet, or hold what an import of the same file brought in
/// before it was interrupted. It keeps the id of the log that was exported, and gets a higher
/// incarnation, so that whoever worked with the old one notices.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel log --log /var/lib/carrel/new-log import --from /backup/log.export
  carrel log --log postgres://owner@db/carrel import --from log.export --make-tables-for carrel")]
pub(crate) struct Import {
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// In a database: first make the log's tables, as the role that will own them, for this role to
    /// work with
    #[arg(long, value_name = "ROLE")]
    pub(crate) make_tables_for: Option<String>,
}

/// Move older parts of a log in a directory to another place
///
/// They are still read where they are, so that place has to stay reachable. What is written to
/// stays here, and indexes do. Each chunk is copied, checked and only then removed; interrupted, it
/// goes on when run again. Carrel must not be running.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  carrel log archive --to /mnt/slow/carrel-archive --keep 10",
    group(clap::ArgGroup::new("which").required(true).args(["keep", "below"]))
)]
pub(crate) struct Archive {
    /// The directory; made if it is not there
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) to: PathBuf,
    /// All sealed chunks but the newest N
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<u64>,
    /// All sealed chunks that only hold records before this position
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) below: Option<Position>,
}

/// Cut a log in a directory off behind a position
///
/// For a log that can't be opened because of damage, or whose last commands have to be undone. All
/// that is behind the position is put aside in the log's directory, not destroyed. The log's
/// incarnation is raised, so that everybody who saw more notices. Shows what will be cut, and asks.
/// Interrupted, it is finished by running it again. Carrel must not be running.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  carrel log verify                      # says up to where the log can be trusted
  carrel log repair --truncate-to 4711")]
pub(crate) struct Repair {
    /// The last position that stays: the end of a batch
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) truncate_to: Position,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

fn position(text: &str) -> Result<Position, std::num::ParseIntError> {
    text.parse().map(Position)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn each_subcommand_says_in_the_help_what_it_is_for() {
        for command in Arguments::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
