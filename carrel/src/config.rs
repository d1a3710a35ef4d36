//! What an installation is told about itself: defaults, a file, the environment and the command
//! line, each before the one in front of it. All four use the same names.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use carrel_decider::limits::SNAPSHOT_EVERY;
use clap::{Args, Subcommand, ValueEnum};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};
use crate::output::printed;

/// More than a file with every option and a comment for each has (64 KiB).
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The directory with everything that has to be kept: log, keys, read models.
    pub(crate) data: PathBuf,
    /// Address and port of the HTTP API. Beyond loopback it speaks TLS only.
    pub(crate) listen: SocketAddr,
    /// The server's certificate with those of its issuers, as PEM. Without one, a self-signed
    /// certificate is made when it is needed.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The certificate's private key, as PEM.
    pub(crate) tls_key: Option<PathBuf>,
    /// What runs the machines.
    pub(crate) driver: Driver,
    /// Which libvirt runs the machines of this host, where they are real.
    pub(crate) libvirt_uri: String,
    /// Where this host keeps disks, where machines are real. A new site has its first storage
    /// there.
    pub(crate) storage: PathBuf,
    /// The address of this host at which other computers see displays, by TLS. Without one,
    /// displays are seen on this host only.
    pub(crate) displays: Option<IpAddr>,
    /// Where QEMU finds the certificate of displays, which Carrel makes.
    pub(crate) display_certificates: PathBuf,
    /// So many simulated hypervisors a new site begins with.
    pub(crate) sim_hypervisors: u16,
    /// So many times as fast as real hosts are simulated ones, to try out or to test.
    pub(crate) sim_speed: u32,
    /// Whether simulated.json counts what was done on simulated hosts, for tests.
    pub(crate) sim_counts: bool,
    /// So large a file may be that is sent to this host's storages by HTTP, in GiB.
    pub(crate) upload_gib_max: u32,
    /// After so many facts what they come to is written as a snapshot, which spares the next start
    /// to read them all.
    pub(crate) snapshot_every: u64,
    /// What is said on standard error: error, warn, info, debug or trace.
    pub(crate) log_level: LogLevel,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Driver {
    /// Hypervisors in memory, with simulated machines: to get to know Carrel, and for tests.
    #[default]
    Sim,
    /// This machine is a hypervisor: libvirt runs real machines on it.
    Libvirt,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub(crate) const fn level(self) -> tracing::Level {
        match self {
            Self::Error => tracing::Level::ERROR,
            Self::Warn => tracing::Level::WARN,
            Self::Info => tracing::Level::INFO,
            Self::Debug => tracing::Level::DEBUG,
            Self::Trace => tracing::Level::TRACE,
        }
    }
}

/// Far more than one process simulates well; a large site has 40.
const SIM_HYPERVISORS_MAX: u16 = 1_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("carrel-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            tls_certificate: None,
            tls_key: None,
            driver: Driver::Sim,
            libvirt_uri: "qemu:///system".to_owned(),
            storage: PathBuf::from("/var/lib/carrel/storage"),
            displays: None,
            display_certificates: PathBuf::from("/etc/pki/libvirt-spice"),
            sim_hypervisors: 4,
            sim_speed: 1,
            sim_counts: false,
            upload_gib_max: 1_024,
            snapshot_every: SNAPSHOT_EVERY,
            log_level: LogLevel::Info,
        }
    }
}

/// The same on the command line and in the environment, where it goes before the file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Given {
    /// A configuration file (TOML); see `carrel config print-default`
    #[arg(long, value_name = "FILE", env = "CARREL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The directory with everything that has to be kept
    #[arg(long, value_name = "DIRECTORY", env = "CARREL_DATA")]
    data: Option<PathBuf>,
    /// Address and port of the HTTP API; beyond loopback it speaks TLS only
    #[arg(long, value_name = "ADDRESS:PORT", env = "CARREL_LISTEN")]
    listen: Option<SocketAddr>,
    /// The server's certificate, as PEM; otherwise one is made when it is needed
    #[arg(long, value_name = "FILE", env = "CARREL_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", env = "CARREL_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// What runs the machines
    #[arg(long, value_enum, env = "CARREL_DRIVER")]
    driver: Option<Driver>,
    /// Which libvirt runs the machines of this host
    #[arg(long, value_name = "URI", env = "CARREL_LIBVIRT_URI")]
    libvirt_uri: Option<String>,
    /// Where this host keeps disks, where machines are real
    #[arg(long, value_name = "DIRECTORY", env = "CARREL_STORAGE")]
    storage: Option<PathBuf>,
    /// Where other computers see displays; otherwise they are seen on this host only
    #[arg(long, value_name = "ADDRESS", env = "CARREL_DISPLAYS")]
    displays: Option<IpAddr>,
    /// Where QEMU finds the certificate of displays
    #[arg(long, value_name = "DIRECTORY", env = "CARREL_DISPLAY_CERTIFICATES")]
    display_certificates: Option<PathBuf>,
    /// A new site begins with so many simulated hypervisors
    #[arg(long, value_name = "NUMBER", env = "CARREL_SIM_HYPERVISORS")]
    sim_hypervisors: Option<u16>,
    /// So many times as fast as real hosts are simulated ones
    #[arg(long, value_name = "NUMBER", env = "CARREL_SIM_SPEED")]
    sim_speed: Option<u32>,
    /// Count in simulated.json what was done on simulated hosts
    #[arg(long, value_name = "BOOL", env = "CARREL_SIM_COUNTS")]
    sim_counts: Option<bool>,
    /// So large a file may be that is sent by HTTP
    #[arg(long, value_name = "GIB", env = "CARREL_UPLOAD_GIB_MAX")]
    upload_gib_max: Option<u32>,
    /// Write a snapshot after so many facts
    #[arg(long, value_name = "FACTS", env = "CARREL_SNAPSHOT_EVERY")]
    snapshot_every: Option<u64>,
    /// What is said on standard error
    #[arg(long, value_enum, env = "CARREL_LOG_LEVEL")]
    log_level: Option<LogLevel>,
}

impl Given {
    /// What is said of this host and where things lie on it, by whoever starts nothing.
    #[cfg(feature = "libvirt")]
    pub(crate) fn of_host(
        config: Option<PathBuf>,
        data: Option<PathBuf>,
        storage: Option<PathBuf>,
    ) -> Self {
        Self { config, data, storage, ..Self::default() }
    }
}

impl Config {
    /// Everything that was said, as one.
    pub(crate) fn of(given: Given) -> Result<Self, Failure> {
        let file = given.config.as_deref().map(Self::read).transpose()?.unwrap_or_default();
        let config = Self {
            data: given.data.unwrap_or(file.data),
            listen: given.listen.unwrap_or(file.listen),
            tls_certificate: given.tls_certificate.or(file.tls_certificate),
            tls_key: given.tls_key.or(file.tls_key),
            driver: given.driver.unwrap_or(file.driver),
            libvirt_uri: given.libvirt_uri.unwrap_or(file.libvirt_uri),
            storage: given.storage.unwrap_or(file.storage),
            displays: given.displays.or(file.displays),
            display_certificates: given.display_certificates.unwrap_or(file.display_certificates),
            sim_hypervisors: given.sim_hypervisors.unwrap_or(file.sim_hypervisors),
            sim_speed: given.sim_speed.unwrap_or(file.sim_speed),
            sim_counts: given.sim_counts.unwrap_or(file.sim_counts),
            upload_gib_max: given.upload_gib_max.unwrap_or(file.upload_gib_max),
            snapshot_every: given.snapshot_every.unwrap_or(file.snapshot_every),
            log_level: given.log_level.unwrap_or(file.log_level),
        };
        config.checked()
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |why: String| {
            Failure::usage(format!("{} is no configuration", path.display())).because(why)
        };
        let size = fs::metadata(path).map_err(|why| failed(why.to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(failed(format!(
                "it has {size} bytes, and at most {FILE_BYTES_MAX} are read"
            )));
        }
        let text = fs::read_to_string(path).map_err(|why| failed(why.to_string()))?;
        let next = "`carrel config print-default` shows all options";
        toml::from_str(&text).map_err(|why| failed(why.to_string()).next(next))
    }

    /// What can't be seen in one option alone.
    fn checked(self) -> Result<Self, Failure> {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            let next = "give both, or neither for a self-signed certificate";
            return Err(Failure::usage("tls_certificate and tls_key belong together").next(next));
        }
        if self.displays.is_some_and(|it| it.is_unspecified() || it.is_loopback()) {
            let next = "name an address of this host that other computers reach, or leave it out";
            return Err(Failure::usage("displays are seen at no such address").next(next));
        }
        if !(1..=SIM_HYPERVISORS_MAX).contains(&self.sim_hypervisors) {
            let what = format!("sim_hypervisors has to be between 1 and {SIM_HYPERVISORS_MAX}");
            return Err(Failure::usage(what));
        }
        if self.sim_speed == 0 || self.snapshot_every == 0 {
            return Err(Failure::usage("sim_speed and snapshot_every begin with 1"));
        }
        Ok(self)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a configuration as `carrel up` would, and say what it comes to
    Check(Box<Given>),
    /// Print a file with every option at its default, and what each is for
    PrintDefault,
    /// Print the JSON Schema of the file
    Schema,
}

pub(crate) fn run(command: ConfigCommand) -> Result<Outcome, Failure> {
    match command {
        ConfigCommand::Check(given) => {
            let config = Config::of(*given)?;
            io::stdout().lock().write_all(written(&config)?.as_bytes())?;
        }
        ConfigCommand::PrintDefault => {
            io::stdout().lock().write_all(explained()?.as_bytes())?;
        }
        ConfigCommand::Schema => printed(&schema(), false)?,
    }
    Ok(Outcome::Fine)
}

pub(crate) fn schema() -> schemars::Schema {
    SchemaGenerator::default().into_root_schema_for::<Config>()
}

fn written(config: &Config) -> Result<String, Failure> {
    toml::to_string(config).map_err(|why| Failure::new("it can't be written").because(why))
}

/// Each option with its default and what the schema says of it. What has no default is a comment.
fn explained() -> Result<String, Failure> {
    let defaults = written(&Config::default())?;
    let schema = schema();
    let mut text = String::from("# Carrel: every option, at its default.\n");
    let options = schema.get("properties").and_then(|it| it.as_object()).into_iter().flatten();
    for (name, option) in options {
        let said = option["description"].as_str().unwrap_or_default();
        text.push('\n');
        for line in said.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let given = |line: &&str| line.split_once(" = ").is_some_and(|(it, _)| it == name);
        let _ = match defaults.lines().find(given) {
            Some(line) => writeln!(text, "{line}"),
            None => writeln!(text, "# {name} = \"\""),
        };
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_the_defaults_and_every_option() {
        let text = explained().expect("text");
        assert_eq!(toml::from_str::<Config>(&text).expect("a configuration"), Config::default());
        let schema = schema();
        for (name, _) in schema.get("properties").and_then(|it| it.as_object()).expect("options") {
            assert!(text.contains(&format!("{name} = ")), "{name}");
        }
    }

    #[test]
    fn the_schema_is_the_one_beside_the_others() {
        let kept = include_str!("../../schemas/config.schema.json");
        let kept: serde_json::Value = serde_json::from_str(kept).expect("JSON");
        let again = "write it by `carrel config schema > schemas/config.schema.json`";
        assert_eq!(kept, schema().to_value(), "{again}");
    }

    #[test]
    fn what_is_said_on_the_command_line_goes_before_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("carrel.toml");
        fs::write(&path, "data = \"/srv/carrel\"\nsim_hypervisors = 9\n").expect("written");
        let given = Given { config: Some(path), sim_hypervisors: Some(2), ..Given::default() };
        let config = Config::of(given).expect("a configuration");
        assert_eq!((config.data, config.sim_hypervisors), (PathBuf::from("/srv/carrel"), 2));
    }

    #[test]
    fn unknown_options_and_halves_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("carrel.toml");
        for text in ["lissten = \"127.0.0.1:1\"", "tls_key = \"a\"", "sim_hypervisors = 0", "x"] {
            fs::write(&path, text).expect("written");
            let given = Given { config: Some(path.clone()), ..Given::default() };
            assert!(Config::of(given).is_err(), "{text}");
        }
    }
}
