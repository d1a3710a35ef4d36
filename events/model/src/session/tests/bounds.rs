//! No decision is too long, however many sessions hang on what ends.

use serde_json::json;

use super::site::{Site, machine, of_sessions, person};
use crate::clockwork;
use crate::decide::EVENTS_MAX;
use crate::event::MachineFact;
use crate::machine::{StopCause, Subject};
use crate::session::ENDED_AT_ONCE_MAX;
use crate::testing::kinds;
use crate::version::latest::machine::HandedOn;

/// A terminal server that many people use.
fn server(people: u16) -> Site {
    let mut site = Site::new();
    site.pool("pool", json!({ "mode": "floating" }));
    site.external(0, people);
    site.join(0, "pool");
    for n in 0..people.into() {
        site.person(n);
        site.entitle(n, "pool");
        site.ask(n);
    }
    assert_eq!(site.at(0).leases.len(), usize::from(people));
    site
}

#[test]
fn a_terminal_server_that_goes_off_ends_as_many_sessions_as_a_decision_can() {
    for cause in [StopCause::Guest, StopCause::Command, StopCause::HostLost] {
        let mut site = server(300);
        site.runs(0);
        let events = site.stopped(0, cause);
        assert!(events.len() <= EVENTS_MAX / 2, "{cause:?}");
        if cause == StopCause::Guest {
            assert_eq!(of_sessions(&events), ["lease.ended"; ENDED_AT_ONCE_MAX]);
        }
    }
}

#[test]
fn a_terminal_server_that_would_not_start_ends_as_many_sessions_as_a_decision_can() {
    let mut site = server(300);
    site.runs(0);
    for _ in 0..4 {
        site.start_failed(0);
    }
}

#[test]
fn a_terminal_server_in_use_is_not_deleted() {
    let mut site = server(300);
    let delete = json!({ "machines": [machine(0)], "force": true });
    site.refused("DeleteMachine", delete, "CRL-0215");
}

#[test]
fn terminal_servers_that_many_wait_for_are_deleted_in_slices() {
    let mut site = Site::new();
    for server in 0..40 {
        site.external(server, 20);
        site.locked(server);
        for n in 0..20 {
            let n = 20 * server + n;
            site.person(n);
            site.assign(n, server);
            let client = json!({ "id": person(n) });
            site.given("RequestDesktop", json!({ "client": client, "machine": machine(server) }));
        }
    }
    assert_eq!(site.story.fleet.sessions.len(), 800);
    for server in 0..40 {
        let unlocked = MachineFact::Unlocked(crate::version::latest::Nothing {});
        site.story.was(machine(server), unlocked);
    }
    let all: Vec<_> = (0..40).map(machine).collect();
    site.given("DeleteMachine", json!({ "machines": all }));
    while let Some(operation) = site.story.fleet.operations.last() {
        site.given("AdvanceOperation", json!({ "operation": operation }));
    }
    assert!(site.story.fleet.machines.is_empty());
    let left = site.story.fleet.sessions.len();
    assert_eq!(left, 40 * (20 - ENDED_AT_ONCE_MAX), "the others leave when they ask no more");
}

#[test]
fn a_group_with_many_pools_is_deleted_in_one_decision_or_refused() {
    for pools in [48, 49] {
        let mut site = Site::new();
        site.given("CreateGroup", json!({ "name": "all" }));
        for n in 0..40 {
            site.person(n);
            let client = json!({ "id": person(n) });
            site.given("UpdateGroup", json!({ "group": "all", "add": [client] }));
        }
        for n in 0..pools {
            let pool = format!("p{n}");
            site.pool(&pool, json!({ "spares": { "keep_started": 2 } }));
            site.given("EntitlePool", json!({ "group": "all", "pool": pool }));
            for at in 0..3 {
                site.vdi(3 * n + at);
                site.join(3 * n + at, &pool);
            }
            if n < 40 {
                site.story.given(Site::request(n, &pool));
            }
        }
        assert_eq!(site.story.fleet.sessions.len(), 40);
        if pools == 49 {
            site.refused("DeleteGroup", json!({ "group": "all" }), "CRL-0506");
            continue;
        }
        let events = site.given("DeleteGroup", json!({ "group": "all" }));
        assert!(events.len() <= EVENTS_MAX && kinds(&events).contains(&"group.deleted"));
        assert_eq!(of_sessions(&events).len(), ENDED_AT_ONCE_MAX);
    }
}

#[test]
fn a_pool_that_many_wait_for_is_deleted_when_they_are_few_enough() {
    let people = u32::try_from(ENDED_AT_ONCE_MAX).expect("few") + 1;
    let mut site = Site::with_pool(json!({}), 1, people);
    site.locked(0);
    for n in 0..people {
        site.ask(n);
    }
    site.given("RemoveFromPool", json!({ "pool": "pool", "machines": [machine(0)] }));
    site.refused("DeletePool", json!({ "pool": "pool" }), "CRL-0408");
    site.leave(0);
    let events = site.given("DeletePool", json!({ "pool": "pool" }));
    assert_eq!(of_sessions(&events).len(), ENDED_AT_ONCE_MAX);
}

/// Everybody has a machine that eight operations wait for.
fn starting(people: u32) -> Site {
    let mut site = Site::with_pool(json!({}), people, people);
    for n in 0..people {
        site.ask(n);
        for _ in 0..8 {
            site.given("StartMachine", json!({ "machines": [machine(n)] }));
        }
    }
    site
}

#[test]
fn sessions_whose_end_ends_operations_end_as_far_as_a_decision_goes_and_the_others_after_it() {
    let people = u32::try_from(ENDED_AT_ONCE_MAX).expect("few");
    let mut site = starting(people);
    site.given("CreateGroup", json!({ "name": "class" }));
    let add: Vec<_> = (0..people).map(|n| json!({ "id": person(n) })).collect();
    site.given("UpdateGroup", json!({ "group": "class", "add": add }));
    site.given("EntitlePool", json!({ "pool": "pool", "group": "class" }));
    for n in 0..people {
        let client = json!({ "id": person(n) });
        site.given("RevokePool", json!({ "pool": "pool", "client": client }));
    }
    site.given("RevokePool", json!({ "pool": "pool", "group": "class" }));
    assert!(!site.story.fleet.sessions.is_empty(), "not all of them fit");
    for due in clockwork::due(&site.story.fleet, site.story.now) {
        site.story.given(due);
    }
    assert!(site.story.fleet.sessions.is_empty());
}

#[test]
fn whoever_is_kept_out_loses_sight_of_everything_at_once() {
    let most = u32::try_from(ENDED_AT_ONCE_MAX).expect("few");
    let mut site = Site::with_pool(json!({ "mode": "sticky" }), 0, 1);
    for n in 0..most {
        site.pool(&format!("p{n}"), json!({}));
        site.vdi(n);
        site.join(n, &format!("p{n}"));
        site.entitle(0, &format!("p{n}"));
        site.story.given(Site::request(0, &format!("p{n}")));
        for _ in 0..8 {
            site.given("StartMachine", json!({ "machines": [machine(n)] }));
        }
    }
    let delete = json!({ "client": { "id": person(0) } });
    site.refused("DeleteClient", delete.clone(), "CRL-0504");
    let said = of_sessions(&site.given("BlockClient", delete));
    let count = |kind| said.iter().filter(|it| **it == kind).count();
    assert_eq!(count("lease.ended") + count("session.disconnected"), ENDED_AT_ONCE_MAX);
    let left: Vec<_> = site.story.fleet.sessions.iter().map(|(id, _)| id).collect();
    assert_eq!(left.len(), count("session.disconnected"));
    for session in left {
        site.given("ExpireLease", json!({ "session": session }));
    }
    assert!(site.story.fleet.sessions.is_empty());
}

fn were_written(site: &mut Site, machines: std::ops::Range<u32>) {
    for n in machines {
        let by = Subject::Client(person(n));
        site.story.was(machine(n), MachineFact::HandedOn(HandedOn { from: by, to: by }));
    }
}

#[test]
fn machines_that_are_made_clean_for_their_owners_are_so_a_decision_at_a_time() {
    let limits = |most| json!({ "limits": { "sessions_max": most } });
    let mut site = Site::new();
    site.pool(
        "pool",
        json!({ "mode": "dedicated", "reset": "on_assign", "limits": { "sessions_max": 1 } }),
    );
    for n in 0..130 {
        site.vdi(n);
        site.join(n, "pool");
        site.person(n);
        site.assign(n, n);
        site.ask(n);
    }
    were_written(&mut site, 1..130);
    site.given("UpdatePool", json!({ "pool": "pool", "settings": limits(1000) }));
    let pool = site.pool_id("pool");
    for _ in 0..10 {
        site.given("ServePool", json!({ "pool": pool }));
    }
    site.overlays_are_made();
    assert!((0..130).all(|n| !site.waits(n)));
}

#[test]
fn used_machines_that_operations_wait_for_are_made_clean_a_decision_at_a_time() {
    let mut site = Site::with_pool(json!({ "reset": "on_assign" }), 44, 44);
    were_written(&mut site, 0..8);
    for n in 0..8 {
        for _ in 0..8 {
            site.given("StartMachine", json!({ "machines": [machine(n)] }));
        }
    }
    (0..44).for_each(|n| site.locked(n));
    (0..44).for_each(|n| drop(site.ask(n)));
    for n in 0..44 {
        let unlocked = MachineFact::Unlocked(crate::version::latest::Nothing {});
        site.story.was(machine(n), unlocked);
    }
    // As many as leave room for all resets, were it not for the operations.
    for free in 31..44 {
        let mut site = Site { story: site.story.clone() };
        for n in free..44 {
            let locked = MachineFact::Locked(crate::version::latest::Nothing {});
            site.story.was(machine(n), locked);
        }
        let pool = site.pool_id("pool");
        let events = site.given("ServePool", json!({ "pool": pool }));
        assert!(of_sessions(&events).len() >= 20, "{free}: {}", events.len());
    }
}
