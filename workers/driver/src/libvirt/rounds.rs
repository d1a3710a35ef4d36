//! What it takes a guest to answer, or QEMU to change, when nobody has asked for a step: in the
//! background, so that whoever looks at a host waits for none of its guests.
//!
//! ```text
//!   a listing --- what is wanted of each machine ---> queue ---> askers ---> guests, QEMU
//!       ^                                                           |
//!       +------------------ what was found so far <-----------------+
//! ```
//!
//! A machine is asked again with the next listing at the earliest, and when it has answered. A
//! guest whose agent hangs holds an asker up for as long as an agent has to answer.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use carrel_libvirt::{Host, Target};
use carrel_model::ids::{FromUuid, MachineId};
use carrel_model::machine::Probe;

use super::people::People;
use super::probes;
use crate::trouble::Trouble;

/// Each takes one of the lines on which machines are changed, of which there are more.
const ASKERS: usize = 3;
/// With every so manieth listing guests are asked who is logged in: each ten seconds.
const USERS_EACH: u32 = 5;
/// A guest that was asked this often without an answer rests for one listing more.
const MISSES_EACH: u32 = 32;
const RESTS_MAX: u32 = 7;

/// What is wanted of a machine.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) target: Target,
    pub(super) boot_epoch: u64,
    pub(super) probes: Vec<Probe>,
    /// Somebody looks, and might log off.
    pub(super) users: bool,
    /// Nobody knows what its displays take.
    pub(super) displays: bool,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.probes.is_empty() && !self.users && !self.displays
    }
}

#[derive(Debug, Default)]
struct Known {
    boot_epoch: u64,
    /// In this epoch.
    answered: Vec<Probe>,
    /// A round is under way.
    is_asked: bool,
    listings: u32,
    misses: u32,
    rests: u32,
}

#[derive(Debug, Default)]
struct Machines(Mutex<BTreeMap<MachineId, Known>>);

#[derive(Debug)]
pub(super) struct Rounds {
    machines: Arc<Machines>,
    /// The askers end when it does.
    queue: Sender<Round>,
}

impl Rounds {
    pub(super) fn new(host: &Arc<Host>, people: &Arc<People>) -> Result<Self, Trouble> {
        let (queue, rounds) = channel();
        let rounds = Arc::new(Mutex::new(rounds));
        let machines = Arc::new(Machines::default());
        for _ in 0..ASKERS {
            let asker = Asker {
                host: Arc::clone(host),
                people: Arc::clone(people),
                machines: Arc::clone(&machines),
                rounds: Arc::clone(&rounds),
            };
            let thread = thread::Builder::new().name("libvirt-ask".to_owned());
            let spawned = thread.spawn(move || asker.ask());
            spawned.map_err(|error| Trouble::again("thread", &error.to_string()))?;
        }
        Ok(Self { machines, queue })
    }

    /// What has answered in this epoch.
    pub(super) fn answered(&self, machine: MachineId, boot_epoch: u64) -> Vec<Probe> {
        let machines = self.machines.all();
        let known = machines.get(&machine).filter(|known| known.boot_epoch == boot_epoch);
        known.map(|known| known.answered.clone()).unwrap_or_default()
    }

    /// Once with each listing.
    pub(super) fn wants(&self, round: Round) {
        let Some(round) = self.machines.next(round) else { return };
        // Without askers nobody is asked.
        let _ = self.queue.send(round);
    }

    pub(super) fn forgets(&self, machine: MachineId) {
        self.machines.all().remove(&machine);
    }
}

impl Machines {
    fn all(&self) -> MutexGuard<'_, BTreeMap<MachineId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of it is asked now.
    fn next(&self, mut round: Round) -> Option<Round> {
        let mut machines = self.all();
        let known = machines.entry(MachineId::from_uuid(round.target.machine)).or_default();
        if known.boot_epoch != round.boot_epoch {
            let (boot_epoch, is_asked) = (round.boot_epoch, known.is_asked);
            *known = Known { boot_epoch, is_asked, ..Known::default() };
        }
        known.listings = known.listings.wrapping_add(1);
        if known.is_asked {
            return None;
        }
        round.probes.retain(|probe| !known.answered.contains(probe));
        if known.rests > 0 {
            known.rests -= 1;
            round.probes.clear();
        }
        round.users &= known.listings.is_multiple_of(USERS_EACH);
        known.is_asked = !round.is_empty();
        known.is_asked.then_some(round)
    }

    /// What was asked in an epoch that is over says nothing of this one.
    fn hears(&self, round: &Round, answered: Vec<Probe>) {
        let mut machines = self.all();
        let Some(known) = machines.get_mut(&MachineId::from_uuid(round.target.machine)) else {
            return;
        };
        known.is_asked = false;
        if known.boot_epoch != round.boot_epoch {
            return;
        }
        if round.probes.iter().any(|probe| !answered.contains(probe)) {
            known.misses += 1;
            known.rests = (known.misses / MISSES_EACH).min(RESTS_MAX);
        }
        for probe in answered {
            if !known.answered.contains(&probe) {
                known.answered.push(probe);
            }
        }
    }
}

struct Asker {
    host: Arc<Host>,
    people: Arc<People>,
    machines: Arc<Machines>,
    rounds: Arc<Mutex<Receiver<Round>>>,
}

impl Asker {
    fn ask(self) {
        let next = || self.rounds.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(round) = next() {
            if round.displays
                && let Err(trouble) = self.people.meets(&self.host, round.target)
            {
                let machine = round.target.machine;
                tracing::debug!(machine.id = %machine, %trouble, "its displays are not closed");
            }
            let mut answered: Vec<Probe> =
                round.probes.iter().filter(|it| self.answers(round.target, it)).cloned().collect();
            if round.users
                && let Ok(users) = self.host.users(round.target)
            {
                let machine = MachineId::from_uuid(round.target.machine);
                self.people.hears_users((machine, round.boot_epoch), users);
                answered.push(Probe::Agent);
            }
            self.machines.hears(&round, answered);
        }
    }

    fn answers(&self, target: Target, probe: &Probe) -> bool {
        match probe {
            // It is there as soon as QEMU is, and seen by whoever looks.
            Probe::Display => false,
            Probe::Agent => self.host.agent_answers(target).unwrap_or(false),
            Probe::Tcp { port } => {
                self.host.addresses(target).is_ok_and(|found| probes::listens(&found, *port))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Machines, Probe, RESTS_MAX, Round, Target, USERS_EACH};
    use carrel_model::ids::{FromUuid, MachineId};
    use uuid::Uuid;

    fn round(boot_epoch: u64) -> Round {
        let target = Target { uuid: Uuid::from_u128(1), machine: Uuid::from_u128(2) };
        let probes = vec![Probe::Agent, Probe::Tcp { port: 22 }];
        Round { target, boot_epoch, probes, users: false, displays: false }
    }

    #[test]
    fn one_round_at_a_time_until_everything_has_answered_in_its_epoch() {
        let machines = Machines::default();
        let first = machines.next(round(1)).expect("asked");
        assert!(machines.next(round(1)).is_none(), "it is under way");
        machines.hears(&first, vec![Probe::Agent]);
        let second = machines.next(round(1)).expect("asked");
        assert_eq!(second.probes, [Probe::Tcp { port: 22 }]);
        // It has booted again meanwhile.
        assert!(machines.next(round(2)).is_none(), "it is under way");
        machines.hears(&second, vec![Probe::Tcp { port: 22 }]);
        let third = machines.next(round(2)).expect("asked");
        assert_eq!(third.probes.len(), 2, "nothing is known of this epoch");
        machines.hears(&third, third.probes.clone());
        assert!(machines.next(round(2)).is_none());
        let machine = MachineId::from_uuid(third.target.machine);
        assert_eq!(machines.all().get(&machine).map(|it| it.answered.len()), Some(2));
    }

    #[test]
    fn who_never_answers_is_asked_less_often_and_never_forgotten() {
        let machines = Machines::default();
        let (mut asked, mut listings) = (0_u32, 0_u32);
        while asked < 500 {
            listings += 1;
            if let Some(round) = machines.next(round(1)) {
                asked += 1;
                machines.hears(&round, Vec::new());
            }
            assert!(listings <= (asked + 1) * (RESTS_MAX + 1));
        }
        assert!(listings > 2 * asked, "{listings}");
    }

    #[test]
    fn people_are_asked_for_seldom() {
        let machines = Machines::default();
        let looked_at = || Round { probes: Vec::new(), users: true, ..round(1) };
        let mut asked = 0;
        for _ in 0..USERS_EACH * 3 {
            if let Some(round) = machines.next(looked_at()) {
                asked += 1;
                machines.hears(&round, vec![Probe::Agent]);
            }
        }
        assert_eq!(asked, 3);
    }
}
