//! A simulated site that outlives its process, as real hosts outlive a worker's.
//!
//! Whenever somebody lets go of the world, what has changed of it is appended to a file: a line of
//! JSON for each domain and each file. A process that is killed loses nothing of it; when power
//! goes, the end may be missing, and the site is as it was a moment before.

use std::collections::BTreeMap;
use std::fs::{self, File as OnDisk, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::MutexGuard;

use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::name::FilePath;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::{Deserialize, Serialize};

use super::State;
use super::domain::SimDomain;
use super::files::{File, Key};

/// What became of one thing; nothing: it is gone.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Domain(HypervisorId, MachineId, Option<SimDomain>),
    File(StorageId, FilePath, Option<File>),
}

type Domains = OrdMap<MachineId, SimDomain>;

/// The file, and what it says so far.
#[derive(Debug)]
pub(super) struct Kept {
    out: OnDisk,
    files: OrdMap<Key, File>,
    domains: BTreeMap<HypervisorId, Domains>,
    failed: bool,
}

/// The world in somebody's hands.
pub(super) struct Held<'a>(pub(super) MutexGuard<'a, State>);

impl Deref for Held<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.0
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let state = &mut *self.0;
        let Some(mut kept) = state.kept.take() else { return };
        kept.note(state);
        state.kept = Some(kept);
    }
}

impl Kept {
    fn note(&mut self, state: &State) {
        let mut text = Vec::new();
        if !self.files.ptr_eq(&state.files.files) {
            for change in self.files.diff(&state.files.files) {
                let (key, file) = match change {
                    DiffItem::Add(key, file) => (key, Some(file.clone())),
                    DiffItem::Update { new: (key, file), .. } => (key, Some(file.clone())),
                    DiffItem::Remove(key, _) => (key, None),
                };
                write(&mut text, &Line::File(key.0, key.1.clone(), file));
            }
            self.files = state.files.files.clone();
        }
        for (host, it) in &state.hosts {
            let before = self.domains.entry(*host).or_default();
            if before.ptr_eq(&it.domains) {
                continue;
            }
            for change in before.diff(&it.domains) {
                let (machine, domain) = match change {
                    DiffItem::Add(machine, domain) => (machine, Some(domain.clone())),
                    DiffItem::Update { new: (machine, domain), .. } => {
                        (machine, Some(domain.clone()))
                    }
                    DiffItem::Remove(machine, _) => (machine, None),
                };
                write(&mut text, &Line::Domain(*host, *machine, domain));
            }
            *before = it.domains.clone();
        }
        if text.is_empty() || self.failed {
            return;
        }
        if let Err(error) = self.out.write_all(&text) {
            // The site goes on; the next process finds it as it was until now.
            tracing::warn!(%error, "the simulated site can't be kept any more");
            self.failed = true;
        }
    }
}

fn write(text: &mut Vec<u8>, line: &Line) {
    // Maps with keys that are text, numbers and words: that is always JSON.
    if serde_json::to_writer(&mut *text, line).is_ok() {
        text.push(b'\n');
    }
}

/// Takes up what is in a file, and keeps the rest there from now on.
pub(super) fn take_up(path: &Path, state: &mut State) -> io::Result<()> {
    match OnDisk::open(path) {
        Ok(file) => read(BufReader::new(file), state)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let out = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let mut kept = Kept { out, files: OrdMap::new(), domains: BTreeMap::new(), failed: false };
    kept.note(state);
    kept.out.sync_data()?;
    fs::rename(&new, path)?;
    state.kept = Some(kept);
    Ok(())
}

fn read(lines: impl BufRead, state: &mut State) -> io::Result<()> {
    for line in lines.split(b'\n') {
        // Only the last one may be cut short, and what it was about is as it was before.
        let Ok(line) = serde_json::from_slice::<Line>(&line?) else { continue };
        match line {
            Line::Domain(host, machine, Some(domain)) => {
                state.host(host).domains.insert(machine, domain);
            }
            Line::Domain(host, machine, None) => {
                state.host(host).domains.remove(&machine);
            }
            Line::File(storage, path, file) => state.files.was((storage, path), file),
        }
    }
    Ok(())
}
