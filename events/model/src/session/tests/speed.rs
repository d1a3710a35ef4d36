//! What a desktop costs doesn't grow with its pool.

use std::time::{Duration, Instant};

use serde_json::json;

use super::site::{IMAGE, STORAGE, Site, fact, machine, person};
use crate::context::Context;
use crate::decide::decide;
use crate::deciding::Deciding;
use crate::event::{Event, MachineFact, PoolFact};
use crate::evolve::evolve;
use crate::ids::{DiskId, PoolId};
use crate::session::Target;
use crate::session::serve::{Turn, serve_one};

const LARGE: u32 = 100_000;
const TRIES: u32 = 60;

/// Machines are put into the fleet past the story, which would make all indexes anew for each.
fn fill(site: &mut Site, pool: PoolId, machines: std::ops::Range<u32>) {
    if !site.story.fleet.machines.contains(machine(u32::MAX)) {
        site.vdi(u32::MAX);
    }
    let (_, like) = site.story.fleet.machines.iter().last().expect("one");
    let identity = like.identity.clone();
    let disk = json!({
        "id": DiskId::from_bytes([0xd1; 16]), "role": "system", "storage": STORAGE,
        "source": { "overlay": { "image": IMAGE, "file": 0 } }, "size_gib": 20, "overlay_generation": 1, "format": "qcow2",
    });
    let mut fleet = std::mem::take(&mut site.story.fleet);
    let created = json!({
        "name": "m", "kind": { "vdi": { "initial": IMAGE } }, "identity": identity,
        "settings": {}, "disks": [disk],
    });
    let created: crate::machine::Created = fact(created);
    for n in machines {
        let name = crate::name::Name::new(&format!("m{n}")).expect("a name");
        let created = crate::machine::Created { name, ..created.clone() };
        fleet = evolve(fleet, &Event::Machine(machine(n), MachineFact::Created(created)));
        let joined = fact(json!({ "pool": pool }));
        fleet = evolve(fleet, &Event::Machine(machine(n), MachineFact::PoolChanged(joined)));
    }
    site.story.fleet = fleet;
}

fn fastest(site: &mut Site, pool: &str) -> Duration {
    let command = Site::request(0, pool);
    let context: Context = site.story.context();
    let once = || {
        #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
        let began = Instant::now();
        let decision = decide(&site.story.fleet, &command, &context).expect("a desktop");
        #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
        let took = began.elapsed();
        assert!(decision.events.len() >= 4);
        took
    };
    (0..TRIES).map(|_| once()).min().expect("some tries")
}

#[test]
fn a_desktop_of_a_large_pool_costs_at_most_twice_as_much() {
    let mut site = Site::new();
    let small = site.pool("small", json!({}));
    let large = site.pool("large", json!({}));
    site.person(0);
    assert_eq!(site.story.fleet.clients.last(), Some(person(0)));
    site.entitle(0, "small");
    site.entitle(0, "large");
    fill(&mut site, small, 0..10);
    let alone = fastest(&mut site, "small");
    fill(&mut site, large, 10..LARGE);
    let (small, large) = (fastest(&mut site, "small"), fastest(&mut site, "large"));
    println!("10 alone: {alone:?}; 10 beside a large one: {small:?}; 100,000: {large:?}");
    assert!(large <= small * 2, "{large:?} against {small:?}");
}

/// Whether the pool gives no more, or gives nothing now.
#[test]
fn those_who_wait_for_a_pool_that_gives_nothing_cost_a_poll_nothing() {
    for limits in [json!({ "sessions_max": 1 }), json!({ "sessions_max": 1_000_000 })] {
        let mut site = Site::with_pool(json!({ "limits": { "sessions_max": 1 } }), 2, 20);
        for n in 0..20 {
            site.ask(n);
        }
        site.given("UpdatePool", json!({ "pool": "pool", "settings": { "limits": limits } }));
        let queue = Target::Pool(site.pool_id("pool"));
        let first = site.story.fleet.queue(queue).next().expect("they wait");
        let closed = json!({ "effect": { "closed": true }, "next": null });
        let closed = PoolFact::CalendarTurned(fact(closed));
        site.story.was(site.pool_id("pool"), closed);
        let context = site.story.context();
        let by = crate::command::By::System;
        let mut deciding = Deciding::new(&site.story.fleet, "ServePool", by, &context);
        assert_eq!(serve_one(&mut deciding, first), Turn::NothingFree);
    }
}
