//! Who gets which desktop, and for how long.

use std::collections::BTreeSet;

use carrel_model::clockwork;
use carrel_model::fleet::Silence;
use serde_json::json;

use super::{asks, desktops, given, pool, refused, session, site, wait, waiting};
use carrel_testkit::invariants::check;

#[test]
fn pool_exhaustion_and_race() {
    let people = ["anna", "jonas", "ona", "petras"];
    let mut world = site();
    pool(&mut world, 3, &people);
    people.iter().for_each(|person| asks(&mut world, person));
    let had: BTreeSet<_> = desktops(&world).into_iter().collect();
    assert_eq!((had.len(), waiting(&world)), (3, 1), "exactly one waits");
    assert_eq!(desktops(&world).len(), had.len(), "no machine is given twice");
    let leased = world.fleet.sessions.iter().find(|(_, session)| session.machine().is_some());
    let (session, _) = leased.expect("somebody has a desktop");
    given(&mut world, "EndSession", &json!({ "session": session }));
    assert_eq!((desktops(&world).len(), waiting(&world)), (3, 0), "the next one is served");
}

#[test]
fn session_takeover() {
    let mut world = site();
    pool(&mut world, 3, &["anna", "jonas"]);
    let lab = json!({ "classes": { "thin": { "template": "run" } } });
    given(&mut world, "CreateLab", &json!({ "name": "b12", "settings": lab }));
    for termid in ["desk-1", "desk-2"] {
        let settings = json!({ "lab": "b12", "class": "thin" });
        given(&mut world, "RegisterTerminal", &json!({ "termid": termid, "settings": settings }));
    }
    let ask = |terminal: &str| json!({ "client": "anna", "pool": "room", "terminal": terminal });
    given(&mut world, "RequestDesktop", &ask("desk-1"));
    let (hers, first) = (desktops(&world)[0], session(&world));
    let before = world.fleet.sessions.get(first).expect("hers").ticket.number;
    given(&mut world, "DisconnectSession", &json!({ "session": first }));

    // From another device, within the takeover window: the same machine, without a reset.
    wait(&mut world, 200);
    given(&mut world, "RequestDesktop", &ask("desk-2"));
    assert_eq!((desktops(&world), session(&world)), (vec![hers], first));
    let after = world.fleet.sessions.get(first).expect("hers").ticket.number;
    assert!(after > before, "a viewer on the first device has no ticket any more");
    asks(&mut world, "jonas");
    assert_eq!(desktops(&world).iter().filter(|it| **it == hers).count(), 1, "nobody else gets it");

    // Nothing is heard of her for longer: it is made clean and free.
    world.heed(&clockwork::lapsed(Silence::Lease(first)), &mut check);
    world.settle(&mut check);
    let machine = world.fleet.machines.get(hers).expect("the machine");
    assert!(machine.leases.is_empty() && machine.written.is_none());
}

/// A desktop for a time: its end is announced, can be put off, and comes.
#[test]
fn charter() {
    let mut world = site();
    pool(&mut world, 1, &["anna"]);
    asks(&mut world, "anna");
    let (hers, lease) = (desktops(&world)[0], session(&world));
    let message = |world: &carrel_testkit::world::World| {
        let machine = world.fleet.machines.get(hers).expect("hers");
        machine.message.as_ref().map(|message| message.text.to_string())
    };
    let end_at = |seconds| {
        json!({
            "initial": "win11", "machines": [hers], "when": { "at": seconds }, "warn_seconds": 300,
        })
    };
    let first = world.now.plus_seconds(3600);
    given(&mut world, "Populate", &end_at(first));
    wait(&mut world, 3300);
    let told = message(&world).expect("a warning");
    assert!(told.contains("in 5 min"), "{told}");

    // It is put off: a newer one supersedes the one that was planned.
    let later = world.now.plus_seconds(3600);
    given(&mut world, "Populate", &end_at(later));
    wait(&mut world, 300);
    assert_eq!(session(&world), lease, "the first time has come, and nothing happens");
    wait(&mut world, 3000);
    wait(&mut world, 300);
    assert_eq!((desktops(&world).len(), waiting(&world)), (0, 0), "the second one counts");

    // Out of hours nobody gets a desktop; who has one keeps it.
    let hours = json!({
        "days": ["thursday"], "from_minute": 0, "until_minute": 1440, "time_zone": "UTC",
        "effect": { "closed": true },
    });
    asks(&mut world, "anna");
    given(
        &mut world,
        "UpdatePool",
        &json!({ "pool": "room", "settings": { "calendars": [hours] } }),
    );
    asks(&mut world, "anna");
    let ended = session(&world);
    given(&mut world, "EndSession", &json!({ "session": ended }));
    let ask = json!({ "client": "anna", "pool": "room" });
    assert_eq!(refused(&mut world, "RequestDesktop", &ask).code(), "CRL-0418");
}
