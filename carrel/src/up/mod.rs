//! Everything in one process.
//!
//! ```text
//!   parts.rs       opens what is kept: log, keys, decider, read models, ledger
//!   simulated.rs   hosts to begin with, where they are simulated
//!   here.rs        this machine as a host, where they are real: now or as soon as it can be
//!   local.rs       what it has, and how it is registered
//!   held.rs        what it has of a site on its storages
//!   promised.rs    how much of that is promised
//!   asked.rs       what those two ask for
//!   bound.rs       whose hosts a data directory is about
//!   crew.rs        a worker for each host, as they come and go
//!   uploads.rs     files of media that are sent to this host
//!   running.rs     runs it, and ends it in an order in which nothing is lost
//!   outside.rs     clock and randomness
//! ```

mod asked;
mod bound;
mod crew;
#[cfg(feature = "libvirt")]
mod held;
#[cfg(feature = "libvirt")]
mod here;
#[cfg(feature = "libvirt")]
mod local;
mod outside;
mod parts;
#[cfg(feature = "libvirt")]
mod promised;
mod running;
mod simulated;
#[cfg(feature = "libvirt")]
mod uploads;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use carrel_api::{FirstAdmin, first_admin};
use carrel_model::sealed::Secret;

use self::parts::Parts;
use self::running::Running;
use crate::config::{Config, Given};
use crate::failure::{Failure, Outcome};

/// Holds the first administrator's password and nothing else.
const PASSWORD_FILE: &str = "admin-password";

/// A failpoint, and how many times it is reached: `relay.tail_read:3`.
const KILL_AT: &str = "CARREL_KILL_AT";

/// By this machine's clock.
#[cfg(feature = "libvirt")]
pub(crate) fn now_unix() -> u64 {
    outside::millis() / 1_000
}

/// The id that this machine has as a host, if a site that is kept here has ever met it.
#[cfg(feature = "libvirt")]
pub(crate) fn host_id(data: &Path) -> Result<Option<String>, Failure> {
    bound::kept(data, local::HOST_FILE)
}

pub(crate) fn run(given: Given) -> Result<Outcome, Failure> {
    let config = Config::of(given)?;
    if let Some(moment) = given_moment() {
        let wrong = |why| Failure::usage(format!("{KILL_AT} can't be heeded")).because(why);
        carrel_failpoint::arm(&moment).map_err(wrong)?;
    }
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(config.log_level.level())
        .init();
    // Reading, hashing and waiting for disks have threads of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(up(config))?;
    Ok(Outcome::Fine)
}

async fn up(config: Config) -> Result<(), Failure> {
    let parts = Parts::open(&config).await?;
    let mut running = running::start(parts, &config).await?;
    let made = first_admin(running.edge(), |password| keep(&config.data, password)).await;
    let failed = |why| Failure::new("there is no administrator").because(why);
    let first = made.map_err(failed)?;
    if let Err(error) = say_ready(&config, &running, &first) {
        // Whoever has started it may have gone; those whom it serves have not.
        tracing::warn!(%error, "nobody reads how to sign in");
    }
    running.until_told().await?;
    running.end().await
}

/// Where a test wants this process to end. It is no option: nobody else ever does.
#[expect(clippy::disallowed_methods, reason = "this is the composition root")]
fn given_moment() -> Option<String> {
    std::env::var(KILL_AT).ok()
}

/// Before anybody is made whose password is nowhere.
fn keep(data: &Path, password: &Secret) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = data.join(PASSWORD_FILE);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{}", password.expose())?;
    file.sync_all()?;
    std::fs::File::open(data)?.sync_all()
}

fn say_ready(config: &Config, running: &Running, first: &FirstAdmin) -> io::Result<()> {
    let url = &*running.url();
    let mut out = io::stdout().lock();
    let password_file = config.data.join(PASSWORD_FILE);
    writeln!(out, "Carrel is ready: {url}")?;
    writeln!(out, "  commands and reads, to try out:  {url}/docs")?;
    match first {
        FirstAdmin::Made { name, password } => {
            writeln!(out, "  the first administrator:         {name}, {}", password.expose())?;
            writeln!(out, "  the password is kept in          {}", password_file.display())?;
        }
        FirstAdmin::There if password_file.exists() => {
            let file = password_file.display();
            writeln!(
                out,
                "  the first administrator's password is in {file}, unless it was changed"
            )?;
        }
        FirstAdmin::There => {}
    }
    let server =
        if url == crate::client::SERVER { String::new() } else { format!(" --server {url}") };
    // What nobody else has signed has to be trusted by its name.
    let certificate = config.data.join("tls/certificate.pem");
    let is_own = url.starts_with("https:") && config.tls_certificate.is_none();
    let ca = if is_own { format!(" --ca {}", certificate.display()) } else { String::new() };
    let file = password_file.display();
    writeln!(
        out,
        "  sign in:                         carrel login{server}{ca} --password-file {file}"
    )?;
    if let Some(why) = running.missing() {
        writeln!(out, "  no machine runs on this host yet; it is tried again: {why}")?;
    }
    out.flush()
}
