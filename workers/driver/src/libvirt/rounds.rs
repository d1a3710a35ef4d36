//! What it takes a guest to answer, or QEMU to say or to change, when nobody has asked for a step:
//! in the background, so that whoever looks at a host waits for no single machine on it.
//!
//! ```text
//!   a listing --- what is wanted of each machine ---> queue ---> askers ---> guests, QEMU
//!       ^                                              ^            |
//!       |                          libvirt's hints ----+            | anything new: told
//!       +------------------ what was found so far <-----------------+
//! ```
//!
//! A machine is asked again with the next listing at the earliest, unless something has happened
//! there, and when it has answered. One that hangs holds an asker up for as long as a call may
//! take, and then rests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use carrel_libvirt::{Host, Target};
use carrel_model::ids::{FromUuid, MachineId};
use carrel_model::machine::Probe;
use uuid::Uuid;

use super::Clock;
use super::people::People;
use super::probes;
use crate::told::Told;
use crate::trouble::{Hope, Trouble};

/// As many as are asked at once, by the lines that there are for it.
const ASKERS: usize = 4;
/// With every so manieth listing guests are asked who is logged in: each ten seconds.
const USERS_EACH: u32 = 5;
/// A guest that was asked this often without an answer rests for one listing more.
const MISSES_EACH: u32 = 32;
const RESTS_MAX: u32 = 7;
/// One that hangs rests twice as long each time, up to half a minute.
const HUNG_RESTS_MAX: u32 = 15;

/// What is wanted of a machine.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) target: Target,
    pub(super) boot_epoch: u64,
    pub(super) probes: Vec<Probe>,
    /// Somebody may look.
    pub(super) viewers: bool,
    /// Somebody looks, and might log off.
    pub(super) users: bool,
    /// Nobody knows what its displays take.
    pub(super) displays: bool,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.probes.is_empty() && !self.viewers && !self.users && !self.displays
    }
}

#[derive(Debug)]
struct Known {
    /// With the last listing.
    wanted: Round,
    /// In its epoch.
    answered: Vec<Probe>,
    /// A round is under way.
    is_asked: bool,
    /// Something has happened since.
    is_stale: bool,
    listings: u32,
    misses: u32,
    hung: u32,
    rests: u32,
}

impl Known {
    fn new(wanted: Round) -> Self {
        let (answered, is_asked, is_stale) = (Vec::new(), false, false);
        let (listings, misses, hung, rests) = (0, 0, 0, 0);
        Self { wanted, answered, is_asked, is_stale, listings, misses, hung, rests }
    }

    /// What of it is asked now.
    fn begin(&mut self, mut round: Round) -> Option<Round> {
        round.probes.retain(|probe| !self.answered.contains(probe));
        self.is_asked = !round.is_empty();
        self.is_asked.then_some(round)
    }
}

/// What came out of a round.
#[derive(Debug, Default)]
struct Heard {
    answered: Vec<Probe>,
    is_hung: bool,
    /// Somebody has come, left or logged off.
    is_new: bool,
}

#[derive(Debug, Default)]
struct Machines(Mutex<BTreeMap<MachineId, Known>>);

#[derive(Debug)]
pub(super) struct Rounds {
    asking: Asking,
}

/// Where questions are queued. The askers end when nobody has it any more.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    machines: Arc<Machines>,
    queue: Sender<Round>,
}

/// Whom the askers ask, and whom they tell.
#[derive(Clone)]
pub(super) struct Between {
    pub(super) host: Arc<Host>,
    pub(super) people: Arc<People>,
    pub(super) told: Told,
    pub(super) clock: Arc<Clock>,
}

impl Rounds {
    pub(super) fn new(between: &Between) -> Result<Self, Trouble> {
        let (queue, rounds) = channel();
        let rounds = Arc::new(Mutex::new(rounds));
        let machines = Arc::new(Machines::default());
        for _ in 0..ASKERS {
            let (machines, rounds) = (Arc::clone(&machines), Arc::clone(&rounds));
            let asker = Asker { between: between.clone(), machines, rounds };
            let thread = thread::Builder::new().name("libvirt-ask".to_owned());
            let spawned = thread.spawn(move || asker.ask());
            spawned.map_err(|error| Trouble::again("thread", &error.to_string()))?;
        }
        Ok(Self { asking: Asking { machines, queue } })
    }

    pub(super) fn asking(&self) -> Asking {
        self.asking.clone()
    }

    /// What has answered in this epoch.
    pub(super) fn answered(&self, machine: MachineId, boot_epoch: u64) -> Vec<Probe> {
        let machines = self.asking.machines.all();
        let known = machines.get(&machine).filter(|known| known.wanted.boot_epoch == boot_epoch);
        known.map(|known| known.answered.clone()).unwrap_or_default()
    }

    /// Once with each listing.
    pub(super) fn wants(&self, round: Round) {
        self.asking.put(self.asking.machines.listed(round));
    }

    pub(super) fn forgets(&self, machine: MachineId) {
        self.asking.machines.all().remove(&machine);
    }

    /// There are no others any more.
    pub(super) fn keeps(&self, machines: &BTreeSet<MachineId>) {
        self.asking.machines.all().retain(|machine, _| machines.contains(machine));
    }
}

impl Asking {
    /// What only a guest or its QEMU can tell may have changed.
    pub(super) fn happened(&self, domain: Uuid) {
        self.put(self.machines.happened(domain));
    }

    fn put(&self, round: Option<Round>) {
        // Without askers nobody is asked.
        let _ = round.map(|round| self.queue.send(round));
    }
}

impl Machines {
    fn all(&self) -> MutexGuard<'_, BTreeMap<MachineId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listed(&self, mut round: Round) -> Option<Round> {
        let mut machines = self.all();
        let known = machines
            .entry(MachineId::from_uuid(round.target.machine))
            .or_insert_with(|| Known::new(round.clone()));
        if known.wanted.boot_epoch != round.boot_epoch {
            let is_asked = known.is_asked;
            *known = Known { is_asked, ..Known::new(round.clone()) };
        }
        known.wanted = round.clone();
        known.listings = known.listings.wrapping_add(1);
        if known.is_asked {
            return None;
        }
        if known.rests > 0 {
            known.rests -= 1;
            if known.hung > 0 {
                return None;
            }
            round.probes.clear();
        }
        round.users &= known.listings.is_multiple_of(USERS_EACH);
        known.begin(round)
    }

    /// At once, or when it has answered.
    fn happened(&self, domain: Uuid) -> Option<Round> {
        let mut machines = self.all();
        let known = machines.values_mut().find(|known| known.wanted.target.uuid == domain)?;
        if known.is_asked {
            known.is_stale = true;
            return None;
        }
        known.rests = 0;
        let round = Round { viewers: true, ..known.wanted.clone() };
        known.begin(round)
    }

    /// What was asked in an epoch that is over says nothing of this one. Says whether anybody is to
    /// be told, and what is asked next.
    fn hears(&self, round: &Round, heard: Heard) -> (bool, Option<Round>) {
        let mut machines = self.all();
        let Some(known) = machines.get_mut(&MachineId::from_uuid(round.target.machine)) else {
            return (heard.is_new, None);
        };
        known.is_asked = false;
        let mut is_new = heard.is_new;
        if known.wanted.boot_epoch == round.boot_epoch {
            if heard.is_hung {
                known.hung = known.hung.saturating_add(1);
                known.rests = (1 << known.hung.min(8)).min(HUNG_RESTS_MAX);
            } else {
                known.hung = 0;
            }
            if !heard.is_hung && round.probes.iter().any(|it| !heard.answered.contains(it)) {
                known.misses = known.misses.saturating_add(1);
                known.rests = (known.misses / MISSES_EACH).min(RESTS_MAX);
            }
            for probe in heard.answered {
                if !known.answered.contains(&probe) {
                    known.answered.push(probe);
                    is_new = true;
                }
            }
        }
        if !std::mem::take(&mut known.is_stale) {
            return (is_new, None);
        }
        let round = Round { viewers: true, ..known.wanted.clone() };
        (is_new, known.begin(round))
    }
}

struct Asker {
    between: Between,
    machines: Arc<Machines>,
    rounds: Arc<Mutex<Receiver<Round>>>,
}

impl Asker {
    fn ask(self) {
        let next = || self.rounds.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(first) = next() {
            let mut again = Some(first);
            while let Some(round) = again {
                let heard = self.goes(&round);
                let (is_new, more) = self.machines.hears(&round, heard);
                if is_new {
                    self.between.told.tell();
                }
                again = more;
            }
        }
    }

    fn goes(&self, round: &Round) -> Heard {
        let Between { host, people, clock, .. } = &self.between;
        let (target, machine) = (round.target, MachineId::from_uuid(round.target.machine));
        let mut heard = Heard::default();
        let mut users = round.users;
        if round.displays
            && let Err(trouble) = people.meets(host, target)
        {
            tracing::debug!(machine.id = %machine, %trouble, "its displays are not closed");
            heard.is_hung = trouble.hope == Hope::Unreachable;
        }
        if round.viewers && !heard.is_hung && people.may_be_at(machine) {
            match people.looks(host, target, clock()) {
                Ok(is_new) => {
                    heard.is_new = is_new;
                    // Who is logged in already when somebody comes is not them.
                    users |= is_new;
                }
                Err(trouble) => {
                    tracing::debug!(machine.id = %machine, %trouble, "nobody knows who looks");
                    heard.is_hung = trouble.hope == Hope::Unreachable;
                }
            }
        }
        if heard.is_hung {
            return heard;
        }
        heard.answered =
            round.probes.iter().filter(|it| self.answers(target, it)).cloned().collect();
        if users && let Ok(users) = host.users(target) {
            heard.is_new |= people.hears_users(machine, round.boot_epoch, users);
            heard.answered.push(Probe::Agent);
        }
        heard
    }

    fn answers(&self, target: Target, probe: &Probe) -> bool {
        let host = &self.between.host;
        match probe {
            // It is there as soon as QEMU is, and seen by whoever looks.
            Probe::Display => false,
            Probe::Agent => host.agent_answers(target).unwrap_or(false),
            Probe::Tcp { port } => {
                host.addresses(target).is_ok_and(|found| probes::listens(&found, *port))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HUNG_RESTS_MAX, Heard, Machines, Probe, RESTS_MAX, Round, Target, USERS_EACH};
    use carrel_model::ids::{FromUuid, MachineId};
    use uuid::Uuid;

    fn round(boot_epoch: u64) -> Round {
        let target = Target { uuid: Uuid::from_u128(1), machine: Uuid::from_u128(2) };
        let probes = vec![Probe::Agent, Probe::Tcp { port: 22 }];
        Round { target, boot_epoch, probes, viewers: false, users: false, displays: false }
    }

    fn heard(answered: Vec<Probe>) -> Heard {
        Heard { answered, ..Heard::default() }
    }

    fn hung() -> Heard {
        Heard { is_hung: true, ..Heard::default() }
    }

    #[test]
    fn one_round_at_a_time_until_everything_has_answered_in_its_epoch() {
        let machines = Machines::default();
        let first = machines.listed(round(1)).expect("asked");
        assert!(machines.listed(round(1)).is_none(), "it is under way");
        let (is_new, more) = machines.hears(&first, heard(vec![Probe::Agent]));
        assert!(is_new && more.is_none());
        let second = machines.listed(round(1)).expect("asked");
        assert_eq!(second.probes, [Probe::Tcp { port: 22 }]);
        // It has booted again meanwhile.
        assert!(machines.listed(round(2)).is_none(), "it is under way");
        let (is_new, _) = machines.hears(&second, heard(vec![Probe::Tcp { port: 22 }]));
        assert!(!is_new, "that was another epoch");
        let third = machines.listed(round(2)).expect("asked");
        assert_eq!(third.probes.len(), 2, "nothing is known of this epoch");
        machines.hears(&third, heard(third.probes.clone()));
        assert!(machines.listed(round(2)).is_none());
        let machine = MachineId::from_uuid(third.target.machine);
        assert_eq!(machines.all().get(&machine).map(|it| it.answered.len()), Some(2));
    }

    #[test]
    fn who_never_answers_is_asked_less_often_and_never_forgotten() {
        let machines = Machines::default();
        let (mut asked, mut listings) = (0_u32, 0_u32);
        while asked < 500 {
            listings += 1;
            if let Some(round) = machines.listed(round(1)) {
                asked += 1;
                machines.hears(&round, Heard::default());
            }
            assert!(listings <= (asked + 1) * (RESTS_MAX + 1));
        }
        assert!(listings > 2 * asked, "{listings}");
    }

    #[test]
    fn one_that_hangs_holds_up_the_others_less_each_time() {
        let machines = Machines::default();
        let displays = || Round { displays: true, ..round(1) };
        let mut rests = Vec::new();
        for _ in 0..6 {
            let round = machines.listed(displays()).expect("asked");
            machines.hears(&round, hung());
            rests.push(0_u32);
            let resting = (0..HUNG_RESTS_MAX).take_while(|_| machines.listed(displays()).is_none());
            *rests.last_mut().expect("one") += u32::try_from(resting.count()).expect("few");
            let machine = MachineId::from_uuid(round.target.machine);
            machines.all().get_mut(&machine).expect("known").is_asked = false;
        }
        assert_eq!(rests, [2, 4, 8, 15, 15, 15]);
        let round = machines.happened(round(1).target.uuid).expect("it is heard of again");
        machines.hears(&round, Heard::default());
        assert!(machines.listed(displays()).is_some(), "it hangs no more");
    }

    #[test]
    fn what_happens_is_asked_at_once_or_next() {
        let machines = Machines::default();
        assert!(machines.happened(Uuid::from_u128(1)).is_none(), "nobody knows it");
        let first = machines.listed(round(1)).expect("asked");
        let domain = first.target.uuid;
        assert!(machines.happened(domain).is_none(), "it is under way");
        assert!(machines.happened(domain).is_none(), "and once more is enough");
        let (_, next) = machines.hears(&first, heard(vec![Probe::Agent]));
        let next = next.expect("asked again");
        assert!(next.viewers);
        assert_eq!(next.probes, [Probe::Tcp { port: 22 }]);
        let (_, none) = machines.hears(&next, heard(next.probes.clone()));
        assert!(none.is_none(), "nothing has happened since");
        let at_once = machines.happened(domain).expect("asked");
        assert!(at_once.viewers && at_once.probes.is_empty());
    }

    #[test]
    fn people_are_asked_for_seldom() {
        let machines = Machines::default();
        let looked_at = || Round { probes: Vec::new(), users: true, ..round(1) };
        let mut asked = 0;
        for _ in 0..USERS_EACH * 3 {
            if let Some(round) = machines.listed(looked_at()) {
                asked += 1;
                machines.hears(&round, heard(vec![Probe::Agent]));
            }
        }
        assert_eq!(asked, 3);
    }
}
