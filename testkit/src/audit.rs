//! Who can have left traces where, kept apart from the model's own books: told by the facts alone
//! what was on, on which overlay, and who had it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "only a few facts say who can have written where"
)]

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::event::{Event, MachineFact, SessionFact};
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{MachineId, SessionId};
use carrel_model::machine::{Machine, Subject};

#[derive(Clone, Debug, Default)]
pub struct Audit {
    machines: BTreeMap<MachineId, Traces>,
    leases: BTreeMap<SessionId, (Subject, MachineId)>,
}

#[derive(Clone, Debug, Default)]
struct Traces {
    on: bool,
    /// What is written in this epoch goes with the power.
    throwaway: bool,
    on_disk: BTreeSet<Subject>,
    on_throwaway: BTreeSet<Subject>,
    /// What a copy that is being made to it will bring.
    to_come: BTreeSet<Subject>,
}

impl Audit {
    /// # Panics
    /// If somebody gets a machine with the traces of somebody else.
    pub fn hear(&mut self, before: &Fleet, events: &[Event]) {
        let mut fleet = before.clone();
        for event in events {
            match event {
                Event::Machine(id, fact) => self.machine(&fleet, *id, fact),
                Event::Session(id, fact) => self.session(&fleet, *id, fact),
                _ => {}
            }
            fleet = evolve(fleet, event);
        }
    }

    fn machine(&mut self, fleet: &Fleet, id: MachineId, fact: &MachineFact) {
        let source = match fact {
            MachineFact::CopyRequested(copy) => self.machines.get(&copy.source),
            _ => None,
        };
        let source = source.map(|traces| traces.on_disk.clone()).unwrap_or_default();
        let holders: Vec<Subject> =
            self.leases.values().filter(|(_, it)| *it == id).map(|(who, _)| *who).collect();
        let traces = self.machines.entry(id).or_default();
        match fact {
            MachineFact::StartRequested(start) => {
                let machine = fleet.machines.get(id);
                let set = machine.is_some_and(|machine| machine.virtual_snapshot.is_some());
                traces.on = true;
                traces.throwaway = set && !start.persistent_once;
                traces.on_throwaway.clear();
                holders.into_iter().for_each(|who| traces.write(who));
            }
            MachineFact::FirstBootBegun(_) => {
                traces.on = true;
                traces.throwaway = false;
            }
            MachineFact::Stopped(_) | MachineFact::StartFailed(_) => {
                traces.on = false;
                traces.on_throwaway.clear();
            }
            MachineFact::OverlayRequested(_) => traces.on_disk.clear(),
            MachineFact::CopyRequested(_) => traces.to_come = source,
            MachineFact::Copied(_) => traces.on_disk = std::mem::take(&mut traces.to_come),
            // Whoever gets it with the data on it was given the data.
            MachineFact::Written(written) => traces.on_disk = BTreeSet::from([written.by]),
            _ => {}
        }
    }

    fn session(&mut self, fleet: &Fleet, id: SessionId, fact: &SessionFact) {
        let (subject, machine) = match fact {
            SessionFact::LeaseGranted(granted) => (granted.subject, granted.machine),
            SessionFact::Moved(moved) => {
                let Some((subject, _)) = self.leases.get(&id) else { return };
                (*subject, moved.machine)
            }
            SessionFact::LeaseEnded(_) => {
                self.leases.remove(&id);
                return;
            }
            _ => return,
        };
        self.leases.insert(id, (subject, machine));
        if fleet.machines.get(machine).is_none_or(Machine::is_external) {
            return;
        }
        let traces = self.machines.entry(machine).or_default();
        let theirs = BTreeSet::from([subject]);
        let all: BTreeSet<_> = traces.on_disk.union(&traces.on_throwaway).copied().collect();
        assert!(all.is_subset(&theirs), "{subject:?} gets {machine} with traces of {all:?}");
        traces.write(subject);
    }
}

impl Traces {
    fn write(&mut self, who: Subject) {
        match (self.on, self.throwaway) {
            (true, true) => self.on_throwaway.insert(who),
            (true, false) => self.on_disk.insert(who),
            (false, _) => false,
        };
    }
}
