//! What it costs where no host has room grows with what is asked for, not with how many ask.

use std::time::{Duration, Instant};

use serde_json::json;

use super::site::{HOST, IMAGE, STORAGE, Site, fact, machine, name, person};
use crate::command::Command;
use crate::decide::decide;
use crate::event::{
    ClientFact, Event, HypervisorFact, MachineFact, PoolFact, SessionFact, StorageFact, Stream,
};
use crate::evolve::evolve;
use crate::fleet::Fleet;
use crate::ids::{DiskId, HypervisorId, PoolId, SessionId};
use crate::testing::command;

const TRIES: u32 = 5;

fn was<I: Stream<Event = Event>>(fleet: &mut Fleet, id: I, fact: I::Fact) {
    *fleet = evolve(std::mem::take(fleet), &id.event(fact));
}

fn host(n: u32) -> HypervisorId {
    HypervisorId::new(machine(n).uuid())
}

/// Everybody waits for a machine of the pool, and no host has room for one.
fn full(mode: &str, hosts: u32, people: u32, owners: u32) -> (Site, PoolId) {
    let mut site = Site::new();
    let pool = site.pool("pool", json!({ "mode": mode }));
    site.vdi(u32::MAX);
    let identity = site.at(u32::MAX).identity.clone();
    let mut fleet = std::mem::take(&mut site.story.fleet);
    let small = json!({ "capacity": { "memory_mib": 256, "vcpus": 64 } });
    let all = (0..hosts).map(host).chain([HOST]);
    let all = all.map(|it| (it.to_string(), json!("/disks"))).collect::<serde_json::Map<_, _>>();
    for n in 0..hosts {
        let registered = json!({ "name": format!("h{n}"), "settings": small });
        was(&mut fleet, host(n), HypervisorFact::Registered(fact(registered)));
    }
    let off = json!({ "reason": "admin", "switch": "on" });
    was(&mut fleet, HOST, HypervisorFact::MaintenanceChanged(fact(off)));
    let settings = json!({ "roles": ["images", "disks"], "hosts": all });
    let updated = json!({ "name": "disks", "settings": settings });
    was(&mut fleet, STORAGE, StorageFact::Updated(fact(updated)));
    let disk = json!({
        "id": DiskId::from_bytes([0xd1; 16]), "role": "system", "storage": STORAGE,
        "source": { "overlay": { "image": IMAGE, "file": 0 } }, "size_gib": 20, "overlay_generation": 1, "format": "qcow2",
    });
    for n in 0..people {
        let created = json!({
            "name": format!("m{n}"), "kind": { "vdi": { "initial": IMAGE } }, "identity": identity,
            "settings": {}, "disks": [disk],
        });
        was(&mut fleet, machine(n), MachineFact::Created(fact(created)));
        let joined = fact(json!({ "pool": pool }));
        was(&mut fleet, machine(n), MachineFact::PoolChanged(joined));
        let who = json!({ "client": person(n) });
        let known =
            json!({ "provider": "local", "name_hash": name(n)["hash"], "name": name(n)["sealed"] });
        was(&mut fleet, person(n), ClientFact::Created(fact(known)));
        was(&mut fleet, pool, PoolFact::Entitled(fact(json!({ "holder": who }))));
        if n < owners {
            let owner = fact(json!({ "subject": who }));
            was(&mut fleet, machine(n), MachineFact::Assigned(owner));
        }
        let target = json!({ "pool": pool });
        let queued = json!({ "subject": who, "target": target, "protocol": "spice", "place": n });
        let session = SessionId::new(machine(n).uuid());
        was(&mut fleet, session, SessionFact::Queued(fact(queued)));
    }
    site.story.fleet = fleet;
    (site, pool)
}

fn fastest(site: &mut Site, command: &Command) -> Duration {
    let context = site.story.context();
    let once = || {
        #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
        let began = Instant::now();
        let decision = decide(&site.story.fleet, command, &context).expect("it is accepted");
        #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
        let took = began.elapsed();
        assert_eq!(decision.events, [], "nobody can be served");
        took
    };
    (0..TRIES).map(|_| once()).min().expect("some tries")
}

/// Also of those who wait for machines of their own, and for whoever asks behind them.
#[test]
fn those_who_wait_on_a_site_that_is_full_cost_no_look_at_every_host_each() {
    const PEOPLE: u32 = 1000;
    for (mode, owners) in [("dedicated", PEOPLE), ("sticky", PEOPLE - 1), ("floating", 0)] {
        let took = [20, 2000].map(|hosts| {
            let (mut site, pool) = full(mode, hosts, PEOPLE, owners);
            let serve = fastest(&mut site, &command("ServePool", json!({ "pool": pool })));
            let ask = fastest(&mut site, &Site::request(PEOPLE - 1, "pool"));
            println!("{mode}, {hosts} hosts: ServePool {serve:?}, RequestDesktop {ask:?}");
            serve.max(ask)
        });
        assert!(took[1] <= took[0] * 5 + Duration::from_millis(20), "{mode}: {took:?}");
    }
}
