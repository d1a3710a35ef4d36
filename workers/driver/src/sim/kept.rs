//! A simulated site that outlives its process, as real hosts outlive a worker's.
//!
//! Whenever somebody lets go of the world, what has changed of it is appended to a file, all of it
//! as one line of JSON: domains, files, and how often what was done, where that is counted. What a
//! step has changed and that it was counted are there together or not at all. A process that is
//! killed loses nothing of it; when power goes, the end may be missing, and the site is as it was a
//! moment before.

use std::collections::BTreeMap;
use std::fs::{self, File as OnDisk, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::MutexGuard;

use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::name::FilePath;
use carrel_model::work::Thing;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::{Deserialize, Serialize};

use super::domain::SimDomain;
use super::files::{File, Key};
use super::{Effect, State};
use crate::hypervisor::Doing;
use crate::step::StepKind;

/// What became of one thing; nothing: it is gone.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Domain(HypervisorId, MachineId, Option<SimDomain>),
    File(StorageId, FilePath, Option<File>),
    Effect(Counted),
}

/// How often something was done by now.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    on: HypervisorId,
    thing: Thing,
    generation: u64,
    boot_epoch: u64,
    /// What: the word for it.
    did: String,
    /// To which file, if it was one.
    file: String,
    times: u32,
}

type Domains = OrdMap<MachineId, SimDomain>;

/// The file, and what it says so far.
#[derive(Debug)]
pub(super) struct Kept {
    out: OnDisk,
    files: OrdMap<Key, File>,
    domains: BTreeMap<HypervisorId, Domains>,
    effects: OrdMap<Effect, u32>,
    failed: bool,
}

/// The world in somebody's hands.
pub(super) struct Held<'a> {
    state: MutexGuard<'a, State>,
    /// Somebody may have changed something.
    is_touched: bool,
}

impl<'a> Held<'a> {
    pub(super) const fn new(state: MutexGuard<'a, State>) -> Self {
        Self { state, is_touched: false }
    }
}

impl Deref for Held<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.is_touched = true;
        &mut self.state
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.is_touched {
            return;
        }
        let state = &mut *self.state;
        let Some(mut kept) = state.kept.take() else { return };
        let changed = kept.changed(state);
        if !changed.is_empty() {
            kept.append(|text| write(text, &changed));
        }
        state.kept = Some(kept);
    }
}

impl Kept {
    fn new(out: OnDisk) -> Self {
        let (files, effects) = (OrdMap::new(), OrdMap::new());
        Self { out, files, domains: BTreeMap::new(), effects, failed: false }
    }

    /// What is not in the file yet. It counts as written from now on.
    fn changed(&mut self, state: &State) -> Vec<Line> {
        let mut lines = Vec::new();
        let is = &state.files.files;
        lines.extend(differences(&self.files, is, |key, file| {
            Line::File(key.0, key.1.clone(), file.cloned())
        }));
        self.files = is.clone();
        for (host, it) in &state.hosts {
            let before = self.domains.entry(*host).or_default();
            if before.ptr_eq(&it.domains) {
                continue;
            }
            lines.extend(differences(before, &it.domains, |machine, domain| {
                Line::Domain(*host, *machine, domain.cloned())
            }));
            *before = it.domains.clone();
        }
        if let Some(effects) = &state.effects {
            lines.extend(differences(&self.effects, effects, counted));
            self.effects = effects.clone();
        }
        lines
    }

    fn append(&mut self, written: impl FnOnce(&mut Vec<u8>)) {
        if self.failed {
            return;
        }
        let mut text = Vec::new();
        written(&mut text);
        if let Err(error) = self.out.write_all(&text) {
            // The site goes on; the next process finds it as it was until now.
            tracing::warn!(%error, "the simulated site can't be kept any more");
            self.failed = true;
        }
    }
}

/// A line for each entry that is new, other than before, or gone.
fn differences<K: Ord + Clone, V: PartialEq + Clone>(
    before: &OrdMap<K, V>,
    now: &OrdMap<K, V>,
    line: impl Fn(&K, Option<&V>) -> Line,
) -> Vec<Line> {
    if before.ptr_eq(now) {
        return Vec::new();
    }
    let changes = before.diff(now).map(|change| match change {
        DiffItem::Add(key, value) | DiffItem::Update { new: (key, value), .. } => {
            line(key, Some(value))
        }
        DiffItem::Remove(key, _) => line(key, None),
    });
    changes.collect()
}

fn counted((on, doing, did, file): &Effect, times: Option<&u32>) -> Line {
    Line::Effect(Counted {
        on: *on,
        thing: doing.thing,
        generation: doing.generation,
        boot_epoch: doing.boot_epoch,
        did: did.word().to_owned(),
        file: file.clone(),
        times: times.copied().unwrap_or_default(),
    })
}

impl Counted {
    /// Nothing: a word that this version does not know.
    fn effect(self) -> Option<(Effect, u32)> {
        let Self { on, thing, generation, boot_epoch, did, file, times } = self;
        let did = StepKind::ALL.iter().find(|kind| kind.word() == did)?;
        Some(((on, Doing { thing, generation, boot_epoch }, *did, file), times))
    }
}

fn write(text: &mut Vec<u8>, what: &impl Serialize) {
    // Maps with keys that are text, numbers and words: that is always JSON.
    if serde_json::to_writer(&mut *text, what).is_ok() {
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
    let mut kept = Kept::new(out);
    // Nobody reads this file before all of it is there, so that its lines can be short.
    let all = kept.changed(state);
    kept.append(|text| all.iter().for_each(|line| write(text, line)));
    kept.out.sync_data()?;
    fs::rename(&new, path)?;
    state.kept = Some(kept);
    Ok(())
}

fn read(lines: impl BufRead, state: &mut State) -> io::Result<()> {
    for line in lines.split(b'\n') {
        let line = line?;
        // Only the last one may be cut short, and what it was about is as it was before.
        if line.starts_with(b"[") {
            let together: Vec<Line> = serde_json::from_slice(&line).unwrap_or_default();
            together.into_iter().for_each(|line| heed(line, state));
        } else if let Ok(line) = serde_json::from_slice(&line) {
            heed(line, state);
        }
    }
    Ok(())
}

fn heed(line: Line, state: &mut State) {
    match line {
        Line::Domain(host, machine, Some(domain)) => {
            state.host(host).domains.insert(machine, domain);
        }
        Line::Domain(host, machine, None) => {
            state.host(host).domains.remove(&machine);
        }
        Line::File(storage, path, file) => state.files.was((storage, path), file),
        Line::Effect(counted) => {
            // Whoever does not count leaves out what others have counted.
            if let (Some(effects), Some((effect, times))) = (&mut state.effects, counted.effect()) {
                effects.insert(effect, times);
            }
        }
    }
}
