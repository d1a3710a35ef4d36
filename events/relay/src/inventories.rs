//! Hears what hosts have, and sees to what differs from the fleet.
//!
//! An inventory is a look at a moment that is over: an order may have been on its way, or an
//! outcome. So a difference counts when two inventories of a host in a row have it, and what is not
//! mended by saying it again is said again less and less often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_bus::{Beat, Pulse};
use carrel_decider::Answer;
use carrel_model::command::Command;
use carrel_model::contract::{FreeSpace, Inventory};
use carrel_model::fleet::Silence;
use carrel_model::hypervisor::Reason;
use carrel_model::hypervisor::commands::{ReportHostHeard, ReportStorageSpace};
use carrel_model::ids::{CommandId, HypervisorId, MachineId, StorageId};
use carrel_model::inventory::{Difference, compare};
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::record::Incarnation;
use carrel_model::work::Thing;
use uuid::Uuid;

use crate::asking::{Asking, By, Saying};
use crate::counters::Counters;
use crate::derived;
use crate::limits::{SIGHTINGS_BEFORE_BELIEF, SIGHTINGS_BETWEEN_REPEATS};
use crate::orders::operation_of;
use crate::reports::thing;
use crate::touched::{Shown, Touched};

pub(crate) struct Inventories {
    asking: Asking,
    pulse: Arc<dyn Pulse>,
    touched: Arc<Touched>,
    counters: Arc<Counters>,
    remembered: Mutex<Remembered>,
}

/// What was said before, so that nothing is said for each inventory.
#[derive(Debug, Default)]
struct Remembered {
    /// The differences that the last inventory of each host had, and how often in a row.
    sighted: BTreeMap<HypervisorId, BTreeMap<Sight, u32>>,
    /// What each storage was last said to have free.
    space: BTreeMap<StorageId, u64>,
}

/// A difference as it is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    Order(Thing),
    Outcome(Uuid),
    Astray(MachineId),
    Foreign(u32),
}

impl Inventories {
    pub(crate) fn new(
        asking: Asking,
        pulse: Arc<dyn Pulse>,
        touched: Arc<Touched>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { asking, pulse, touched, counters, remembered: Mutex::default() }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn hear(&self, shown: &Shown, message: Uuid, mut inventory: Inventory) {
        let host = inventory.hypervisor;
        let Some(known) = shown.standing.fleet.hypervisors.get(host) else {
            tracing::warn!(host.id = %host, "an inventory of a host that nobody has registered");
            self.counters.malformed();
            self.remembered().sighted.remove(&host);
            return;
        };
        if let Err(error) = self.pulse.beat(Beat::Of(Silence::Worker(host))).await {
            tracing::debug!(%error, "a sign of a host is not kept");
        }
        if known.maintenance.contains(&Reason::Silent) {
            let heard = ReportHostHeard { hypervisor: host };
            self.say(host, derived::part(message, b"heard"), message, heard.into()).await;
        }
        self.space(host, message, &inventory.space).await;
        if inventory.incarnation > shown.incarnation {
            // This relay has yet to follow the log to where the host was told from.
            return;
        }
        if inventory.incarnation < shown.incarnation {
            // What it has heard was about a past that was taken back.
            inventory.things.clear();
        }
        self.differences(shown, message, &inventory).await;
    }

    async fn differences(&self, shown: &Shown, message: Uuid, inventory: &Inventory) {
        let host = inventory.hypervisor;
        let differences = compare(&shown.standing.fleet, inventory);
        let sighted = differences.into_iter().map(|it| (sight(shown.incarnation, &it), it));
        let sighted: Vec<(Sight, Difference)> = sighted.collect();
        let counted = self.count(host, sighted.iter().map(|(sight, _)| *sight));
        let mut again = Vec::new();
        for (sight, difference) in sighted {
            let times = counted.get(&sight).copied().unwrap_or_default();
            if !is_said(times) {
                continue;
            }
            match difference {
                Difference::Order(thing) => again.push(thing),
                Difference::Outcome(outcome) => {
                    self.report(shown, sight, message, outcome).await;
                }
                Difference::Astray(machine) => self.alarm(times, || {
                    tracing::error!(
                        host.id = %host, machine.id = %machine, alarm = true,
                        "a host has a machine that is not its own; nobody touches it"
                    );
                }),
                Difference::Foreign(domains) => self.alarm(times, || {
                    tracing::warn!(
                        host.id = %host, domains, alarm = true,
                        "a host has domains that Carrel knows nothing of; nobody touches them"
                    );
                }),
            }
        }
        self.touched.again(again);
    }

    /// How often in a row each of these was seen now; all others are forgotten.
    fn count(
        &self,
        host: HypervisorId,
        sights: impl Iterator<Item = Sight>,
    ) -> BTreeMap<Sight, u32> {
        let mut remembered = self.remembered();
        let before = remembered.sighted.remove(&host).unwrap_or_default();
        let times = |sight| before.get(&sight).copied().unwrap_or_default().saturating_add(1);
        let counted: BTreeMap<Sight, u32> = sights.map(|sight| (sight, times(sight))).collect();
        if !counted.is_empty() {
            remembered.sighted.insert(host, counted.clone());
        }
        counted
    }

    /// Once, as long as it stays.
    fn alarm(&self, times: u32, say: impl FnOnce()) {
        if times == SIGHTINGS_BEFORE_BELIEF {
            self.counters.alarms();
            say();
        }
    }

    async fn report(&self, shown: &Shown, sight: Sight, message: Uuid, outcome: ReportOutcome) {
        let Sight::Outcome(id) = sight else { return };
        let operation = operation_of(&shown.standing.fleet, thing(&outcome), None);
        let saying = Saying {
            id: CommandId::new(id),
            by: By::Worker(outcome.hypervisor),
            command: outcome.into(),
            causation: message,
            correlation: operation.map_or(id, CommandId::uuid),
            trace_parent: None,
        };
        self.counters.differences_reported();
        self.ask(saying).await;
    }

    /// A storage is said to have what it was said to have before: no news.
    async fn space(&self, host: HypervisorId, message: Uuid, space: &[FreeSpace]) {
        for FreeSpace { storage, free_mib } in space {
            if self.remembered().space.get(storage) == Some(free_mib) {
                continue;
            }
            let id = derived::part(message, storage.as_bytes());
            let command = ReportStorageSpace { storage: *storage, free_mib: *free_mib };
            self.say(host, id, message, command.into()).await;
            self.remembered().space.insert(*storage, *free_mib);
        }
    }

    async fn say(&self, host: HypervisorId, id: Uuid, message: Uuid, command: Command) {
        let (by, trace_parent) = (By::Worker(host), None);
        let (causation, correlation) = (message, message);
        let id = CommandId::new(id);
        self.ask(Saying { id, by, command, causation, correlation, trace_parent }).await;
    }

    async fn ask(&self, saying: Saying) {
        let (id, command) = (saying.id, saying.command.name());
        match self.asking.ask(saying).await {
            Ok(Answer::Accepted(_) | Answer::Known(_) | Answer::Unchanged { .. }) => {}
            Err(refused) => {
                tracing::warn!(%refused, command.id = %id, command, "what a host has is no news");
            }
        }
    }
}

const fn is_said(times: u32) -> bool {
    times >= SIGHTINGS_BEFORE_BELIEF
        && (times.is_power_of_two() || times.is_multiple_of(SIGHTINGS_BETWEEN_REPEATS))
}

fn sight(incarnation: Incarnation, difference: &Difference) -> Sight {
    match difference {
        Difference::Order(thing) => Sight::Order(*thing),
        Difference::Outcome(outcome) => {
            // What can't be written can't be said either, and is refused there.
            let said = serde_json::to_vec(outcome).unwrap_or_default();
            let about = (incarnation, thing(outcome), outcome.generation);
            Sight::Outcome(derived::sighting(about.0, about.1, about.2, &said))
        }
        Difference::Astray(machine) => Sight::Astray(*machine),
        Difference::Foreign(domains) => Sight::Foreign(*domains),
    }
}

#[cfg(test)]
mod tests {
    use super::is_said;

    #[test]
    fn a_difference_is_believed_the_second_time_and_repeated_less_and_less_often() {
        let said: Vec<u32> = (0..130).filter(|times| is_said(*times)).collect();
        assert_eq!(said, [2, 4, 8, 16, 32, 64, 96, 128]);
    }
}
