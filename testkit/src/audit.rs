//! Who can have left traces where, kept apart from the model's own books: told by the facts alone
//! what was on, on which disks and snapshots, and who had it; and by the command that was sent, who
//! was given what another had left.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "only a few facts and commands say who can have written where"
)]

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::client::Client;
use carrel_model::command::Command;
use carrel_model::event::{Event, MachineFact, SessionFact};
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ClientId, DiskId, FromUuid, MachineId, SessionId, SnapshotId};
use carrel_model::machine::{Disk, DiskRole, Machine, Reason, Subject};
use carrel_model::people::SealedPersonRef;
use carrel_model::reference::Ref;
use carrel_model::version::latest::Switch;
use carrel_model::version::latest::machine::CopyRequested;

#[derive(Clone, Debug, Default)]
pub struct Audit {
    machines: BTreeMap<MachineId, Traces>,
    leases: BTreeMap<SessionId, (Subject, MachineId)>,
}

/// Whose traces are on each disk of a machine.
type OnDisks = BTreeMap<DiskId, BTreeSet<Subject>>;

#[derive(Clone, Debug, Default)]
struct Traces {
    on: bool,
    /// What is written to the system disk in this epoch goes with the power.
    throwaway: bool,
    on_disks: OnDisks,
    on_throwaway: BTreeSet<Subject>,
    /// What a copy that is being made to it will bring.
    to_come: OnDisks,
    /// An administrator has looked at it since its last first boot, and let it out of quarantine.
    looked_at: bool,
    /// What was on its disks when each was taken.
    in_snapshots: BTreeMap<SnapshotId, OnDisks>,
}

impl Audit {
    /// # Panics
    /// If somebody gets a machine with the traces of somebody else, or one whose first boot came to
    /// nothing and that nobody has looked at.
    pub fn hear(&mut self, before: &Fleet, command: &Command, events: &[Event]) {
        self.is_handed_on(before, command);
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

    /// Who is assigned a machine with what is on it was given that, because somebody has said so.
    fn is_handed_on(&mut self, fleet: &Fleet, command: &Command) {
        let Some((subject, machine)) = handed_on(fleet, command) else { return };
        let Some(traces) = self.machines.get_mut(&machine) else { return };
        for on_disk in traces.on_disks.values_mut() {
            *on_disk = BTreeSet::from([subject]);
        }
    }

    fn machine(&mut self, fleet: &Fleet, id: MachineId, fact: &MachineFact) {
        let copied = match fact {
            MachineFact::CopyRequested(copy) => self.of_copy(fleet, copy),
            _ => OnDisks::new(),
        };
        let holders: Vec<Subject> =
            self.leases.values().filter(|(_, it)| *it == id).map(|(who, _)| *who).collect();
        let machine = fleet.machines.get(id);
        let disks = disks(fleet, id);
        let traces = self.machines.entry(id).or_default();
        match fact {
            MachineFact::StartRequested(start) => {
                let set = machine.is_some_and(|machine| machine.virtual_snapshot.is_some());
                traces.on = true;
                traces.throwaway = set && !start.persistent_once;
                traces.on_throwaway.clear();
                holders.into_iter().for_each(|who| traces.write(&disks, who));
            }
            MachineFact::FirstBootBegun(_) => {
                traces.on = true;
                traces.throwaway = false;
                traces.looked_at = false;
            }
            MachineFact::MaintenanceChanged(changed) => {
                let ended = (changed.reason, changed.switch) == (Reason::Quarantine, Switch::Off);
                traces.looked_at |= ended;
            }
            MachineFact::Stopped(_) | MachineFact::StartFailed(_) => {
                traces.on = false;
                traces.on_throwaway.clear();
            }
            // Only the system disk is another one; snapshots of the old one are of no use any more.
            MachineFact::OverlayRequested(_) => {
                for disk in disks.iter().filter(|disk| disk.role == DiskRole::System) {
                    traces.on_disks.remove(&disk.id);
                }
                traces.in_snapshots.clear();
            }
            MachineFact::SnapshotTaken(of) => {
                traces.in_snapshots.insert(of.snapshot, traces.on_disks.clone());
            }
            MachineFact::SnapshotReverted(of) => {
                let then = traces.in_snapshots.get(&of.snapshot).cloned();
                traces.on_disks = then.unwrap_or_default();
            }
            MachineFact::CopyRequested(_) => traces.to_come = copied,
            MachineFact::Copied(_) => traces.on_disks = std::mem::take(&mut traces.to_come),
            _ => {}
        }
    }

    /// Each disk is the copy of the source's disk at the same place.
    fn of_copy(&self, fleet: &Fleet, copy: &CopyRequested) -> OnDisks {
        let Some(source) = self.machines.get(&copy.source) else { return OnDisks::new() };
        let traces = |from: &Disk| source.on_disks.get(&from.id).cloned().unwrap_or_default();
        let from = disks(fleet, copy.source);
        copy.disks.iter().zip(&from).map(|(own, from)| (own.id, traces(from))).collect()
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
        let half_made = fleet.machines.get(machine).is_some_and(|machine| machine.half_made);
        let traces = self.machines.entry(machine).or_default();
        assert!(traces.looked_at || !half_made, "{subject:?} gets {machine} half made");
        let strangers: BTreeSet<_> = traces.all().filter(|who| **who != subject).collect();
        assert!(strangers.is_empty(), "{subject:?} gets {machine} with traces of {strangers:?}");
        traces.write(&disks(fleet, machine), subject);
    }
}

/// Somebody has said `keep_data`: whose the machine is from then on.
fn handed_on(fleet: &Fleet, command: &Command) -> Option<(Subject, MachineId)> {
    let (subject, machine) = match command {
        Command::AssignClient(it) if it.keep_data => {
            let client = match it.client.as_ref()? {
                SealedPersonRef::Id(id) => ClientId::from_uuid(*id),
                SealedPersonRef::Name { provider, hash } => {
                    let is =
                        |client: &Client| client.provider == *provider && client.name_hash == *hash;
                    fleet.clients.iter().find(|(_, client)| is(client))?.0
                }
            };
            (Subject::Client(client), it.machine.as_ref()?)
        }
        Command::AssignTerminal(it) if it.keep_data => {
            let terminal = match &it.terminal {
                Ref::Id(id) => *id,
                Ref::Name(name) => {
                    let all = &fleet.terminals;
                    all.iter().find(|(_, terminal)| terminal.termid.as_str() == name)?.0
                }
            };
            (Subject::Terminal(terminal), &it.machine)
        }
        _ => return None,
    };
    let machine = match machine {
        Ref::Id(id) => *id,
        Ref::Name(name) => fleet.machines.iter().find(|(_, it)| it.name.as_str() == name)?.0,
    };
    Some((subject, machine))
}

fn disks(fleet: &Fleet, machine: MachineId) -> Vec<Disk> {
    let machine = fleet.machines.get(machine);
    machine.into_iter().flat_map(|machine| machine.disks.iter().cloned()).collect()
}

impl Traces {
    fn all(&self) -> impl Iterator<Item = &Subject> {
        self.on_disks.values().flatten().chain(&self.on_throwaway)
    }

    /// A guest may write to every disk that it has. A throwaway overlay covers the system disk.
    fn write(&mut self, disks: &[Disk], who: Subject) {
        for disk in disks.iter().filter(|_| self.on) {
            if self.throwaway && disk.role == DiskRole::System {
                self.on_throwaway.insert(who);
            } else {
                self.on_disks.entry(disk.id).or_default().insert(who);
            }
        }
    }
}
