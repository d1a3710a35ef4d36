//! One simulated host, as its worker has it.

use std::collections::BTreeMap;
use std::time::Duration;

use carrel_model::contract::{Guest, Taken};
use carrel_model::foreign::{ForeignDomain, ForeignState};
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::name::HostPath;
use carrel_model::text::Text;
use uuid::Uuid;

use crate::cancel::{Cancel, Waited};
use crate::hypervisor::{Advance, Doing, Hypervisor, Listener, Look};
use crate::place::{Place, Root, machine_folder, throwaway_folder};
use crate::seen::{Listing, Seen};
use crate::step::{Done, Step, StepKind};
use crate::trouble::Trouble;

use super::domain::SimDomain;
use super::faults::Fault;
use super::pace::Pace;
use super::{FREE_MIB, State, World};

/// Clones are one and the same host.
#[derive(Clone, Debug)]
pub struct SimHost {
    pub(super) world: World,
    pub(super) id: HypervisorId,
}

fn down() -> Trouble {
    Trouble::unreachable("the host is down")
}

/// A long step says so often how far it is.
const PARTS: u32 = 8;

impl SimHost {
    fn up(&self, state: &mut State) -> Result<u64, Trouble> {
        let host = state.host(self.id);
        if host.is_up { Ok(host.lives) } else { Err(down()) }
    }

    fn must_run(&self, machine: MachineId, code: &str) -> Result<(), Trouble> {
        let mut state = self.world.state();
        self.up(&mut state)?;
        let runs = state.host(self.id).domains.get(&machine).is_some_and(SimDomain::is_on);
        let off = || Trouble::never(code, "the machine does not run here");
        runs.then_some(()).ok_or_else(off)
    }

    /// Waits, unless the host goes down meanwhile.
    fn wait(&self, lives: u64, time: Duration, cancel: &Cancel) -> Result<(), Trouble> {
        if time.is_zero() {
            return Ok(());
        }
        let then = self.world.timer.now().saturating_add(time);
        let waited = self.world.timer.wait_until(then, cancel);
        self.still_up(lives)?;
        match waited {
            Waited::Over => Ok(()),
            Waited::Cancelled => Err(Trouble::cancelled()),
        }
    }

    fn still_up(&self, lives: u64) -> Result<(), Trouble> {
        let host_lives = self.up(&mut self.world.state())?;
        if host_lives == lives { Ok(()) } else { Err(down()) }
    }

    fn hangs(&self, lives: u64, cancel: &Cancel) -> Trouble {
        let waited = cancel.wait_until(|| self.still_up(lives).is_err());
        match waited {
            Waited::Over => down(),
            Waited::Cancelled => Trouble::cancelled(),
        }
    }

    /// How long it takes, and how much of anything is moved.
    fn takes(&self, state: &mut State, step: &Step) -> (Duration, u64) {
        let kind = step.kind();
        let time = self.world.pace.of(kind).draw(&mut state.random);
        if !Pace::is_by_size(kind) {
            return (time, 0);
        }
        let read = if let Step::Copy { from: file, .. }
        | Step::CopyVersion { from: file, .. }
        | Step::Verify { file }
        | Step::Accept { file, .. } = step
        {
            Some(file)
        } else {
            // How large an upload is nobody has said.
            None
        };
        let size_gib = read.and_then(|file| state.files.see(file)).map_or(1, |it| it.size_gib);
        (time.saturating_mul(size_gib), u64::from(size_gib) << 30)
    }

    fn works(
        &self,
        (lives, time, bytes): (u64, Duration, u64),
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<(), Trouble> {
        if bytes == 0 {
            return self.wait(lives, time, cancel);
        }
        for part in 0..PARTS {
            advance.is(bytes / u64::from(PARTS) * u64::from(part), Some(bytes));
            self.wait(lives, time / PARTS, cancel)?;
        }
        advance.is(bytes, Some(bytes));
        Ok(())
    }

    fn try_step(
        &self,
        (doing, step): (&Doing, &Step),
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble> {
        let (lives, fault, time, bytes) = {
            let mut state = self.world.state();
            let lives = self.up(&mut state)?;
            let fault = state.host(self.id).faults.draw(step.kind());
            let (time, bytes) = self.takes(&mut state, step);
            (lives, fault, time, bytes)
        };
        let apply = || self.world.apply(self.id, doing, step);
        match fault {
            None => {}
            Some(Fault::Slow { times }) => {
                self.works((lives, time.saturating_mul(times), bytes), advance, cancel)?;
                return apply();
            }
            Some(Fault::Hung) => return Err(self.hangs(lives, cancel)),
            Some(Fault::Fails(trouble)) => return Err(trouble),
            Some(Fault::Late { times }) => {
                let done = apply()?;
                self.works((lives, time.saturating_mul(times), bytes), advance, cancel)?;
                return Ok(done);
            }
            Some(Fault::LosesAnswer) => {
                apply()?;
                return Err(Trouble::unreachable("the answer was lost"));
            }
            Some(Fault::Dies) => {
                self.world.host_dies(self.id);
                return Err(down());
            }
        }
        self.works((lives, time, bytes), advance, cancel)?;
        apply()
    }
}

impl Hypervisor for SimHost {
    fn observe(&self, look: &Look) -> Result<Seen, Trouble> {
        let now = self.world.timer.now();
        let mut state = self.world.state();
        self.up(&mut state)?;
        let mut seen = Seen::default();
        if let Some(it) = look.domain {
            if let Some(uuid) = it.uuid {
                state.adopt(self.id, it.machine, uuid);
            }
            state.tick((self.id, it.machine), now, &self.world.pace);
            let domain = state.host(self.id).domains.get(&it.machine);
            seen.domain = domain.map(|domain| domain.see(it.machine, now));
        }
        let in_folders = look
            .domain
            .iter()
            .flat_map(|it| look.roots.iter().flat_map(|root| files_of(&state, root, it.machine)));
        let mut places: Vec<Place> = in_folders.collect();
        places.extend(look.places.iter().cloned());
        places.sort();
        places.dedup();
        seen.files = places.iter().filter_map(|place| state.files.see(place)).collect();
        Ok(seen)
    }

    fn list(&self) -> Result<Listing, Trouble> {
        let now = self.world.timer.now();
        let mut state = self.world.state();
        self.up(&mut state)?;
        state.tick_all(self.id, now, &self.world.pace);
        let host = state.host(self.id);
        let domains = host.domains.iter().map(|(machine, domain)| domain.see(*machine, now));
        let foreign = u32::try_from(host.foreign.len()).unwrap_or(u32::MAX);
        Ok(Listing { domains: domains.collect(), foreign })
    }

    fn step(
        &self,
        doing: &Doing,
        step: &Step,
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble> {
        let number = {
            let mut state = self.world.state();
            let number = state.random.next();
            state.host(self.id).waiting.insert(number, cancel.clone());
            number
        };
        let done = self.try_step((doing, step), advance, cancel);
        self.world.state().host(self.id).waiting.remove(&number);
        done
    }

    fn screenshot(&self, machine: MachineId) -> Result<Vec<u8>, Trouble> {
        self.must_run(machine, "screenshot")?;
        Ok(PNG.to_vec())
    }

    fn guest(&self, machine: MachineId) -> Result<Guest, Trouble> {
        self.must_run(machine, "agent")?;
        let (agent, hostname) = (Some(Text::cut("sim")), Some(Text::cut(&machine.to_string())));
        Ok(Guest { agent, hostname, ..Guest::default() })
    }

    fn foreign(&self) -> Result<Vec<ForeignDomain>, Trouble> {
        let mut state = self.world.state();
        self.up(&mut state)?;
        let domains = state.host(self.id).foreign.iter();
        Ok(domains.map(|(uuid, runs)| told(*uuid, *runs)).collect())
    }

    fn taken(&self, machines: &[MachineId], _: &[HostPath]) -> Result<Vec<Taken>, Trouble> {
        let mut state = self.world.state();
        self.up(&mut state)?;
        let none = |machine: &MachineId| {
            (*machine, Taken { machine: *machine, kept_bytes: 0, thrown_away_bytes: 0 })
        };
        let mut taken: BTreeMap<_, _> = machines.iter().map(none).collect();
        for (_, file) in state.files.files.keys() {
            let mut parts = file.as_str().split('/');
            let (folder, machine) = (parts.next(), parts.next());
            let machine = machine.and_then(|id| id.parse::<MachineId>().ok());
            let Some(of) = machine.and_then(|id| taken.get_mut(&id)) else { continue };
            match folder {
                Some("machines") => of.kept_bytes += FILE_BYTES,
                Some("throwaway") => of.thrown_away_bytes += FILE_BYTES,
                _ => {}
            }
        }
        Ok(taken.into_values().collect())
    }

    fn free_mib(&self, storage: &Root) -> Result<u64, Trouble> {
        let mut state = self.world.state();
        self.up(&mut state)?;
        Ok(state.free_mib.get(&storage.storage).copied().unwrap_or(FREE_MIB))
    }

    fn tells(&self, listener: Listener) {
        self.world.state().host(self.id).told.is(listener);
    }

    fn answers_at_once(&self) -> bool {
        true
    }
}

fn files_of(state: &State, root: &Root, machine: MachineId) -> Vec<Place> {
    let folders = [machine_folder(machine), throwaway_folder(machine)];
    let files = folders.iter().flat_map(|folder| state.files.below(root.storage, folder));
    files.map(|file| Place { root: root.clone(), file }).collect()
}

/// How much is written is not simulated: each file takes as much.
const FILE_BYTES: u64 = 1 << 20;

/// It is there, and has nothing.
fn told(uuid: Uuid, runs: bool) -> ForeignDomain {
    ForeignDomain {
        uuid,
        name: Text::cut(&format!("foreign-{uuid}")),
        state: if runs { ForeignState::Running } else { ForeignState::Off },
        memory_mib: 512,
        sockets: 1,
        cores: 1,
        threads: 1,
        uefi: false,
        tpm: false,
        clock_is_local: false,
        emulator: None,
        macs: Vec::new(),
        card_model: None,
        disks: Vec::new(),
    }
}

/// Keeps tests honest about which steps are counted.
pub(super) const fn is_counted(step: StepKind) -> bool {
    !matches!(step, StepKind::Verify)
}

/// One grey pixel.
#[rustfmt::skip]
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b,
    0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x68, 0x00, 0x00, 0x00,
    0x82, 0x00, 0x81, 0xda, 0x45, 0x08, 0x3b, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];
