//! Hosts in memory, with guests, storages and everything that can go wrong.
//!
//! ```text
//!   World   all hosts and storages of a site; outlives every worker
//!     |
//!     +--- host(id) -> SimHost: Hypervisor      any number of them, as workers come and go
//!     +--- inject, guest_*, host_*              what happens to them
//!     +--- effects, files                       what tests hold against what was asked for
//! ```
//!
//! What a host does takes the time that [`Pace`] says, drawn from a seed, and passes through a
//! [`Timer`]. An idle host costs no thread: its guests get older when somebody looks.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use carrel_model::ids::{HypervisorId, MachineId, SessionId, StorageId};
use carrel_model::machine::{Format, PauseReason};
use carrel_model::name::FilePath;
use imbl::OrdMap;
use uuid::Uuid;

use crate::cancel::Cancel;
use crate::hypervisor::{Doing, Hypervisor};
use crate::place::Place;
use crate::seen::{End, Viewer};
use crate::step::StepKind;
use crate::told::Told;

mod apply;
mod domain;
mod faults;
mod files;
mod host;
mod kept;
mod pace;
#[cfg(test)]
mod tests;
mod timer;

pub use domain::ports;
use domain::{Life, SimDomain};
use faults::Faults;
pub use faults::{Fault, Often};
use files::Files;
pub use host::SimHost;
use kept::{Held, Kept};
pub use pace::{Pace, Span};
use pace::{Random, mix};
pub use timer::{OsTimer, SteppedTimer, Timer};

/// A site. Clones are one and the same.
#[derive(Clone, Debug)]
pub struct World {
    timer: Arc<dyn Timer>,
    pace: Pace,
    state: Arc<Mutex<State>>,
}

/// What was done on which host for what, to which file if it was one, and how often.
pub type Effects = BTreeMap<Effect, u32>;

type Effect = (HypervisorId, Doing, StepKind, String);

#[derive(Debug)]
struct State {
    hosts: BTreeMap<HypervisorId, HostState>,
    files: Files,
    free_mib: BTreeMap<StorageId, u64>,
    random: Random,
    /// Nothing: nobody counts.
    effects: Option<OrdMap<Effect, u32>>,
    /// Nothing: it ends with its process.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct HostState {
    /// Raised when it goes down: whatever waited there waits in vain.
    lives: u64,
    is_up: bool,
    domains: OrdMap<MachineId, SimDomain>,
    /// Those that were there before, and whether they run.
    foreign: BTreeMap<Uuid, bool>,
    faults: Faults,
    /// Steps on their way.
    waiting: BTreeMap<u64, Cancel>,
    woken: Vec<carrel_model::mac::Mac>,
    shown: Vec<(MachineId, String)>,
    told: Told,
}

/// What a storage has free unless a test says otherwise.
const FREE_MIB: u64 = 4 << 20;

impl World {
    pub fn new(seed: u64, pace: Pace, timer: Arc<dyn Timer>) -> Self {
        let state = State {
            hosts: BTreeMap::new(),
            files: Files::default(),
            free_mib: BTreeMap::new(),
            random: Random::new(seed),
            effects: None,
            kept: None,
        };
        Self { timer, pace, state: Arc::new(Mutex::new(state)) }
    }

    /// Counts every effect, so that tests can say "at most once". Where the site is kept, so are
    /// they, from one process to the next.
    #[must_use]
    pub fn counting(self) -> Self {
        self.state().effects.get_or_insert_default();
        self
    }

    /// A host of it; it is made if it isn't there.
    pub fn host(&self, id: HypervisorId) -> SimHost {
        self.state().host(id);
        SimHost { world: self.clone(), id }
    }

    /// As it was when another process had it in this file, and kept there from now on. The timer
    /// has to go on from where that one's was.
    pub fn kept_in(self, path: &Path) -> io::Result<Self> {
        kept::take_up(path, &mut self.state())?;
        Ok(self)
    }

    fn state(&self) -> Held<'_> {
        Held::new(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn inject(&self, on: HypervisorId, step: Option<StepKind>, fault: Fault, often: Often) {
        self.state().host(on).faults.add(step, fault, often);
    }

    /// Nothing goes wrong any more that was injected.
    pub fn calm(&self, on: HypervisorId) {
        self.state().host(on).faults.clear();
    }

    /// The host goes down, with everything that runs there.
    pub fn host_dies(&self, id: HypervisorId) {
        let mut state = self.state();
        let host = state.host(id);
        host.is_up = false;
        host.lives += 1;
        let on = host.domains.iter().filter(|(_, domain)| domain.is_on());
        let on: Vec<MachineId> = on.map(|(machine, _)| *machine).collect();
        for machine in on {
            if let Some(domain) = host.domains.get_mut(&machine) {
                domain.ends(End::Unknown);
            }
        }
        for running in host.foreign.values_mut() {
            *running = false;
        }
        let waiting: Vec<Cancel> = host.waiting.values().cloned().collect();
        drop(state);
        for cancel in waiting {
            cancel.wake();
        }
    }

    pub fn host_is_back(&self, id: HypervisorId) {
        self.state().host(id).is_up = true;
    }

    /// Something happens to a domain. Says whether there was one that runs.
    fn happens(
        &self,
        (on, machine): (HypervisorId, MachineId),
        what: impl FnOnce(&mut SimDomain),
    ) -> bool {
        let now = self.timer.now();
        let mut state = self.state();
        state.tick((on, machine), now, &self.pace);
        let host = state.host(on);
        let told = host.told.clone();
        let domain = host.domains.get_mut(&machine).filter(|domain| domain.is_on());
        let happened = domain.map(what).is_some();
        drop(state);
        if happened {
            told.tell();
        }
        happened
    }

    pub fn guest_ends(&self, it: (HypervisorId, MachineId), how: End) -> bool {
        self.happens(it, |domain| domain.ends(how))
    }

    pub fn guest_is_paused(&self, it: (HypervisorId, MachineId), reason: PauseReason) -> bool {
        self.happens(it, |domain| {
            if let Some(run) = domain.run() {
                run.paused = Some(reason);
            }
        })
    }

    pub fn guest_sleeps(&self, it: (HypervisorId, MachineId)) -> bool {
        self.happens(it, |domain| {
            if let Some(run) = domain.run() {
                run.asleep = true;
            }
        })
    }

    pub fn person_logs_off(&self, it: (HypervisorId, MachineId), session: SessionId) -> bool {
        self.happens(it, |domain| domain.logged_off.push(session))
    }

    /// A viewer comes with the newest ticket of a session, if that is still taken.
    pub fn viewer_comes(&self, it: (HypervisorId, MachineId), session: SessionId) -> bool {
        let mut came = false;
        self.happens(it, |domain| {
            let open = domain.armed.iter_mut().find(|(armed, _)| {
                armed.session == session && armed.is == crate::seen::TicketUse::Open
            });
            if let Some((armed, _)) = open {
                armed.is = crate::seen::TicketUse::Used;
                domain.viewers.push(Viewer { session, ticket: armed.ticket });
                came = true;
            }
        });
        came
    }

    pub fn viewers_leave(&self, it: (HypervisorId, MachineId)) -> bool {
        self.happens(it, |domain| domain.viewers.clear())
    }

    /// A domain that was there before Carrel.
    pub fn has_foreign(&self, on: HypervisorId, uuid: Uuid, runs: bool) {
        self.state().host(on).foreign.insert(uuid, runs);
    }

    /// A file that was there before.
    pub fn has_file(&self, place: &Place, size_gib: u32, on: Option<&Place>) {
        let on = on.map(|on| (on.clone(), Format::Qcow2));
        let now = self.timer.now();
        let _ = self.state().files.make_disk(place, (size_gib, on.as_ref()), now);
    }

    pub fn loses_file(&self, place: &Place) -> bool {
        self.state().files.remove(std::slice::from_ref(place))
    }

    /// A backup is put in its place, of the same content or of another.
    pub fn puts_anew(&self, place: &Place, is_same: bool) {
        self.state().files.put_anew(place, is_same);
    }

    pub fn has_free(&self, storage: StorageId, mib: u64) {
        self.state().free_mib.insert(storage, mib);
    }

    /// Everything that was changed since counting began.
    pub fn effects(&self) -> Effects {
        self.state().effects.clone().unwrap_or_default().into_iter().collect()
    }

    /// Which files there are, what each stands on, and whether it is sealed.
    pub fn files(&self) -> BTreeMap<(StorageId, FilePath), FileTold> {
        self.state().files.all()
    }

    /// Packets that were sent to wake somebody.
    pub fn woken(&self, on: HypervisorId) -> Vec<carrel_model::mac::Mac> {
        self.state().host(on).woken.clone()
    }

    /// Words that were shown to people.
    pub fn shown(&self, on: HypervisorId) -> Vec<(MachineId, String)> {
        self.state().host(on).shown.clone()
    }

    /// How many steps a host is at.
    pub fn under_way(&self, on: HypervisorId) -> usize {
        self.state().host(on).waiting.len()
    }

    /// How many domains run on a host.
    pub fn running(&self, on: HypervisorId) -> usize {
        let now = self.timer.now();
        let mut state = self.state();
        state.tick_all(on, now, &self.pace);
        state.host(on).domains.values().filter(|domain| domain.is_on()).count()
    }

    /// A host as any other, for whoever needs no more than the port.
    pub fn hypervisor(&self, id: HypervisorId) -> Arc<dyn Hypervisor> {
        Arc::new(self.host(id))
    }
}

/// What a file stands on, and whether it is sealed.
pub type FileTold = (Option<(StorageId, FilePath)>, bool);

impl State {
    fn host(&mut self, id: HypervisorId) -> &mut HostState {
        let seed = mix(u64::from_be_bytes(id.as_bytes()[8..].try_into().unwrap_or_default()));
        self.hosts.entry(id).or_insert_with(|| HostState {
            lives: 0,
            is_up: true,
            domains: OrdMap::new(),
            foreign: BTreeMap::new(),
            faults: Faults::new(seed),
            waiting: BTreeMap::new(),
            woken: Vec::new(),
            shown: Vec::new(),
            told: Told::default(),
        })
    }

    fn tick(&mut self, (on, machine): (HypervisorId, MachineId), now: Duration, pace: &Pace) {
        let Some(host) = self.hosts.get_mut(&on) else { return };
        if !host.domains.get(&machine).is_some_and(|domain| domain.is_due(now)) {
            return;
        }
        let Some(domain) = host.domains.get_mut(&machine) else { return };
        let renewed = domain.tick(now, pace, &mut self.random);
        self.files.renew(&renewed);
    }

    fn tick_all(&mut self, on: HypervisorId, now: Duration, pace: &Pace) {
        let Some(host) = self.hosts.get(&on) else { return };
        let due = host.domains.iter().filter(|(_, domain)| domain.is_due(now));
        let due: Vec<MachineId> = due.map(|(machine, _)| *machine).collect();
        for machine in due {
            self.tick((on, machine), now, pace);
        }
    }

    /// A domain that was there before is known by its UUID, and from then on is the machine's.
    fn adopt(&mut self, on: HypervisorId, machine: MachineId, uuid: Uuid) {
        let host = self.host(on);
        if host.domains.contains_key(&machine) {
            return;
        }
        if let Some(runs) = host.foreign.remove(&uuid) {
            let mut found = SimDomain::found(Life::Off { ended: None });
            if runs {
                found.starts(Duration::ZERO, &Pace::INSTANT, &mut Random::new(0));
            }
            host.domains.insert(machine, found);
        }
    }
}
