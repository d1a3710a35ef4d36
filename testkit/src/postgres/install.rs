//! Where PostgreSQL is on this machine, and a fresh database cluster to copy for each test.
//!
//! `initdb` takes seconds and a copy takes a tenth of one, so it runs once for each version and
//! user, and its result stays in the temporary directory.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// The version that Debian 12 has, and that Carrel is run with.
const FIRST_CHOICE: &str = "/usr/lib/postgresql/15/bin";
const VERSIONS: &str = "/usr/lib/postgresql";

/// All that is made here is called so, followed by a process id or by `template`.
const PREFIX: &str = "carrel-pg-";

#[derive(Debug)]
pub(super) struct Install {
    /// None when the programs are found by their names alone.
    binaries: Option<PathBuf>,
    version: String,
    /// The server refuses to run as root, so root runs it as the user that the package made.
    root: bool,
}

impl Install {
    pub(super) fn find() -> io::Result<Self> {
        let root = fs::metadata("/proc/self")?.uid() == 0;
        for binaries in candidates() {
            let install = Self { binaries, version: String::new(), root };
            if let Some(version) = install.asked_for_its_version() {
                return Ok(Self { version, ..install });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no server under {VERSIONS} nor on the PATH; apt-get install postgresql-15"),
        ))
    }

    /// A new directory that only the server's user may enter, with a cluster in `data`.
    pub(super) fn instance(&self, nth: u32, place: Option<&Path>) -> io::Result<PathBuf> {
        let template = self.template()?;
        let place = place.map_or_else(std::env::temp_dir, Path::to_owned);
        let directory = place.join(format!("{PREFIX}{}-{nth}", process::id()));
        // Left behind by a killed process that had the same id.
        let _ = fs::remove_dir_all(&directory);
        run(self.command("cp").args(["-a", "--reflink=auto"]).arg(&template).arg(&directory))?;
        Ok(directory)
    }

    /// Changes how large the files of the log are that the server writes ahead. It must be stopped.
    pub(super) fn resize_wal(&self, directory: &Path, mib: u32) -> io::Result<()> {
        let mut command = self.server_command("pg_resetwal");
        run(command.arg(format!("--wal-segsize={mib}")).arg("-D").arg(directory.join("data")))
    }

    /// A command that runs as the server's user.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if self.root {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        }
        // So that nothing outlives a test that is killed.
        command.args(["--pdeathsig", "KILL", "--", program]);
        command.current_dir("/");
        command
    }

    /// A command of PostgreSQL's own that runs as the server's user.
    pub(super) fn server_command(&self, program: &str) -> Command {
        let path = self.binaries.as_ref().map(|binaries| binaries.join(program));
        self.command(path.as_deref().and_then(Path::to_str).unwrap_or(program))
    }

    fn asked_for_its_version(&self) -> Option<String> {
        let output = self.server_command("postgres").arg("--version").output().ok()?;
        // `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`
        let text = String::from_utf8(output.stdout).ok()?;
        text.split_whitespace().nth(2).map(str::to_owned)
    }

    /// Tests run as many processes at once; whoever comes first makes the template, and it gets
    /// its name only when it is whole.
    fn template(&self) -> io::Result<PathBuf> {
        let uid = fs::metadata("/proc/self")?.uid();
        let place = std::env::temp_dir();
        let name = format!("{PREFIX}template-{}-{uid}", self.version);
        let lock = File::create(place.join(format!("{name}.lock")))?;
        lock.lock()?;
        sweep(&place)?;
        let template = place.join(&name);
        if template.exists() {
            return Ok(template);
        }
        let unfinished = place.join(format!("{name}.new"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        run(self.command("mkdir").arg("--mode=700").arg(&unfinished))?;
        // A collation that orders names otherwise than their bytes finds queries that forget to
        // say which order they mean.
        run(self
            .server_command("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"])
            .args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"])
            .args(["--wal-segsize=1", "--no-instructions", "--pgdata"])
            .arg(unfinished.join("data")))?;
        fs::rename(&unfinished, &template)?;
        Ok(template)
    }
}

fn candidates() -> Vec<Option<PathBuf>> {
    let mut others: Vec<PathBuf> = fs::read_dir(VERSIONS)
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    others.sort();
    let mut all = vec![Some(PathBuf::from(FIRST_CHOICE))];
    all.extend(others.into_iter().rev().map(Some));
    all.push(None);
    all
}

/// Removes what killed processes left behind.
fn sweep(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)?.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let Some(owner) = owner.and_then(|owner| owner.parse::<u32>().ok()) else { continue };
        if !Path::new("/proc").join(owner.to_string()).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{command:?}: {}: {said}", output.status)))
}
