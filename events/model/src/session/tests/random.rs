//! Whatever happens in whatever order: no machine is given twice or unclean, and nothing panics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::site::{Site, armed, fact, machine, name, person};
use crate::event::{Event, MachineFact, SessionFact};
use crate::ids::{MachineId, SessionId};
use crate::machine::StopCause;
use crate::pool::Reset;
use crate::session::{Subject, wants_service};
use crate::testing::{Dice, command};
use crate::version::latest::Nothing;

const MACHINES: u32 = 5;
const PEOPLE: u32 = 7;
const STEPS: u32 = 400;

/// Who was last on each machine since it was made clean, as the log tells it.
#[derive(Default)]
struct Traces {
    by: BTreeMap<MachineId, Subject>,
    seen: usize,
    subjects: BTreeMap<SessionId, Subject>,
}

impl Traces {
    fn read(&mut self, site: &Site) {
        for event in &site.story.log[self.seen..] {
            if let Event::Session(id, SessionFact::LeaseGranted(granted)) = event {
                self.subjects.insert(*id, granted.subject);
                self.given(granted.machine, granted.subject);
            }
            if let Event::Session(id, SessionFact::Moved(moved)) = event {
                self.given(moved.machine, self.subjects[id]);
            }
            if let Event::Machine(id, MachineFact::Cleaned(_) | MachineFact::Populated(_)) = event {
                self.by.remove(id);
            }
            // Said by `keep_data`.
            if let Event::Machine(id, MachineFact::HandedOn(handed)) = event {
                self.by.insert(*id, handed.to);
            }
        }
        self.seen = site.story.log.len();
    }

    fn given(&mut self, machine: MachineId, subject: Subject) {
        let before = self.by.insert(machine, subject);
        assert!(before.is_none_or(|before| before == subject), "{machine} was not clean");
    }
}

fn step(site: &mut Site, dice: &mut Dice) {
    let (n, m) = (dice.below(PEOPLE), dice.below(MACHINES));
    let client = json!({ "id": person(n) });
    let session = site.has_any(n).map(|session| session.id);
    let held = site.at(m).leases.clone();
    let mut say = |name: &str, data: Value| drop(site.story.tell(command(name, data)));
    match dice.below(60) {
        0 | 20..=42 => say("RequestDesktop", json!({ "client": client, "pool": "pool" })),
        1..=7 => say("RequestDesktop", json!({ "client": client, "machine": machine(m) })),
        8 => say("AssignClient", json!({ "client": client, "machine": machine(m) })),
        9 => say("UnassignClient", json!({ "client": client, "machine": machine(m) })),
        10 => say("RevokePool", json!({ "client": client, "pool": "pool" })),
        11 => say("EntitlePool", json!({ "client": client, "pool": "pool" })),
        12 => {
            say("BlockClient", json!({ "client": client }));
            say("UnblockClient", json!({ "client": client }));
        }
        13 => say("UnblockClient", json!({ "client": client })),
        14 => say("RemoveFromPool", json!({ "pool": "pool", "machines": [machine(m)] })),
        15 | 51..=56 => say("AddToPool", json!({ "pool": "pool", "machines": [machine(m)] })),
        16 => say("DeleteClient", json!({ "client": client })),
        17 => {
            say("CreateClient", json!({ "id": person(n), "name": name(n) }));
            say("EntitlePool", json!({ "client": client, "pool": "pool" }));
        }
        18 | 43..=50 => {
            let keep = json!({ "client": client, "machine": machine(m), "keep_data": true });
            say("AssignClient", keep);
        }
        _ => {
            for session in session.into_iter().chain(held) {
                let name = ["EndSession", "ExpireLease", "ExpirePlace", "DisconnectSession"]
                    [dice.below(4) as usize];
                say(name, json!({ "session": session }));
            }
        }
    }
}

/// What hosts and operators do to machines.
fn befall(site: &mut Site, dice: &mut Dice) {
    let m = dice.below(MACHINES);
    let switch = ["on", "off", "off", "off"][dice.below(4) as usize];
    let off = site.at(m).observed.state.is_off();
    match dice.below(12) {
        0 if !off => drop(site.started(m)),
        1 if !off => drop(site.ready(m)),
        2 if !off => drop(site.stopped(m, StopCause::Guest)),
        3 if !off => drop(site.stopped(m, StopCause::HostLost)),
        4 if !off => drop(site.start_failed(m)),
        5 => drop(site.maintenance(m, "quarantine", switch)),
        6 => drop(site.maintenance(m, "admin", switch)),
        7 if switch == "on" => site.locked(m),
        7 => drop(site.story.happened(machine(m), MachineFact::Unlocked(Nothing {}))),
        8..=11 if site.at(m).leases.is_empty() => drop(site.made_clean(m)),
        _ => {
            let leases: Vec<SessionId> = site.at(m).leases.to_vec();
            for session in leases {
                let armed = SessionFact::DisplayArmed(fact(armed()));
                site.story.happened(session, armed);
            }
        }
    }
}

fn check(site: &mut Site, traces: &mut Traces) {
    traces.read(site);
    let fleet = &site.story.fleet;
    for (id, machine) in fleet.machines.iter() {
        assert!(machine.leases.len() <= machine.seats());
        assert!(machine.owners.len() <= machine.seats());
        for lease in &machine.leases {
            let session = fleet.sessions.get(*lease).expect("a lease is a session");
            assert_eq!(session.machine(), Some(id));
        }
    }
    let pool = site.pool_id("pool");
    let serve = json!({ "pool": pool });
    site.given("ServePool", serve.clone());
    traces.read(site);
    assert_eq!(site.given("ServePool", serve), [], "what changes nothing appends nothing");
    let pool = site.story.fleet.pools.get(pool).expect("the pool");
    if pool.reset() != Reset::OnAssign && pool.closed() {
        assert!(!wants_service(&site.story.fleet, pool.id));
    }
}

#[test]
fn whatever_happens_no_machine_is_given_twice_or_unclean() {
    for (seed, settings) in [
        (11, json!({})),
        (12, json!({ "reset": "on_assign" })),
        (13, json!({ "mode": "sticky" })),
        (14, json!({ "mode": "sticky", "reset": "on_release" })),
        (15, json!({ "mode": "dedicated" })),
        (16, json!({ "mode": "dedicated", "reset": "on_assign" })),
        (17, json!({ "spares": { "keep_ready": 2 }, "limits": { "sessions_max": 3 } })),
    ] {
        let mut site = Site::with_pool(settings, MACHINES, PEOPLE);
        let (mut dice, mut traces) = (Dice(seed), Traces::default());
        for _ in 0..STEPS {
            if dice.below(2) == 0 {
                step(&mut site, &mut dice);
            } else {
                befall(&mut site, &mut dice);
            }
            check(&mut site, &mut traces);
        }
        let seen = |kind: &str| site.story.log.iter().any(|event| event.kind() == kind);
        for kind in ["lease.granted", "lease.ended", "session.queued", "session.ticket_issued"] {
            assert!(seen(kind), "{kind} in {seed}");
        }
    }
}
