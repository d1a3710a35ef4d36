//! What can be said to the command line about a server.

use std::path::PathBuf;

use carrel_model::command::About;
use carrel_projections::Kind;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};

/// Where `carrel up` listens unless it is told otherwise.
pub(crate) const SERVER: &str = "http://127.0.0.1:8480";

#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// The server, like https://carrel.example.org; otherwise the one that was signed in to last
    #[arg(long, global = true, env = "CARREL_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// Sign in to a server
///
/// The sign-in is kept in a file that only you can read, below $XDG_CONFIG_HOME/carrel or
/// ~/.config/carrel. The password is asked for, or read from a file: what stands on a command line
/// can be seen by every user of the machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel login
  carrel login --password-file carrel-data/admin-password
  carrel login --server https://carrel.example.org --ca ca.pem --user anna")]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) server: Server,
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) user: String,
    /// Holds the password and nothing else; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Certificates to trust, as PEM: for a server whose own certificate is self-signed
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// Sign out, and forget the sign-in
#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) server: Server,
}

/// Get a desktop that somebody may use, and a file for the viewer
///
/// Waits until it runs. The file is what remote-viewer opens; it lets in once, for a minute, and
/// only you can read it. Whoever is signed in as an administrator stays so.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel connect room --user anna --open
  carrel connect win11-007 --user anna --password-file anna.password --file desktop.vv")]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) server: Server,
    /// A pool or a machine, by its id or its name
    #[arg(value_name = "DESKTOP")]
    pub(crate) desktop: String,
    /// Who uses it
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// Holds the password and nothing else; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Certificates to trust, as PEM: for a server whose own certificate is self-signed
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// What the viewer opens is written here
    #[arg(long, value_name = "FILE", default_value = "desktop.vv")]
    pub(crate) file: PathBuf,
    /// Start remote-viewer with it
    #[arg(long)]
    pub(crate) open: bool,
    /// Give up after so long
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) wait: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    Table,
    Json,
    Yaml,
}

/// Show what is there: machines, pools, operations, ...
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel get machines --state running
  carrel get machines --filter pool=room --sort -name --all -o json
  carrel get machines win11-001 -o yaml
  carrel get operations")]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) server: Server,
    #[arg(value_parser = kinds())]
    pub(crate) kind: Kind,
    /// One thing, by its id or its name
    #[arg(value_name = "ID|NAME")]
    pub(crate) which: Option<String>,
    /// Only those in this state
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Only those of which this is so; may be given more than once
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    pub(crate) filter: Vec<(String, String)>,
    /// By this field; with a - before it from the last to the first
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// However many there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) output: Shape,
}

/// Show domains on a host that Carrel has not made, and how to adopt them
///
/// Nothing is done to them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  carrel foreign node1")]
pub(crate) struct Foreign {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The host, by its id or its name
    #[arg(value_name = "ID|NAME")]
    pub(crate) hypervisor: String,
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) output: Shape,
}

/// Show what machines take on their storages: what was written over their image
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel space --pool room
  carrel space --machine win11-001 -o json")]
pub(crate) struct Space {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) of: SpaceOf,
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) output: Shape,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SpaceOf {
    /// All machines of this pool, by its id or its name
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) pool: Option<String>,
    /// One machine
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) machine: Option<String>,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    let names = Kind::ALL.map(Kind::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Kind>())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(field, _)| !field.is_empty());
    let (field, value) = pair.ok_or("it should look like pool=room")?;
    Ok((field.to_owned(), value.to_owned()))
}

/// Send a file, as a medium
///
/// It is read once to know what it hashes to, made known (AddMedia), and sent in pieces; a line
/// that is cut and a server that is started anew are waited for. Run again, it goes on where it
/// was. The server has to see the storage.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel upload debian-12.iso
  carrel upload golden.qcow2 --name golden --storage main
  carrel upload golden.vmdk
  carrel upload disk.img --format raw")]
pub(crate) struct Upload {
    #[command(flatten)]
    pub(crate) server: Server,
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the medium is called; otherwise as the file is, without its ending
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What it is; otherwise an ISO is one, and everything else is a disk
    #[arg(long, value_enum)]
    pub(crate) kind: Option<MediumKind>,
    /// What a disk is written in; otherwise as its ending says
    #[arg(long, value_enum)]
    pub(crate) format: Option<DiskFormat>,
    /// Where it shall lie
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub(crate) storage: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MediumKind {
    Iso,
    Drivers,
    Disk,
}

impl From<MediumKind> for carrel_model::media::Kind {
    fn from(kind: MediumKind) -> Self {
        match kind {
            MediumKind::Iso => Self::Iso,
            MediumKind::Drivers => Self::Drivers,
            MediumKind::Disk => Self::Disk,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiskFormat {
    Raw,
    Qcow2,
    Vmdk,
    Vhd,
    Vhdx,
}

impl From<DiskFormat> for carrel_model::media::Format {
    fn from(format: DiskFormat) -> Self {
        match format {
            DiskFormat::Raw => Self::Raw,
            DiskFormat::Qcow2 => Self::Qcow2,
            DiskFormat::Vmdk => Self::Vmdk,
            DiskFormat::Vhd => Self::Vhd,
            DiskFormat::Vhdx => Self::Vhdx,
        }
    }
}

/// Print what happens, as it happens
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel watch
  carrel watch --type machine.started --after 1200
  carrel watch --stream machine/0198c0de-0000-7000-8000-000000000001 -o json")]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) server: Server,
    /// What came after this position too; otherwise what happens from now on
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<u64>,
    /// Facts of this type only
    #[arg(long, value_name = "TYPE")]
    pub(crate) r#type: Option<String>,
    /// Of this thing only
    #[arg(long, value_name = "KIND/ID")]
    pub(crate) stream: Option<String>,
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) output: Shape,
}

/// What can be read of Carrel is a copy of what the log says, and can be made again
#[derive(Debug, Subcommand)]
pub(crate) enum Projections {
    /// Build everything anew from the log, and use that from then on
    ///
    /// It is built beside what is in use, which is read meanwhile, and takes its place when it has
    /// caught up. A million facts take about ten seconds.
    #[command(after_help = "Example:\n  carrel projections rebuild")]
    Rebuild(Rebuilding),
    /// Compare everything with what the log says
    ///
    /// It is built anew beside what is in use, brought to the same position, compared row for row,
    /// and thrown away. What is in use is not changed; what happens meanwhile is seen a moment
    /// later. Ends with 1 if something differs.
    #[command(after_help = "Example:\n  carrel projections verify && echo sound")]
    Verify(Rebuilding),
}

#[derive(Debug, Args)]
pub(crate) struct Rebuilding {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A command to ask for: `ask.rs` says what its arguments are.
#[derive(Debug)]
pub(crate) struct Do {
    pub(crate) server: Server,
    pub(crate) about: &'static About,
    pub(crate) data: serde_json::Map<String, serde_json::Value>,
    pub(crate) how: How,
}

// Beside what the command itself takes. Clap would take documentation for what the command does.
#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
pub(crate) struct How {
    /// Wait until everything that follows from it is done, and show how far it is
    #[arg(long)]
    pub(crate) wait: bool,
    /// Say what would happen, and do nothing
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,
    /// The command's id: whoever asks again with it gets the first answer again
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<uuid::Uuid>,
    /// All of the command's data as JSON, with which the other arguments are joined
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) data: Option<String>,
    #[arg(long, short, value_enum, default_value = "table")]
    pub(crate) output: Shape,
}
