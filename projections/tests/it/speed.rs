//! Measurements, for whoever asks for them: `cargo test --release -- --ignored --nocapture`.

use std::sync::Arc;

use carrel_log::memory::MemoryLog;
use carrel_model::event::Event;
use carrel_model::ids::{FromUuid, LogId};
use carrel_projections::{Kind, Query, ReadModels};
use carrel_testkit::site::{self, Site, starts, stops};
use uuid::Uuid;

use crate::scene::{Plain, Scene, multi};

#[expect(clippy::disallowed_methods, reason = "it is measured")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "it is measured")]
fn seconds(since: std::time::Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

async fn filled(site: Site, rounds: u32) -> (Arc<MemoryLog>, u64) {
    let log = Arc::new(MemoryLog::new(LogId::from_uuid(Uuid::from_u128(7))));
    let mut scene = Scene::on(log.clone(), Arc::new(Plain)).await;
    scene.stop().await;
    let facts: Vec<Event> = site.facts().collect();
    scene.append(&facts).await;
    for _ in 0..rounds {
        for number in 0..site.machines {
            let id = site::machine(number);
            scene.append(&starts(id, site::host(number % site.hosts))).await;
            scene.append(&stops(id)).await;
        }
    }
    let head = scene.head().await.0;
    (log, head)
}

#[test]
#[ignore = "a measurement"]
fn building_anew() {
    multi(async {
        let site = Site {
            hosts: 40,
            machines: 20_000,
            pools: 20,
            first_pool: 0,
            people: 20_000,
            one_in_runs: 0,
        };
        let (log, events) = filled(site, 6).await;
        let start = now();
        let scene = Scene::on(log.clone(), Arc::new(Plain)).await;
        let took = seconds(start);
        let rate = events as f64 / took;
        println!("{events} events built anew in {took:.2} s: {rate:.0}/s");
        drop(scene);
        let mut scene = Scene::new().await;
        let some: Vec<Event> = site.facts().take(20_000).collect();
        let start = now();
        scene.append(&some).await;
        scene.seen().await;
        println!("followed in batches: {:.0}/s", 20_000.0 / seconds(start));
        let start = now();
        for number in 0..500 {
            scene.append(&[site::person(number).event_blocked()]).await;
            scene.seen().await;
        }
        println!("one fact, seen, after the other: {:.0}/s", 500.0 / seconds(start));
    });
}

trait Blocked {
    fn event_blocked(self) -> Event;
}

impl Blocked for carrel_model::ids::ClientId {
    fn event_blocked(self) -> Event {
        use carrel_model::event::{ClientFact, Stream};
        self.event(ClientFact::Blocked(carrel_model::version::latest::Nothing {}))
    }
}

#[test]
#[ignore = "a measurement"]
fn first_pages_of_a_million_machines() {
    multi(async {
        let site = Site {
            hosts: 100,
            machines: 1_000_000,
            pools: 200,
            first_pool: 0,
            people: 1_000,
            one_in_runs: 4,
        };
        let (log, events) = filled(site, 0).await;
        let start = now();
        let scene = Scene::on(log, Arc::new(Plain)).await;
        println!("{events} events built anew in {:.1} s", seconds(start));
        for parameters in [
            vec![],
            vec![("sort", "-name")],
            vec![("sort", "-created_at")],
            vec![("state", "running")],
            vec![("state", "running,starting")],
            vec![("pool", "pool7"), ("state", "off")],
            vec![("hypervisor", "node9")],
            vec![("image", "win11@1"), ("state", "paused")],
            vec![("name", "win11-0001*")],
        ] {
            let query = Query::parse(Kind::Machines, parameters.iter().copied()).expect("a query");
            let mut times = Vec::new();
            for _ in 0..300 {
                let start = now();
                scene.models.page(&query).await.expect("a page");
                times.push(seconds(start) * 1_000.0);
            }
            times.sort_by(f64::total_cmp);
            println!("{parameters:?}: p50 {:.2} ms, p99 {:.2} ms", times[150], times[296]);
        }
    });
}
